"""The works with a partner behind the gateway; where the time goes; two workers."""

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import samples, servers
from benchmarks.gateway_server import Gateway
from benchmarks.load import listening
from benchmarks.measure import (
    ROOT,
    Apart,
    Clocked,
    Contender,
    Sample,
    Session,
    Work,
    cores,
    main_thread_time,
    pinned,
)
from benchmarks.operations import PASSWORD, USER
from benchmarks.over_http import ALL, OK, PATH, WITHOUT, floor, gateway, row
from benchmarks.peers import BUILD
from benchmarks.profiled import OTHER_THREADS
from benchmarks.server import Server
from benchmarks.servers import NODE_ENV, Command, python
from gateway.demo import data
from gateway.demo.stage import free_port


def hop_requests(count: int = samples.TOKENS) -> list[bytes]:
    """OCPI authorize of tokens that the gateway has to ask DE-HOM about."""
    place = b'{"location_id":"S00001","evse_uids":["HAV-00000"]}'
    return [
        samples.http(
            f"/ocpi/2.2.1/sender/tokens/{data.ochp_uid(0x100000 + number)}/authorize?type=RFID",
            place,
            Content_Type="application/json",
            Authorization="Token bench-token",
            X_Request_ID=f"r{number}",
            X_Correlation_ID=f"c{number}",
            OCPI_from_country_code="NL",
            OCPI_from_party_id="HAV",
            OCPI_to_country_code="DE",
            OCPI_to_party_id="HOM",
        )
        for number in range(count)
    ]


class Partner:
    """The provider at the end, on the core of the load."""

    def __init__(self) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "benchmarks.floor", "partner", str(self.port)]
        self._process = subprocess.Popen(pinned(command, cores()[1]), cwd=ROOT)
        listening(self.port)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def _hop(command: Callable[[int], Command], expect: bytes, **options: Any) -> Any:
    def start() -> Session:
        partner = Partner()
        return Server(
            command(partner.port), hop_requests(), expect, close_with=partner.stop, **options
        )

    return start


def our_hop(*, everywhere: bool = False, **options: Any) -> Session:
    """The gateway with its partner."""
    partner = Partner()
    one = Gateway(partner=partner.port, **options)

    def gone() -> None:
        partner.stop()
        one.remove()

    return Server(
        one.command,
        hop_requests(),
        b'"ALLOWED"',
        prepare=one.fill,
        close_with=gone,
        everywhere=everywhere,
    )


def hop() -> Work:
    allowed = b'"ALLOWED"'
    return Work(
        "hop",
        "Full hop: OCPI authorize (JSON) in, OCHP (SOAP) to a partner on loopback, JSON back",
        "Ours checks both messages both ways and keeps all four in the ledger on disk. The peers "
        "translate by hand and check the token only. The floors pass bytes.",
        (
            Contender("Roamgate", "ours", our_hop, "gates, token, XSD, ledger", ("wrk",)),
            row(WITHOUT, partial(our_hop, ledger=False), "gates, token, XSD"),
            row(
                "zeep in threads",
                _hop(lambda port: python("zeep_hop", after=(servers.address(port),)), allowed),
                "token",
            ),
            row(
                "node-soap",
                _hop(servers.node_hop, allowed, env=NODE_ENV, warmed=10_000),
                "token",
                "node-soap",
            ),
            floor(
                "Twisted + httptools proxy",
                _hop(lambda port: python("floor", "proxy", after=(str(port),)), allowed),
            ),
            floor("nginx proxy", _hop(servers.nginx_proxy, OK), "nginx"),
        ),
        seconds=2,
        warm=2,
        over_http=True,
    )


# -- where the time goes ---------------------------------------------------------------------


@dataclass(frozen=True)
class Looked:
    """The gateway under load, with a look at where it is; ``start`` takes the file for that."""

    start: Callable[[Path], Any]

    def turn(self, seconds: float) -> Sample:
        out = BUILD / "profile.json"
        server = self.start(out)
        try:
            server.turn(2.0)
            pid = server.process.pid
            server.process.send_signal(signal.SIGUSR1)
            main = main_thread_time(pid)
            sample: Sample = server.turn(seconds)
            main = main_thread_time(pid) - main
        finally:
            server.close()
        requests = round((sample.rate or 0.0) * server.lasted)
        seen = msgspec.json.decode(out.read_bytes(), type=dict[str, int])
        every = sum(seen.values())
        steps = {step: main * count / every / requests for step, count in seen.items()}
        return msgspec.structs.replace(
            sample, extra={**steps, OTHER_THREADS: sample.cpu - main / requests}
        )

    def close(self) -> None: ...


def steps() -> list[Work]:
    """The two paths that matter, step by step."""
    asked = samples.questions(PATH, USER, PASSWORD)
    paths = (
        ("steps", "one authorisation", lambda out: gateway(asked, OK, options={"profile": out})()),
        ("steps-hop", "one full hop", lambda out: our_hop(profile=out)),
    )
    return [
        Work(
            key,
            f"Where the processor time of {what} goes",
            "",
            (Contender("Roamgate", "ours", partial(Looked, start), ALL, ("wrk",)),),
            seconds=4,
            warm=0,
            rounds=1,
            over_http=True,
        )
        for key, what, start in paths
    ]


# -- two workers -----------------------------------------------------------------------------


def _clocked(*arguments: Any, **options: Any) -> Callable[[], Session]:
    start = gateway(*arguments, **options)
    return lambda: Clocked(start())


def scale() -> Work:
    asked = samples.questions(PATH, USER, PASSWORD)
    return Work(
        "workers",
        "The same authorisation with 1 and with 2 workers, both on both cores with the load",
        "The load generator takes its part of the same two cores, so that two workers cannot "
        "reach twice the rate: 0.59x here is 1.7 times the requests.",
        tuple(
            Contender(
                f"Roamgate, {count} worker{'s' if count > 1 else ''}",
                "ours" if count == 1 else "peer",
                _clocked(
                    asked,
                    OK,
                    options={"arguments": ("--workers", str(count))},
                    everywhere=True,
                    connections=64,
                ),
                ALL,
                ("wrk",),
            )
            for count in (1, 2)
        ),
        seconds=3,
        warm=2,
        over_http=True,
        measure="time by the clock",
    )


def cores_alone() -> Work:
    def programs(count: int) -> Callable[[], Session]:
        return lambda: Clocked(Apart("authorise/ours", count))

    return Work(
        "cores",
        "What two cores of this machine give to two programs that share nothing",
        "The first work of all, in process, by one program and by two at once. Cores of one "
        "processor share its memory, and often more: no server scales better than this.",
        (
            Contender("one program", "ours", programs(1), "as above"),
            Contender("two programs", "peer", programs(2), "as above"),
        ),
        measure="time by the clock",
    )


def works() -> list[Work]:
    return [hop(), *steps(), scale(), cores_alone()]
