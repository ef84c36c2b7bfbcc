"""Finds adapters by entry point, loads each on first use, and keeps the reason when one fails.

An entry point (group ``roamgate.adapters``) has the family's name, ``ochp``; its protocols
are named ``ochp-1.4`` and so on.
"""

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from gateway.errors import ConfigError

GROUP = "roamgate.adapters"


@cache
def _entries() -> dict[str, Any]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def adapter(family: str) -> Any:
    """The adapter of a protocol family; raises ConfigError when there is none or it fails."""
    entry = _entries().get(family)
    if entry is None:
        known = ", ".join(sorted(_entries())) or "none installed"
        raise ConfigError(f"no adapter for {family!r} (known: {known})")
    try:
        return entry.load()
    except ImportError as error:
        raise ConfigError(f"the adapter {family} cannot be loaded: {error}") from error


def adapter_for(protocol: str) -> Any:
    """The adapter that speaks ``protocol``; raises ConfigError naming those that exist."""
    family = protocol.partition("-")[0]
    if family in _entries() and protocol in adapter(family).protocols:
        return adapter(family)
    raise ConfigError(f"unknown protocol {protocol!r} (known: {', '.join(protocols())})")


def protocols() -> tuple[str, ...]:
    """All protocols of all adapters."""
    return tuple(p for family in sorted(_entries()) for p in adapter(family).protocols)
