"""The demo's stage: five partners on real sockets, and the gateway's configuration between them."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from gateway.demo import data
from gateway.demo.ochp import OchpCaller, OchpHub
from gateway.demo.ocpi import OcpiPartner
from gateway.http import Handler
from gateway.server.http import HttpServer, Limits

CONFIG = """
[gateway]
public_url = "http://127.0.0.1:{port}"
listen = "127.0.0.1:{port}"
admin = "127.0.0.1:{admin}"
allow_networks = ["127.0.0.0/8"]
country = "NL"
party = "RGW"
name = "Roamgate demo"
database = "sqlite:///demo.db"
log_level = "warning"

[[party]]
id = "havenlader"
name = "Havenlader"
roles = ["cpo"]
country = "NL"
codes = ["NL*HAV"]
protocol = "ocpi-2.2.1"
time_zone = "Europe/Amsterdam"
[party.ocpi]
token_in = "demo-token-a-havenlader"
pull = ["locations", "tariffs"]
callback_origins = ["{ocpi_cpo}"]

[[party]]
id = "rijstroom"
name = "Rijstroom"
roles = ["emsp"]
country = "NL"
codes = ["NL-RYS"]
protocol = "ocpi-2.2.1"
authorise_within = "2s"
[party.ocpi]
token_in = "demo-token-a-rijstroom"
callback_origins = ["{ocpi_emsp}"]

[[party]]
id = "clearing"
name = "Clearing house"
roles = ["hub"]
country = "DE"
codes = ["DE*HUB", "DE-HUB"]
protocol = "ochp-1.4"
[party.ochp]
address = "{hub}/ochp/1.4"
live_address = "{hub}/ochp/1.4/live"
username_out = "roamgate"
password_out = "demo-hub"

[[party]]
id = "alpenstrom"
name = "Alpenstrom"
roles = ["cpo"]
country = "AT"
codes = ["AT*ALP"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "alpenstrom"
password_in = "demo-alpenstrom"

[[party]]
id = "fahrstrom"
name = "Fahrstrom"
roles = ["emsp"]
country = "DE"
codes = ["DE-FST"]
protocol = "ochp-1.4"
[party.ochp]
username_in = "fahrstrom"
password_in = "demo-fahrstrom"

[[party]]
id = "visitor"
name = "Visitor"
roles = ["cpo"]
country = "NL"
codes = ["NL*VIS"]
protocol = "ocpi-2.2.1"
[party.ocpi]
token_in = "demo-token-a-visitor"
callback_origins = ["http://127.0.0.1:{visitor}"]

{agreements}

[schedule]
status = "1s"
locations = "2s"
tokens = "1s"
cdrs = "1s"
"""
PAIRS = (
    ("havenlader", "fahrstrom"),
    ("havenlader", "rijstroom"),
    ("havenlader", "clearing"),
    ("alpenstrom", "rijstroom"),
    ("alpenstrom", "fahrstrom"),
    ("clearing", "rijstroom"),
)
"""Who roams where: visited-CSO, home-CSP."""


_FIRST, _LAST, _BLOCK = 20_000, 32_000, 400
_claims: list[socket.socket] = []


@cache
def _own_ports(process: int) -> Iterator[int]:
    """The numbers of a block that no other process takes ports from, again and again.

    Who holds the UDP port of a block's first number has the block, until the process ends.
    """
    for first in range(_FIRST, _LAST, _BLOCK):
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", first))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return cycle(range(first, first + _BLOCK))
    raise RuntimeError(f"all ports between {_FIRST} and {_LAST} are taken by other processes")


def free_port() -> int:
    """A port on loopback that nobody uses, and that no other process is given here.

    Below those that the kernel gives away (from 32,768 on with Linux): a connection to somewhere
    else could get one of these as its own end before somebody listens there.
    """
    for port in islice(_own_ports(os.getpid()), _BLOCK):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"none of the {_BLOCK} ports of this process is free")


@dataclass
class Stage:
    """Everybody who takes part, and where the gateway is."""

    url: str
    config: Path
    visitor: int
    """The port of a partner that does not play: for who wants to try a handshake."""
    ocpi_cpo: OcpiPartner
    ocpi_emsp: OcpiPartner
    hub: OchpHub
    ochp_cpo: OchpCaller
    ochp_emp: OchpCaller
    servers: list[HttpServer]

    async def close(self) -> None:
        """Stop the partners' servers."""
        for server in self.servers:
            await server.drain()


def build(folder: Path, reactor: Any, fetch: Callable[..., Any]) -> Stage:
    """Start the partners and write the gateway's configuration into ``folder``."""
    servers: list[HttpServer] = []

    def serve(handler: Handler) -> str:
        server = HttpServer(handler, Limits(), reactor)
        port = server.listen(0, "127.0.0.1")
        servers.append(server)
        return f"http://127.0.0.1:{port}"

    ocpi_cpo = OcpiPartner(fetch, "CPO", "NL", "HAV", "Havenlader")
    ocpi_emsp = OcpiPartner(fetch, "EMSP", "NL", "RYS", "Rijstroom")
    hub = OchpHub("roamgate", "demo-hub")
    ocpi_cpo.url, ocpi_emsp.url = serve(ocpi_cpo.handle), serve(ocpi_emsp.handle)
    hub_url = serve(hub.handle)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    config, visitor = folder / "roamgate.toml", free_port()
    config.write_text(
        CONFIG.format(
            port=port,
            admin=free_port(),
            ocpi_cpo=ocpi_cpo.url,
            ocpi_emsp=ocpi_emsp.url,
            hub=hub_url,
            visitor=visitor,
            agreements="\n".join(
                f'[[agreement]]\ncpo = "{cpo}"\nemsp = "{emsp}"\n' for cpo, emsp in PAIRS
            ),
        ),
        encoding="utf-8",
    )
    fill(ocpi_cpo, ocpi_emsp, hub)
    return Stage(
        url,
        config,
        visitor,
        ocpi_cpo,
        ocpi_emsp,
        hub,
        OchpCaller(fetch, f"{url}/ochp/1.4", "alpenstrom", "demo-alpenstrom"),
        OchpCaller(fetch, f"{url}/ochp/1.4", "fahrstrom", "demo-fahrstrom"),
        servers,
    )


def fill(cpo: OcpiPartner, emsp: OcpiPartner, hub: OchpHub) -> None:
    """What the partners have before the curtain rises."""
    cpo.lists["locations"] = data.ocpi_locations("NL", "HAV", 110, seed=1)
    cpo.lists["tariffs"] = data.ocpi_tariffs("NL", "HAV")
    emsp.lists["tokens"] = [
        data.ocpi_token("NL", "RYS", number, "NEVER" if number % 4 == 0 else "ALLOWED")
        for number in range(1, 61)
    ]
    for evse in data.ochp_evses("DE", "HUB", 24, seed=3):
        hub.own_charge_points.append(data.ochp_charge_point(evse))
    hub.own_tokens = [
        data.ochp_token("DE", "HUB", number, "roamingAuthorisationInfoArray")
        for number in range(1001, 1021)
    ]
