"""The works on lists of charge points by the hundred thousand: file to file, and at the server."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from benchmarks import lists, samples
from benchmarks.gateway_server import Gateway
from benchmarks.measure import Clocked, Command, Contender, Sample, Session, Work, Worker
from benchmarks.operations import PASSWORD, USER
from benchmarks.over_http import OK
from benchmarks.peers import BUILD
from benchmarks.server import Server

ITEMS, QUICK = 100_000, 10_000
_PART = 10
"""Peers get a tenth of the list: whole they would take minutes and gigabytes."""
_RATE = 200.0


@cache
def file_of(items: int) -> Path:
    BUILD.mkdir(exist_ok=True)
    return samples.charge_points(BUILD / f"points-{items}.xml", items, USER, PASSWORD)


def _translated(items: int) -> Path:
    """The same list in OCPI."""
    made = BUILD / f"points-{items}.json"
    if not made.exists():
        draft = made.with_suffix(".json.draft")
        with draft.open("wb") as out:
            subprocess.run(
                translate("ochp-1.4", "ocpi-2.2.1", file_of(items)),
                stdout=out,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        draft.rename(made)
    return made


def translate(source: str, target: str, file: Path) -> list[str]:
    command = [sys.executable, "-m", "gateway", "translate", "--from", source, "--to", target]
    return [*command, str(file)]


def run(make: Callable[[], list[str]], *, everywhere: bool = False) -> Callable[[], Session]:
    """A command on one core; or ``everywhere``, and then by the clock."""

    def start() -> Session:
        command = Command(make(), BUILD / "output", everywhere)
        return Clocked(command) if everywhere else command

    return start


def _list(kind: str, items: int, *, everywhere: bool = False) -> Callable[[], Session]:
    command = [sys.executable, "-m", "benchmarks.lists", kind]
    return run(lambda: [*command, str(file_of(items))], everywhere=everywhere)


def to_json(items: int) -> Work:
    part = items // _PART
    return Work(
        "bulk-in",
        f"{items:,} charge points (1.2 kB each) from SOAP to JSON, file to file",
        "Ours is the command `roamgate translate`: gate, schema, every field with its fate. "
        "The peers read the whole message, check it and map the main fields by hand; they get "
        "a tenth of the list, and their time (not their memory) is multiplied.",
        (
            Contender(
                "roamgate translate",
                "ours",
                run(lambda: translate("ochp-1.4", "ocpi-2.2.1", file_of(items))),
                "gate, XSD, findings",
            ),
            Contender("zeep", "peer", _list("zeep", part), "libxml2 XSD", items=part),
            Contender("spyne", "peer", _list("spyne", part), "libxml2 XSD", items=part),
            Contender(
                "roamgate translate, a tenth",
                "peer",
                run(lambda: translate("ochp-1.4", "ocpi-2.2.1", file_of(part))),
                "gate, XSD, findings",
                items=part,
            ),
            Contender("libxml2 streaming parse + XSD", "floor", _list("libxml2", items), "XSD"),
        ),
        items=items,
        warm=0,
        rounds=2,
    )


def to_soap(items: int) -> Work:
    return Work(
        "bulk-out",
        "The same list from JSON to SOAP, file to file",
        "Ours validates what it writes. The floor reads and validates the SOAP that is written.",
        (
            Contender(
                "roamgate translate",
                "ours",
                run(lambda: translate("ocpi-2.2.1", "ochp-1.4", _translated(items))),
                "JSON gate, XSD, findings",
            ),
            Contender("libxml2 streaming parse + XSD", "floor", _list("libxml2", items), "XSD"),
        ),
        items=items,
        warm=0,
        rounds=2,
    )


def on_all_cores(items: int) -> list[Work]:
    """Both ways by the clock, with as many processes as the command likes."""

    def work(key: str, way: str, make: Callable[[], list[str]]) -> Work:
        return Work(
            key,
            f"The same list {way}, by the clock and on all cores",
            "The command hands parts of a long message to other processes (docs/architecture.md). "
            "Their memory is added up, what they share counted for each.",
            (
                Contender("roamgate translate", "ours", run(make, everywhere=True), "as above"),
                Contender(
                    "libxml2 streaming parse + XSD",
                    "floor",
                    _list("libxml2", items, everywhere=True),
                    "XSD",
                ),
            ),
            items=items,
            warm=0,
            rounds=2,
            measure="time by the clock",
        )

    return [
        work(
            "bulk-in-cores",
            "from SOAP to JSON",
            lambda: translate("ochp-1.4", "ocpi-2.2.1", file_of(items)),
        ),
        work(
            "bulk-out-cores",
            "from JSON to SOAP",
            lambda: translate("ocpi-2.2.1", "ochp-1.4", _translated(items)),
        ),
    ]


def objects_to_soap() -> Work:
    def inside(name: str) -> Callable[[], Session]:
        return partial(Worker, f"write/{name}")

    return Work(
        "bulk-write",
        "1,000 charge points from objects to SOAP, in process",
        "From canonical objects through the compiled table; the peers write objects of their own "
        "types; the floor serialises a tree that is there.",
        (
            Contender("Roamgate", "ours", inside("ours"), "findings"),
            Contender("zeep", "peer", inside("zeep"), "none"),
            Contender("spyne", "peer", inside("spyne"), "none"),
            Contender("libxml2 serialising", "floor", inside("libxml2"), "none"),
        ),
        warm=0.1,
    )


# -- at the server ---------------------------------------------------------------------------


class Import:
    """A fresh gateway for each turn, one upload of the whole list."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def turn(self, seconds: float) -> Sample:
        server = _empty()
        try:
            return server.during(lambda: lists.upload(server.port, self._file, 600))
        finally:
            server.close()

    def close(self) -> None: ...


