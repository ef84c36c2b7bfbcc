"""docs/performance.md, its plot and its figures as JSON, out of a run."""

from collections.abc import Iterator

from benchmarks import targets
from benchmarks.measure import Measured, ratio
from benchmarks.peers import ROOT
from benchmarks.plot import svg
from benchmarks.report import Report, Result, cells, duration, heads, json_of, times

_DOCS = ROOT / "docs"
INTRO = """\
# How fast it is

Made by `make bench`; do not edit. A run of {at} on {processor}, Python {python}, in {seconds} s;
the load of the machine was {load} on average (a quiet run has about 2).

Every work is done by several contenders in turns (A B A B) in the same run, so take the ratios: the
seconds depend on the machine and on what else it did. The time is processor time of the contender
alone, the load generator and the other end run on another core; a rate "a core" is its inverse.
*Spread* is the least and the most of all turns. *To ours* is the median of the ratios of the
rounds: 3.00x means that the other needs three times the processor time of Roamgate. *Checks* says
what is switched on; a peer with "none" does less than Roamgate does. The figures are also in
[performance.json](performance.json).

{note}

![The figures as bars](performance.svg)
"""


NOTES = """\
## What is left

Written by hand when the works were set up; the tables above say what is true of this run.

- What a small message itself needs (gate, envelope, schema, decode, encode) is the small part of a
  request. The large ones are the ledger (two tables with eight indexes, one transaction for many
  messages; what these are found by is sorted in later, thousands at a time), the look into the
  store, and Twisted's loop.
- A request is some nine hundred calls of functions without the ledger, each short: nothing stands
  out. Requests go through them part by part (docs/architecture.md), or each would take longer by a
  third. Compiling the code was tried (mypyc, 30 modules): a tenth less for a small request, for
  minutes of a compiler at every installation and a second form of everything to be tested. It was
  left.
- A hop that is alone, as at 200 a second, gains nothing from others: it takes twice the processor
  time of one among sixteen. It is 4.5 million instructions (cachegrind; two thirds of them in the
  interpreter itself), and fetches 33,000 lines, 2 MB, from beyond a second-level cache of 1 MB.
- The interpreter counts: that of Debian, built with its profile, takes 0.86 of the time of the one
  that these figures are of, which was built without.
- JAX-WS, node-soap and gSOAP answer a constant here. Once their code is compiled (forty thousand
  requests warm them) they need less for that than we need for the store and the ledger. What JAX-WS
  needs varies much, within a run and from run to run (80 to 190 us): take its least.
- A signed message is verified, looked for among those seen, and signed; what is above the key
  operations is the reading of its structure, canonicalisation, a transaction to remember it, and
  all that an unsigned one takes, which alone is more than the target.
- Long lists take a few times what libxml2 takes for reading alone: each field becomes an object and
  leaves as text. Charge points are the best of them; tokens take 4 to 6 times, CDRs, whose bill is
  worked out anew, 6 to 7 times. Time grows in line, memory does not grow. The command divides the
  work between cores; two of them were worth 1.6 on the machine at hand, measured by the same
  command twice at once, each on a core.
- Two workers are two such programs, and the load takes its part: compare them with "What two cores
  of this machine give".
- The full hop goes out over our own client and keeps four messages in the ledger; node-soap and
  zeep keep none and check nothing.
"""


def write(whole: Report) -> None:
    """Write the three files."""
    (_DOCS / "performance.md").write_text("\n".join(_page(whole)))
    (_DOCS / "performance.json").write_bytes(json_of(whole))
    (_DOCS / "performance.svg").write_text(svg([*map(_bars, filter(_drawn, whole.results))]))


def _drawn(result: Result) -> bool:
    return bool(result.contenders) and not result.key.startswith("steps")


def _bars(result: Result) -> tuple[str, list[tuple[Measured, str]]]:
    return result.title, [(each, duration(each.median() or 0)) for each in result.contenders]


def _page(whole: Report) -> Iterator[str]:
    yield INTRO.format(
        at=whole.at.strftime("%Y-%m-%d %H:%M UTC"),
        seconds=round(whole.seconds),
        note=whole.note,
        **whole.machine,
    )
    yield "## At a glance\n"
    yield "| work | ours to the floor | peers to ours |"
    yield "|---|---|---|"
    for result in filter(_drawn, whole.results):
        yield f"| [{result.title}](#{_anchor(result)}) | {_floors(result)} | {_peers(result)} |"
    yield ""
    yield from targets.page(whole)
    for result in filter(_drawn, whole.results):
        yield from _section(result)
    for result in whole.results:
        if not _drawn(result):
            yield from _steps(result)
    yield NOTES
    if whole.missing:
        yield "## Missing in this run\n"
        yield from (f"- {name}: {why}" for name, why in whole.missing.items())
        yield ""


def _steps(result: Result) -> Iterator[str]:
    """What the whole path costs, step by step."""
    if result.ours is None:
        return
    sample = result.ours.samples[0]
    yield f"## {result.title}\n"
    yield "| step | processor time | share |"
    yield "|---|--:|--:|"
    for step, cost in sorted(sample.extra.items(), key=lambda each: -each[1]):
        yield f"| {step} | {cost * 1e6:.0f} us | {cost / sample.cpu:.0%} |"
    yield f"| the whole | {sample.cpu * 1e6:.0f} us | 100% |\n"


def _anchor(result: Result) -> str:
    kept = (char for char in result.title.lower() if char.isalnum() or char in " -")
    return "".join(kept).replace(" ", "-")


def _floors(result: Result) -> str:
    ours = result.ours
    floors = [each for each in result.contenders if each.role == "floor"]
    if ours is None:
        return "-"
    return ", ".join(f"{times(ratio(ours, each))} {each.name}" for each in floors) or "-"


def _peers(result: Result) -> str:
    ours = result.ours
    peers = [each for each in result.contenders if each.role == "peer"]
    if ours is None:
        return "-"
    return ", ".join(f"{each.name} {times(ratio(each, ours))}" for each in peers) or "-"


def _section(result: Result) -> Iterator[str]:
    yield f"## {result.title}\n"
    yield f"{result.says}\n"
    yield f"| {' | '.join(heads(result))} |"
    yield "|---|---|--:|--:|--:|---|"
    for each in result.contenders:
        row = cells(result, each)
        name, *others = row
        shown = (
            f"**{name}**"
            if each.role == "ours"
            else f"{name} (floor)" * (each.role == "floor") or name
        )
        yield f"| {' | '.join([shown, *others])} |"
    yield ""
    for name, why in result.failed.items():
        yield f"Not measured: {name}: {why}\n"
