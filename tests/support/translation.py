"""What must hold of a translation and its findings, whatever the protocols.

``faults`` looks at one translation: are all leaves accounted for, do the rows say what is there.
``lies`` changes single leaves of the input and translates again: what is said to be carried must
show in the output, what is said to be dropped must not.
"""

import random
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from gateway import registry
from gateway.errors import GatewayError, Inexpressible, Malformed
from gateway.mapping import interpret
from gateway.mapping.carriers import is_xml
from gateway.mapping.context import Outcome
from gateway.mapping.kinds import Kind
from gateway.mapping.report import Finding, plain_text
from gateway.translate import Translation
from tests.support.record_values import texts, values
from tests.support.trees import canonical, changed, leaves, numbered

Translate = Callable[[Any], Translation]

_SCALAR = re.compile(r"/\d+$|\[\d+\](/[A-Za-z]+)?$")
_PERIOD = re.compile(r"(.*/charging_periods)/(\d+)/(.*)")
PROMISES = (Outcome.EXACT, Outcome.CONVERTED)
UNNOTED = ("no-counterpart", "implied", "nothing-said")
# Rules for a leaf that decides whether what is around it is said at all, without being said.
DECIDING = (
    *("refused", "inexpressible", "not-in-force", "no-span-of-element"),
    *("never-on-a-list", "on-the-list", "strongest-connector"),
    *("prices-in-items", "totals-as-items"),
)


def faults(tree: Any, done: Translation) -> Iterator[str]:
    """What is wrong with the report of one translation."""
    sources, targets = leaves(tree), leaves(done.tree)
    rows = done.report.findings
    yield from _coverage("input", tree, sources, [row.source for row in rows])
    yield from _coverage("output", done.tree, targets, [row.target for row in rows])
    fates: dict[str, set[Outcome]] = {}
    for row in rows:
        if row.source is not None:
            fates.setdefault(row.source, set()).add(row.outcome)
        yield from _row_faults(row, tree, sources, done.tree, targets)
    for source, outcomes in fates.items():
        if Outcome.DROPPED in outcomes and len(outcomes) > 1:
            yield f"{source} is dropped and {outcomes}"
    report = done.report
    if report.items_in != report.items_out + report.items_dropped + len(report.refused):
        yield (
            f"{report.items_in} in, {report.items_out} out, {report.items_dropped} dropped,"
            f" {len(report.refused)} refused"
        )


def _coverage(side: str, tree: Any, known: dict[str, Any], paths: list[Any]) -> Iterator[str]:
    named = {numbered(tree, path) for path in paths if path is not None}
    for path in known.keys() - named:
        yield f"{side} leaf {path} stands in no row"


def _row_faults(
    row: Finding, tree: Any, sources: dict[str, Any], out: Any, targets: dict[str, Any]
) -> Iterator[str]:
    if (row.source is None) is not (row.outcome is Outcome.DEFAULTED):
        yield f"source of {row}"
    if (row.target is None) is not (row.outcome is Outcome.DROPPED):
        yield f"target of {row}"
    if (row.rule is None) is not (row.outcome is Outcome.EXACT) or row.rule == "":
        yield f"rule of {row}"
    if row.outcome is Outcome.EXACT and row.source is not None and row.target is not None:
        before = plain_text(sources.get(numbered(tree, row.source)))
        after = plain_text(targets.get(numbered(out, row.target)))
        if before != after:
            yield f"{row.source} {before!r} is not exactly {row.target} {after!r}"


def kinds(protocol: str, tree: Any) -> dict[str, tuple[Kind, Any]]:
    """The kind and value of each leaf that a table names, by path."""
    record = registry.adapter_for(protocol).detect(protocol, tree).record
    reading = interpret.Reading(partly=True)
    interpret.read(record, tree, reading=reading)
    return {
        leaf.source: (leaf.row.kind, leaf.raw)
        for leaf in reading.seen
        if leaf.row is not None and leaf.row.wire and isinstance(leaf.row.kind, Kind)
    }


def others(kind: Kind, raw: Any, *, xml: bool, rng: random.Random) -> list[Any]:
    """Other values of a kind that mean something else, in random order."""
    parse = kind.parse if xml else kind.from_json
    if isinstance(raw, list | dict):
        return []
    try:
        known = parse(raw)
    except ValueError:
        return []  # one of a list that is a value as a whole
    result = []
    for each in _near(raw) + list(texts(kind) if xml else values(kind)):
        try:
            value = parse(each)
        except (ValueError, TypeError):
            continue
        if value != known and not _same(raw, each):
            result.append(each)
    rng.shuffle(result)
    return result


def _same(one: Any, other: Any) -> bool:
    """Codes that differ in case, and midnight."""
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    return {one, other} == {"00:00", "24:00"} or one.casefold() == other.casefold()


def _near(raw: Any) -> list[Any]:
    if isinstance(raw, bool) or raw is None:
        return []
    if isinstance(raw, int | Decimal):
        return [raw + 1]
    if isinstance(raw, str) and raw:
        swaps = {"0": "1", "1": "2", "5": "6", "A": "B", "E": "F", "a": "b"}
        spots = [place for place, letter in enumerate(raw) if letter in swaps]
        return [raw[:place] + swaps[raw[place]] + raw[place + 1 :] for place in spots[-3:]]
    return []