def _empty() -> Server:
    gateway = Gateway()
    asked = samples.questions("/ochp/1.4", USER, PASSWORD)[:1]
    return Server(gateway.command, asked, OK, prepare=gateway.fill, close_with=gateway.remove)


def stored(items: int) -> Work:
    return Work(
        "bulk-import",
        f"SetChargePointList with {items:,} charge points in one request, stored in SQLite",
        "Parsed, validated, compared with what is there, stored with what the partners are owed, "
        "entered in the ledger; answered when it is on disk. The peak is that of the whole server.",
        (
            Contender(
                "Roamgate",
                "ours",
                lambda: Import(file_of(items)),
                "gate, UsernameToken, XSD, ledger, store",
            ),
            Contender("libxml2 streaming parse + XSD", "floor", _list("libxml2", items), "XSD"),
        ),
        items=items,
        warm=0,
        rounds=1,
    )


def served(items: int) -> Work:
    part = items // 5
    body = samples.envelope(
        f'<GetChargePointListRequest xmlns="{samples.NS}"/>', "fahrstrom", "bench-list"
    )
    request = samples.http("/ochp/1.4", body, "GetChargePointList")

    def start() -> Session:
        gateway = Gateway()

        def fill(port: int) -> None:
            gateway.fill(port)
            lists.upload(port, file_of(part), 600)

        return Server(
            gateway.command,
            expect=f"AT*ALP*E{part - 1:05}*1".encode(),
            prepare=fill,
            close_with=gateway.remove,
            once=lambda count: [request] * count,
            count=1,
            connections=1,
        )

    return Work(
        "bulk-serve",
        f"GetChargePointList with {part:,} charge points, from SQLite to SOAP",
        "Read from the store, written as it goes out. The floor reads and validates as many.",
        (
            Contender("Roamgate", "ours", start, "gate, UsernameToken, XSD of the question"),
            Contender("libxml2 streaming parse + XSD", "floor", _list("libxml2", part), "XSD"),
        ),
        items=part,
        warm=0,
        rounds=2,
    )


def works(items: int) -> list[Work]:
    return [
        to_json(items),
        to_soap(items),
        *on_all_cores(items),
        objects_to_soap(),
        stored(items),
        served(items),
    ]
