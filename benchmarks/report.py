"""The figures of a run, as a table on the terminal and as JSON."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.measure import Measured, Work, ratio


class Result(msgspec.Struct):
    """What came of a work."""

    key: str
    title: str
    says: str
    items: int
    over_http: bool
    measure: str
    contenders: list[Measured]
    failed: dict[str, str]

    @classmethod
    def of(cls, work: Work, measured: list[Measured], failed: dict[str, str]) -> "Result":
        return cls(
            key=work.key,
            title=work.title,
            says=work.says,
            items=work.items,
            over_http=work.over_http,
            measure=work.measure,
            contenders=measured,
            failed=failed,
        )

    @property
    def ours(self) -> Measured | None:
        return next((each for each in self.contenders if each.role == "ours"), None)


class Report(msgspec.Struct):
    """A whole run."""

    at: datetime
    machine: dict[str, str]
    seconds: float
    missing: dict[str, str]
    results: list[Result]
    note: str = ""
    """What a reader has to know of this run."""

    @classmethod
    def of(cls, results: list[Result], missing: dict[str, str], seconds: float) -> "Report":
        machine = {
            "python": platform.python_version(),
            "processor": _processor(),
            "load": f"{os.getloadavg()[2]:.1f}",
        }
        return cls(datetime.now(UTC), machine, seconds, missing, results)


_JOINED = (
    "The works were measured one after another, in runs of their own, between {:%H:%M} and "
    "{:%H:%M}; the contenders of one work stand in the same run."
)


def joined(files: Sequence[Path]) -> Report:
    """Runs of some works each as one; a work that was done again counts as it was done last. The
    date and the load are those of the last run."""
    runs = [msgspec.json.decode(file.read_bytes(), type=Report) for file in files]
    runs.sort(key=lambda run: run.at)
    last = runs[-1]
    first = min(run.at - timedelta(seconds=run.seconds) for run in runs)
    done = {result.key: result for run in runs for result in run.results}
    return msgspec.structs.replace(
        last,
        note=_JOINED.format(first, last.at),
        seconds=sum(run.seconds for run in runs),
        missing={
            name: why for run in runs for name, why in run.missing.items() if name not in done
        },
        results=[*done.values()],
    )


def _processor() -> str:
    with open("/proc/cpuinfo") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def json_of(whole: Report) -> bytes:
    """Every sample, and what was made of them."""
    built = msgspec.to_builtins(whole)
    for result, said in zip(whole.results, built["results"], strict=True):
        for each, row in zip(result.contenders, said["contenders"], strict=True):
            low, high = each.spread()
            row |= {"median": each.median(), "least": low, "most": high}
            row["to_ours"] = ratio(each, result.ours) if result.ours else None
    return msgspec.json.format(msgspec.json.encode(built), indent=1) + b"\n"


def duration(seconds: float) -> str:
    """In a unit that fits.

    >>> duration(0.0000525), duration(0.0034), duration(12.3)
    ('52.5 us', '3.40 ms', '12.3 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size or unit == "us":
            value = seconds / size
            digits = 0 if value >= 100 else 1 if value >= 10 else 2
            return f"{value:.{digits}f} {unit}"
    raise AssertionError


def times(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}x" if value >= 10 else f"{value:.2f}x"


def cells(result: Result, each: Measured) -> list[str]:
    """The columns of a contender: name, what is checked, median, spread, ratio to ours, more."""
    low, high = each.spread()
    median = each.median()
    assert median is not None
    ours = result.ours
    against = None if ours is None or each is ours else ratio(each, ours)
    more = []
    if result.over_http:
        of = "a core" if result.measure == "processor time" else "in all"
        more.append(f"{1 / median:,.0f}/s {of}")
    peak = each.median("peak")
    if peak:
        more.append(f"{peak / 2**20:.0f} MB")
    p99 = each.median("p99")
    if p99 and result.measure != "processor time":
        more.append(f"p99 {duration(p99)}")
    if each.scaled_from:
        more.append(f"scaled up from {each.scaled_from:,}")
    spread = f"{duration(low)} .. {duration(high)}"
    said = "1" if each is ours else times(against)
    return [each.name, each.checks, duration(median), spread, said, ", ".join(more)]


def heads(result: Result) -> list[str]:
    """What the columns are."""
    return ["contender", "checks", result.measure, "spread", "to ours", "more"]


def table(whole: Report) -> str:
    """For a terminal."""
    lines: list[str] = []
    for result in whole.results:
        rows = [heads(result), *(cells(result, each) for each in result.contenders)]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        lines += ["", f"{result.key}: {result.title}"]
        lines += [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        lines += [f"  failed: {name}: {why}" for name, why in result.failed.items()]
    lines += [f"missing: {name}: {why}" for name, why in whole.missing.items()]
    return "\n".join([*lines, f"\n{whole.seconds:.0f} s in all"])