def lies(
    protocol: str,
    tree: Any,
    done: Translation,
    translate: Translate,
    valid: Callable[[Any], bool],
    rng: random.Random,
    most: int,
) -> Iterator[str]:
    """Rows that a changed leaf gives the lie to; ``most`` leaves are tried."""
    known = kinds(protocol, tree)
    fates: dict[str, list[Finding]] = {}
    for row in done.report.findings:
        if row.source in known:
            fates.setdefault(str(row.source), []).append(row)
    for source in rng.sample(sorted(fates), min(most, len(fates))):
        yield from _lie(protocol, tree, done, translate, valid, rng, fates[source], *known[source])


def _lie(
    protocol: str,
    tree: Any,
    done: Translation,
    translate: Translate,
    valid: Callable[[Any], bool],
    rng: random.Random,
    rows: list[Finding],
    kind: Kind,
    raw: Any,
) -> Iterator[str]:
    source = str(rows[0].source)
    for other in others(kind, raw, xml=is_xml(tree), rng=rng)[:6]:
        after = changed(tree, source, other)
        if not valid(after):
            continue
        try:
            again: Any = translate(after)
        except (Inexpressible, Malformed) as error:
            again = error
        failed = isinstance(again, GatewayError)
        same = not failed and same_tree(again.tree, done.tree)
        fates = [] if failed else [r for r in again.report.findings if r.source == source]
        said = any(row.outcome is not Outcome.DROPPED for row in fates)
        if rows[0].outcome is Outcome.DROPPED:
            # A value that could not be said gives way to one that can.
            undone = failed or any(row.rule == "inexpressible" for row in fates)
            decides = rows[0].rule in DECIDING or (undone and rows[0].rule not in UNNOTED)
            if not same and not said and not decides:
                yield f"{rows[0]} but {raw!r} -> {other!r} changes {_difference(done, again)}"
        elif same and _promised(rows):
            # A value that was said gives way to one of which a note says that it cannot.
            noted = fates and all(row.rule not in UNNOTED for row in fates)
            if not noted or any(row.outcome in PROMISES for row in fates):
                yield f"{rows} but {raw!r} -> {other!r} changes nothing, then {fates}"
        elif not failed:
            yield from _misplaced(rows, fates, done, again.tree, f"{raw!r} -> {other!r}")
        return


def _misplaced(
    rows: list[Finding], fates: list[Finding], done: Translation, after: Any, change: str
) -> Iterator[str]:
    """A changed leaf shows where its rows say, and nowhere else."""
    before, numbers = done.tree, done.report.findings
    old, new = leaves(before), leaves(after)
    moved = {path for path in old | new if old.get(path, "-") != new.get(path, "-")}
    named = {numbered(before, row.target) for row in rows if row.target is not None}
    named |= {numbered(after, row.target) for row in fates if row.target is not None}
    if _promised(rows) and _promised(fates) and not moved & named:
        yield f"{rows} but {change} does not touch its targets, it changes {sorted(moved)[:4]}"
    # Values of a list change places; connectors are numbered in the order of their kinds.
    lists = {_SCALAR.sub("", path) for path in named if _SCALAR.search(path)}
    hidden = {path for path in moved - named if _SCALAR.sub("", path) not in lists}
    hidden -= {row.target for row in numbers if row.rule == "connector-ordinal"}
    if any(path.endswith("/start_date_time") for path in moved & named):
        hidden -= _reordered(old, new)
    if old.keys() == new.keys() and hidden:
        path = min(hidden)
        yield f"{rows} but {change} also changes {path}: {old[path]!r} -> {new[path]!r}"


def _reordered(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """Leaves of charging periods that stand in the order of their starts, if that is all that
    changed: each list has the same periods, but for where and when they start."""
    periods = {found[1] for path in old if (found := _PERIOD.match(path))}

    def said(leaves_of: dict[str, Any], periods_of: str) -> list[str]:
        items: dict[str, list[str]] = {}
        for path, value in leaves_of.items():
            found = _PERIOD.match(path)
            if found and found[1] == periods_of and found[3] != "start_date_time":
                items.setdefault(found[2], []).append(f"{found[3]}={value!r}")
        return sorted(map(str, items.values()))

    same = {each for each in periods if said(old, each) == said(new, each)}
    return {path for path in old if (found := _PERIOD.match(path)) and found[1] in same}


def _promised(rows: list[Finding]) -> bool:
    return any(row.outcome in PROMISES for row in rows)


def same_tree(one: Any, other: Any) -> bool:
    """Whether two trees say the same."""
    if is_xml(one) and is_xml(other):
        return canonical(one) == canonical(other)
    return bool(one == other)


def _difference(done: Translation, again: Any) -> str:
    if isinstance(again, GatewayError):
        return f"{type(again).__name__}: {again}"
    before, after = leaves(done.tree), leaves(again.tree)
    paths = [path for path in before | after if before.get(path, "-") != after.get(path, "-")]
    return "; ".join(f"{p}: {before.get(p, '-')!r} -> {after.get(p, '-')!r}" for p in paths[:4])
