"""Who may import whom: the table, held against the import statements."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# package: (first party, third party). Dependencies point inward; the core knows no adapter.
MAY: dict[str, tuple[set[str], set[str]]] = {
    "gateway.aside": (set(), set()),
    "gateway.step": (set(), set()),
    "gateway.several": (set(), set()),
    "gateway.cohort": ({"step"}, {"twisted"}),
    "gateway.errors": (set(), set()),
    "gateway.iso": (set(), set()),
    "gateway.http": (set(), {"msgspec"}),
    "gateway.model": ({"iso"}, {"msgspec"}),
    "gateway.mapping": ({"errors", "model"}, {"lxml", "msgspec"}),
    "gateway.adapter": ({"errors", "http", "mapping", "model"}, set()),
    "gateway.registry": ({"errors"}, set()),
    "gateway.schema": ({"errors"}, {"lxml", "xmlschema"}),
    "gateway.security": (
        {"errors", "http", "model", "store"},
        {"lxml", "msgspec", "cryptography", "signxml"},
    ),
    "gateway.store": (
        {"aside", "errors"},
        {"alembic", "msgspec", "psycopg", "sqlalchemy", "zstandard"},
    ),
    "gateway.bulk": (
        {"adapter", "errors", "mapping", "model", "registry", "several", "translate"},
        {"lxml", "msgspec"},
    ),
    "gateway.translate": ({"adapter", "errors", "mapping", "model", "registry"}, {"msgspec"}),
    "gateway.routing": (
        {
            "adapter", "aside", "cohort", "errors", "http", "iso", "mapping", "model", "security",
            "step", "store",
        },
        {"msgspec", "twisted"},
    ),
    "gateway.client": (
        {"cohort", "errors", "http", "server", "step"},
        {"OpenSSL", "msgspec", "service_identity", "twisted", "zope"},
    ),
    "gateway.soap": (
        {"adapter", "aside", "errors", "http", "mapping", "model", "schema", "security", "step"},
        {"lxml", "msgspec", "six", "spyne", "structlog", "twisted", "zeep"},
    ),
    "gateway.server": (
        {
            "__version__", "adapter", "aside", "client", "cohort", "errors", "http", "iso",
            "mapping", "model", "registry", "routing", "schema", "security", "soap", "step",
            "store", "translate",
        },
        {
            "OpenSSL", "cryptography", "httptools", "msgspec", "prometheus_client", "structlog",
            "twisted", "zope", "lxml",
        },
    ),
    "gateway.cli": (
        {
            "__version__", "adapter", "bulk", "demo", "errors", "http", "iso", "mapping", "model",
            "registry", "routing", "schema", "security", "server", "several", "soap", "store",
            "translate",
        },
        {"lxml", "msgspec", "rich", "twisted", "typer"},
    ),
    "gateway.demo": (
        {"client", "http", "model", "schema", "server"},
        {"lxml", "msgspec", "rich", "twisted"},
    ),
    "gateway.__main__": ({"cli"}, set()),
}  # fmt: skip
ADAPTER = (
    {"adapter", "errors", "http", "iso", "mapping", "model", "security", "step"},
    {"lxml", "msgspec"},
)
HOMES = {
    "spyne": "gateway/soap/",
    "zeep": "gateway/soap/",
    "xmlschema": "gateway/schema.py",
    "sqlalchemy": "gateway/store/",
    "psycopg": "gateway/store/",
    "signxml": "gateway/security/",
    "httptools": "gateway/server/",
    "zstandard": "gateway/store/packed.py",
}


def _package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _modules() -> Iterator[Path]:
    for top in ("gateway", "adapters"):
        yield from sorted((ROOT / top).rglob("*.py"))


@cache
def _imported(path: Path) -> tuple[str, ...]:
    return tuple(_names(path))


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "gateway":
            yield from (f"gateway.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", list(_modules()), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_in_the_table(path: Path) -> None:
    """A module imports what its package may import, and nothing else."""
    package = _package(".".join(path.relative_to(ROOT).with_suffix("").parts))
    is_adapter = package.startswith("adapters.") and package != "adapters.__init__"
    if package in ("gateway.__init__", "adapters.__init__"):
        first, third = set[str](), set[str]()
    else:
        first, third = ADAPTER if is_adapter else MAY[package]
    for name in _imported(path):
        top = name.split(".")[0]
        if top == "gateway":
            assert _package(name) == package or name.split(".")[1] in first, name
        elif top == "adapters":
            assert is_adapter, f"the core imports an adapter: {name}"
            assert _package(name) == package, f"an adapter imports another: {name}"
        elif top not in sys.stdlib_module_names:
            assert top in third, name


@pytest.mark.parametrize(("library", "home"), HOMES.items(), ids=list(HOMES))
def test_a_library_has_one_home(library: str, home: str) -> None:
    """Each large library is known to one place only."""
    users = {
        str(path.relative_to(ROOT))
        for path in _modules()
        if any(name.split(".")[0] == library for name in _imported(path))
    }
    assert all(user.startswith(home) for user in users), users
