"""What was aimed at, beside what a run found. Nothing fails here: a run on another day says more.

Ratios are those of the run; the absolute ones are what partners feel and depend on the machine.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.measure import Measured, ratio
from benchmarks.over_http import WITHOUT
from benchmarks.report import Report, Result, duration, times

Found = float | None


@dataclass(frozen=True)
class Target:
    """``found`` gives the figure, or None when the run has none; more is better unless ``most``."""

    says: str
    wanted: float
    found: Callable[[Mapping[str, Result]], Found]
    most: bool = False
    shown: Callable[[float], str] = times

    def row(self, results: Mapping[str, Result]) -> str:
        value = self.found(results)
        if value is None:
            return f"| {self.says} | {self.shown(self.wanted)} | not measured | |"
        met = value <= self.wanted if self.most else value >= self.wanted
        word = "yes" if met else "**not yet**"
        return f"| {self.says} | {self.shown(self.wanted)} | {self.shown(value)} | {word} |"


def _of(results: Mapping[str, Result], key: str, name: str) -> Measured | None:
    result = results.get(key)
    return next((e for e in result.contenders if e.name == name), None) if result else None


def _against(key: str, name: str) -> Callable[[Mapping[str, Result]], Found]:
    """How many times ours another one takes."""

    def found(results: Mapping[str, Result]) -> Found:
        other = _of(results, key, name)
        ours = results[key].ours if key in results else None
        return ratio(other, ours) if other and ours else None

    return found


def _floor(key: str) -> Callable[[Mapping[str, Result]], Found]:
    """How many times the (first) floor ours takes."""

    def found(results: Mapping[str, Result]) -> Found:
        result = results.get(key)
        floor = next((e for e in result.contenders if e.role == "floor"), None) if result else None
        return ratio(result.ours, floor) if result and result.ours and floor else None

    return found


def _ours(key: str, name: str = "cpu") -> Callable[[Mapping[str, Result]], Found]:
    def found(results: Mapping[str, Result]) -> Found:
        ours = results[key].ours if key in results else None
        return ours.median(name) if ours else None

    return found


def _named(key: str, contender: str, name: str) -> Callable[[Mapping[str, Result]], Found]:
    def found(results: Mapping[str, Result]) -> Found:
        one = _of(results, key, contender)
        return one.median(name) if one else None

    return found


def _faster(key: str, name: str) -> Callable[[Mapping[str, Result]], Found]:
    """How many times ours another one gets done."""

    def found(results: Mapping[str, Result]) -> Found:
        slower = _against(key, name)(results)
        return 1 / slower if slower else None

    return found


def _stored(results: Mapping[str, Result]) -> Found:
    ours = results["bulk-import"].ours if "bulk-import" in results else None
    spent = ours.median() if ours else None
    return results["bulk-import"].items / spent if spent else None


def megabytes(value: float) -> str:
    return f"{value / 2**20:.0f} MB"


def _number(value: float) -> str:
    return f"{value:,.0f}"


_BUSY = "Roamgate, during an import, 1 process"
_SPARED = "Roamgate, during an import, 2 workers"
TARGETS = (
    Target(
        "small request: JAX-WS RI (stubs only) takes", 1, _against("authorise-http", "JAX-WS RI")
    ),
    Target(
        "small request: node-soap (stubs only) takes", 1, _against("authorise-http", "node-soap")
    ),
    Target("small request: gSOAP (stubs only) takes", 0.5, _against("authorise-http", "gSOAP")),
    Target("small request: ours without ledger takes", 0.5, _against("authorise-http", WITHOUT)),
    Target("signed both ways: ours to the key operations", 2.5, _floor("authorise-signed"), True),
    Target("full hop: zeep takes", 10, _against("hop", "zeep in threads")),
    Target("full hop: node-soap takes", 3, _against("hop", "node-soap")),
    Target(
        "full hop at 200/s during an import, median",
        1e-3,
        _named("hop-meanwhile", _BUSY, "p50"),
        True,
        duration,
    ),
    Target(
        "full hop at 200/s during an import, p99",
        5e-3,
        _named("hop-meanwhile", _BUSY, "p99"),
        True,
        duration,
    ),
    Target(
        "the same with 2 workers, p99",
        5e-3,
        _named("hop-meanwhile", _SPARED, "p99"),
        True,
        duration,
    ),
    Target("SOAP to JSON by the command on one core, to libxml2", 2, _floor("bulk-in"), True),
    Target("the same on all cores, by the clock", 2, _floor("bulk-in-cores"), True),
    Target("JSON to SOAP by the command on one core, to libxml2", 2, _floor("bulk-out"), True),
    Target("the same on all cores, by the clock", 2, _floor("bulk-out-cores"), True),
    Target(
        "SOAP to JSON by the command on one core, peak",
        120 * 2**20,
        _ours("bulk-in", "peak"),
        True,
        megabytes,
    ),
    Target(
        "SOAP to JSON by the command on all cores, peak of all its processes",
        120 * 2**20,
        _ours("bulk-in-cores", "peak"),
        True,
        megabytes,
    ),
    Target("list served, to libxml2", 2, _floor("bulk-serve"), True),
    Target("list stored, charge points a second", 10_000, _stored, False, _number),
    Target(
        "list stored, peak of the server",
        120 * 2**20,
        _ours("bulk-import", "peak"),
        True,
        megabytes,
    ),
    Target("translate command, start and a small message", 0.4, _ours("start"), True, duration),
    Target("2 workers, requests to those of 1", 1.7, _faster("workers", "Roamgate, 2 workers")),
)


def page(whole: Report) -> Iterator[str]:
    """A section with a row for each."""
    results = {result.key: result for result in whole.results}
    yield "## Targets\n"
    yield "What was aimed at, and what this run found; nothing else hangs on it.\n"
    yield "| | wanted | found | |"
    yield "|---|--:|--:|---|"
    yield from (target.row(results) for target in TARGETS)
    yield ""
