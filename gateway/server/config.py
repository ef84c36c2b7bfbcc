"""The configuration: one TOML file, read once at start.

Limits: nothing is read again while the gateway runs.
Why: all faults are reported together, each with its line, so that one look mends the whole file.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway import iso
from gateway.server.config_check import check
from gateway.server.config_example import EXAMPLE
from gateway.server.config_options import (
    MODULES,
    Agreement,
    ClientTls,
    Config,
    Gateway,
    Module,
    Ochp,
    Ocpi,
    Outbox,
    Party,
    Protocol,
    Retention,
    Role,
    Schedule,
    ServerTls,
)
from gateway.server.options import describe
from gateway.server.options.read import Reading
from gateway.server.options.secret import Secret

__all__ = [
    "MODULES",
    "Agreement",
    "ClientTls",
    "Config",
    "Gateway",
    "Module",
    "Ochp",
    "Ocpi",
    "Outbox",
    "Party",
    "Protocol",
    "Retention",
    "Role",
    "Schedule",
    "Secret",
    "ServerTls",
    "example",
    "load",
    "reference",
    "schema",
]


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration in a file; raises ConfigError with everything that is wrong with it."""
    reading = Reading(path, environment)
    config = reading.read(Config)
    check(config, reading.fault)
    reading.check()
    parties = tuple(
        msgspec.structs.replace(
            party,
            time_zone=party.time_zone or iso.zone(party.country) or config.gateway.time_zone,
        )
        for party in config.parties
    )
    return msgspec.structs.replace(config, parties=parties)


def schema() -> dict[str, Any]:
    """JSON Schema of the file."""
    return describe.schema(Config)


def reference() -> str:
    """All options as a page of the documentation, Markdown."""
    return describe.reference(Config)


def example() -> str:
    """A file with every option and what it is for."""
    return EXAMPLE
