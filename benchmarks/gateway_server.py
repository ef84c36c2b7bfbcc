"""The gateway as a contender: its configuration, what stands in its store, and how it is started.

Without an argument more than the configuration this is ``roamgate serve``. ``python -m
benchmarks.gateway_server CONFIG`` is the same with the ledger left out, to see what it costs.
"""

import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import samples
from benchmarks.keys import files
from benchmarks.load import ask
from benchmarks.operations import PASSWORD, USER
from gateway.demo.stage import free_port

CONFIG = """
[gateway]
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
country = "NL"
party = "RGW"
name = "Roamgate benchmark"
database = "{database}"
log_level = "warning"
allow_networks = ["127.0.0.0/8"]
{gateway}

[[party]]
id = "asker"
name = "Alpenstrom"
roles = ["cpo"]
country = "AT"
codes = ["AT*ALP"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "{user}"
password_in = "{password}"
{security}

[[party]]
id = "lister"
name = "Fahrstrom"
roles = ["emsp"]
country = "DE"
codes = ["DE-FST"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "fahrstrom"
password_in = "bench-list"

[[party]]
id = "json"
name = "Havenlader"
roles = ["cpo"]
country = "NL"
codes = ["NL*HAV"]
protocol = "ocpi-2.2.1"
[party.ocpi]
token_in = "bench-token"
token_out = "bench-token-out"
versions_url = "http://127.0.0.1:9/versions"
handshake = false
push = []
pull = []

[[party]]
id = "home"
name = "Heimstrom"
roles = ["emsp"]
country = "DE"
codes = ["DE-HOM"]
protocol = "ochp-1.4"
[party.ochp]
address = "http://127.0.0.1:{partner}/ochp/1.4"
username_out = "roamgate"
password_out = "bench-out"

[[agreement]]
cpo = "asker"
emsp = "lister"
[[agreement]]
cpo = "json"
emsp = "home"

[schedule]
status = "1d"
locations = "1d"
tokens = "1d"
cdrs = "1d"
"""
_FEW = 10
SECURITY = """
[party.wss]
key = "{key}"
certificate = "{certificate}"
trusted = ["{trusted}"]
"""


@dataclass
class Gateway:
    """One gateway with a store of its own, in a folder that goes with it."""

    partner: int = 9
    signed: bool = False
    ledger: bool = True
    more: str = ""
    database: str = ""
    arguments: tuple[str, ...] = ()
    profile: Path | None = None
    """Where to write what it spent its time on; see ``profiled``."""
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="roamgate-bench-")))
    admin: int = field(default_factory=free_port)

    def command(self, port: int) -> Sequence[str]:
        """Write the configuration, and how to start with it."""
        config = self.folder / "roamgate.toml"
        config.write_text(
            CONFIG.format(
                port=port,
                admin=self.admin,
                database=self.database or f"sqlite:///{self.folder}/bench.db",
                gateway=self.more,
                user=USER,
                password=PASSWORD,
                partner=self.partner,
                security=self._security() if self.signed else "",
            )
        )
        if self.profile:
            return [sys.executable, "-m", "benchmarks.profiled", str(config), str(self.profile)]
        if self.ledger:
            python = [sys.executable, "-m", "gateway", "serve"]
            return [*python, "--config", str(config), *self.arguments]
        return [sys.executable, "-m", "benchmarks.gateway_server", str(config)]

    def _security(self) -> str:
        key, certificate = files("gateway")
        return SECURITY.format(key=key, certificate=certificate, trusted=files("asker")[1])

    def fill(self, port: int) -> None:
        """The provider's list of tokens."""
        body = samples.envelope(samples.tokens(), "fahrstrom", "bench-list")
        request = samples.http("/ochp/1.4", body, "SetRoamingAuthorisationList")
        status, answer = ask(port, request)
        if status != 200 or b">ok<" not in answer:
            raise RuntimeError(f"the tokens were not taken: {status} {answer[:300]!r}")
        while "--workers" in self.arguments and self._workers() < int(self.arguments[-1]):
            time.sleep(0.5)

    def _workers(self) -> int:
        """How many work already: until then the first has a part of what the partner may ask."""
        _, figures = ask(self.admin, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return figures.count(b"\nroamgate_resident_bytes{")

    def remove(self) -> None:
        """Raises RuntimeError when there is a ledger where there should be none."""
        file = self.folder / "bench.db"
        kept = _entries(file) if file.exists() else 0
        shutil.rmtree(self.folder, ignore_errors=True)
        if kept > _FEW and not self.ledger:
            raise RuntimeError(f"{kept} entries in a ledger that was to be left out")


def _entries(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        count: int = connection.execute("SELECT count(*) FROM messages").fetchone()[0]
        return count


def leave_out_ledger() -> None:
    """From now on this process answers without writing what it was asked."""
    from gateway.routing.exchange import Exchange

    async def nothing(self: Any, *arguments: Any, **named: Any) -> None: ...

    def no_more(self: Any, step: Any) -> None: ...

    for name, instead in (("_enter", nothing), ("written", nothing), ("follow", no_more)):
        assert hasattr(Exchange, name)
        setattr(Exchange, name, instead)


def main(config: str) -> int:
    """``roamgate serve`` without the ledger."""
    from gateway.cli import serve

    leave_out_ledger()
    return serve.run(Path(config))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
