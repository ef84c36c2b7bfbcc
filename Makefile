# Everything a fresh machine with Python 3.11 or newer needs. `make help` lists the targets.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.DEFAULT_GOAL := help
.PHONY: help run serve test check lint types bench docs clean

help: ## List the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(DEV): $(READY)
	$(PIP) -e '.[dev]'
	@touch $@

run: $(READY) ## Set up and run the demo: five simulated partners, all flows, a table at the end.
	$(BIN)/roamgate demo

serve: $(READY) ## Leave a gateway running with the demo's partners.
	$(BIN)/roamgate demo --serve

test: $(DEV) ## Set up and run the tests.
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV)
	$(BIN)/mypy

check: lint types test ## All that CI checks.

bench: $(DEV) ## Compare with the peers, write docs/performance.md; QUICK=1: one round, a table.
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick,--write)

docs: $(READY) ## Write the generated pages of docs/ from the tables.
	$(BIN)/python -m gateway.cli.pages

clean: ## Remove what was made.
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
