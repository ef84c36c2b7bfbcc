"""Small requests while a long list is imported; and how long the command takes to start."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

from benchmarks import samples
from benchmarks.hop import our_hop
from benchmarks.load import at_rate
from benchmarks.long_lists import file_of, run, translate
from benchmarks.measure import Contender, Sample, Session, Work, cores, pinned
from benchmarks.operations import WSDL
from benchmarks.peers import BUILD

_RATE = 200.0


@dataclass
class Steady:
    """The full hop at a steady rate, perhaps during an import; a fresh gateway each turn."""

    items: int
    busy: bool
    arguments: tuple[str, ...] = ()

    def turn(self, seconds: float) -> Sample:
        server: Any = our_hop(arguments=self.arguments, everywhere=bool(self.arguments))
        sender: Any = None
        try:
            at_rate(server.port, cycle(server.requests), _RATE, 1.0)
            if self.busy:
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.lists",
                    "send",
                    str(file_of(self.items)),
                ]
                sender = subprocess.Popen(pinned([*command, str(server.port)], cores()[1]))
            load = at_rate(server.port, cycle(server.requests), _RATE, seconds)
            if load.errors:
                raise RuntimeError(f"{load.errors} of {load.requests} requests failed")
            done = sender is not None and sender.poll() is not None
            return Sample(
                cpu=load.p50, p50=load.p50, p99=load.p99, extra={"import_done": float(done)}
            )
        finally:
            if sender is not None:
                sender.kill()
                sender.wait()
            server.close()

    def close(self) -> None: ...


def meanwhile(items: int) -> Work:
    rows = (
        ("quiet", Steady(items, False)),
        ("during an import, 1 process", Steady(items, True)),
        ("during an import, 2 workers", Steady(items, True, ("--workers", "2"))),
    )
    return Work(
        "hop-meanwhile",
        f"The full hop at 200 requests/s, while a list of {items:,} charge points is imported",
        "Time by the clock from when a request was due to its answer, the partner's included; "
        "median here, the 99th percentile beside it. One process is kept on one core.",
        tuple(
            Contender(
                f"Roamgate, {name}",
                "ours" if place == 0 else "peer",
                partial(_same, steady),
                "gates, token, XSD, ledger",
            )
            for place, (name, steady) in enumerate(rows)
        ),
        seconds=6,
        warm=0,
        rounds=2,
        measure="time by the clock",
    )


def _same(session: Session) -> Session:
    return session


# -- start-up --------------------------------------------------------------------------------


def start_up() -> Work:
    small = BUILD / "small.xml"

    def one() -> list[str]:
        small.write_bytes(samples.envelope(samples.cdrs(1)))
        return translate("ochp-1.4", "ocpi-2.2.1", small)

    def python(code: str) -> Callable[[], list[str]]:
        return lambda: [sys.executable, "-c", code]

    zeep = f"import zeep; zeep.Client({WSDL!r})"
    return Work(
        "start",
        "Start of the command, one small message translated",
        "From nothing to the end of the process; the peers only load what they would need.",
        (
            Contender("roamgate translate", "ours", run(one), "gate, XSD, findings"),
            Contender(
                "roamgate version",
                "peer",
                run(lambda: [sys.executable, "-m", "gateway", "version"]),
                "none",
            ),
            Contender("zeep, WSDL read", "peer", run(python(zeep)), "none"),
            Contender(
                "xmlschema, XSD read",
                "peer",
                run(python("import xmlschema; xmlschema.XMLSchema('xsd/ochp/1.4/ochp.xsd')")),
                "none",
            ),
            Contender("python with lxml", "floor", run(python("import lxml.etree")), "none"),
        ),
        warm=0.1,
        rounds=5,
    )  # fmt: skip


def works(items: int) -> list[Work]:
    return [meanwhile(items), start_up()]
