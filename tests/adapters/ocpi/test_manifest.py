"""The manifest says what the routes serve; the examples in the modules hold."""

import doctest
import importlib
import tomllib
from pathlib import Path

import pytest

import adapters.ocpi
from adapters.ocpi import ADAPTER
from adapters.ocpi.routes import ROUTES

FOLDER = Path(adapters.ocpi.__file__).parent
MANIFEST = tomllib.loads((FOLDER / "manifest.toml").read_text())
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def test_the_manifest_names_the_adapter() -> None:
    assert MANIFEST["name"] == ADAPTER.name
    assert tuple(f"ocpi-{version}" for version in MANIFEST["versions"]) == ADAPTER.protocols
    assert tuple(MANIFEST["prefixes"]) == ADAPTER.prefixes


def test_the_manifest_names_the_modules_that_are_served() -> None:
    """``both`` is a sender and a receiver interface; credentials have no side."""
    sides = {
        module: {route.role for route in ROUTES if route.module == module}
        for module in MANIFEST["modules"]
    }
    for module, state in MANIFEST["modules"].items():
        if state == "both":
            assert sides[module] in ({"SENDER", "RECEIVER"}, {""}), module
        else:
            assert state["why"]
            assert sides[module] == set(), module
    assert {route.module for route in ROUTES} - {"versions"} <= MANIFEST["modules"].keys()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"adapters.ocpi.{name}")).failed == 0
