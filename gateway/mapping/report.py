"""Findings: the fate of every field of a translated message.

A traced reading says which leaf became which canonical field, a traced writing which canonical
fields each written leaf says, and notes say what depended on a value; this module joins the three.
Every leaf of the input and every leaf of the output stands in at least one finding; what nothing
accounts for is dropped (input) or defaulted (output), so no path through the code can lose a field
without a row here.

Rules of the join, for one written leaf, the first that applies:

1. A note names exactly this leaf: as defaulted, or by which rule of which fields it was made.
2. It is the value of its own field, or its object told its lineage: the leaves read into these.
3. Its row's ``write`` may read several fields (``uses``): those of them that are leaves.

A leaf that was read and is named by no written one is dropped: by the rule of a note, or with no
counterpart. Nothing is guessed from values that happen to be equal.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from gateway.mapping.context import Note, Outcome, WirePath
from gateway.mapping.interpret import REFUSED, STRAY, Seen, Wrote
from gateway.mapping.kinds import format_decimal, parse_instant
from gateway.mapping.record import Record


class Finding(msgspec.Struct, frozen=True):
    """One row of a findings report. ``source`` is None when defaulted, ``target`` when dropped."""

    outcome: Outcome
    source: str | None
    target: str | None
    rule: str | None
    clause: str | None
    note: str | None = None


def plain_text(raw: Any) -> str:
    """A leaf's value as text, to compare XML with JSON."""
    if raw is True:
        return "true"
    if raw is False:
        return "false"
    if isinstance(raw, Decimal):
        return format_decimal(raw)
    return str(raw)


def ancestors(path: str) -> Iterator[str]:
    """A wire path and all above it, with and without the number of a list's item.

    >>> list(ancestors("/R/a[2]/b"))
    ['/R/a[2]/b', '/R/a[2]', '/R/a', '/R', '']
    """
    yield path
    while path:
        if path.endswith("]"):
            path = path[: path.rindex("[")]
            yield path
        path = path.rpartition("/")[0]
        yield path


_MADE = (Outcome.APPROXIMATED, Outcome.CONVERTED)


class _Join:
    def __init__(
        self,
        seen: Sequence[Seen],
        wrote: Sequence[Wrote],
        notes: Sequence[Note],
        path_text: Callable[[WirePath], str],
        clause: str,
    ) -> None:
        self.seen, self.wrote, self.notes = seen, wrote, notes
        self.root, self.clause = path_text(()), clause
        self.exact: dict[str, list[int]] = defaultdict(list)
        self.under: dict[str, list[int]] = defaultdict(list)
        for number, leaf in enumerate(seen):
            if leaf.path is None:
                continue
            self.exact[leaf.path].append(number)
            steps = leaf.path.split("/") if leaf.path else []
            for depth in range(len(steps) + 1):
                self.under["/".join(steps[:depth])].append(number)
        self.noted: dict[str, list[Note]] = defaultdict(list)
        for note in notes:
            if note.target is not None:
                self.noted[path_text(note.target)].append(note)
        # Which leaf was read into which written one; the note that says how, if there is one.
        self.pairs: dict[tuple[int, int], Note | None] = {}
        self.dropped: dict[int, tuple[str, str | None]] = {}

    def run(self) -> list[Finding]:
        for number in range(len(self.wrote)):
            self._pair(number)
        self._refine()
        self._drop()
        rows: dict[int, list[Finding]] = defaultdict(list)
        for (source, target), note in self.pairs.items():
            rows[source].append(self._carried(source, target, note))
        said = {target for _, target in self.pairs}
        read = [
            row
            for number, leaf in enumerate(self.seen)
            for row in rows[number] or [self._lost(number, leaf)]
        ]
        return read + [
            self._defaulted(leaf) for number, leaf in enumerate(self.wrote) if number not in said
        ]

    def _pair(self, number: int) -> None:
        leaf = self.wrote[number]
        notes = self.noted.get(leaf.target, [])
        made = [note for note in notes if note.outcome in _MADE]
        if not made and any(note.outcome is Outcome.DEFAULTED for note in notes):
            return
        for note in made:
            for source in self._sources(note.origins):
                self.pairs.setdefault((source, number), note)
        if made and not leaf.sure:
            return
        for path in leaf.paths:
            known = self.exact.get(path) or (self.under.get(path, []) if leaf.sure else [])
            for source in known:
                self.pairs.setdefault((source, number), None)

    def _sources(self, paths: Sequence[str]) -> dict[int, None]:
        return dict.fromkeys(source for path in paths for source in self.under.get(path, []))

    def _refine(self) -> None:
        """Notes on something above a leaf: they tell how, and of a single leaf also that."""
        below: dict[str, list[int]] = defaultdict(list)
        for number, leaf in enumerate(self.wrote):
            for path in ancestors(leaf.target):
                if path in self.noted:
                    below[path].append(number)
        of_source: dict[int, list[int]] = defaultdict(list)
        for source, target in self.pairs:
            of_source[source].append(target)
        for path, notes in self.noted.items():
            targets = below.get(path, [])
            for note in notes:
                if note.outcome in _MADE:
                    self._refine_by(note, targets, of_source)

    def _refine_by(self, note: Note, targets: list[int], of_source: dict[int, list[int]]) -> None:
        inside = set(targets)
        for source in self._sources(note.origins):
            hits = [target for target in of_source[source] if target in inside]
            for target in hits:
                if self.pairs[source, target] is None and note.rule:
                    self.pairs[source, target] = note
            if hits:
                continue
            if targets and self.seen[source].path in note.origins:
                self.pairs[source, targets[0]] = note
                of_source[source].append(targets[0])
            else:
                self.dropped.setdefault(source, (note.rule or "no-counterpart", note.why))

    def _drop(self) -> None:
        """A note that drops a leaf counts; one that drops what is around it yields to a leaf that
        is surely said."""
        gone: set[int] = set()
        weak: set[int] = set()
        for note in self.notes:
            if note.outcome is Outcome.DROPPED:
                for source in self._sources(note.origins):
                    self.dropped[source] = (note.rule, note.why)
                    (gone if self.seen[source].path in note.origins else weak).add(source)
        for source, target in list(self.pairs):
            if source in gone or (source in weak and not self.wrote[target].sure):
                del self.pairs[source, target]

    def _carried(self, source: int, target: int, note: Note | None) -> Finding:
        seen, wrote = self.seen[source], self.wrote[target]
        name = seen.row.steps[0].lstrip("@") if seen.row and seen.row.wire else ""
        clause = f"{seen.record.clause}.{name}" if name else seen.record.clause
        if note is not None and note.rule:
            return Finding(note.outcome, seen.source, wrote.target, note.rule, clause, note.why)
        if plain_text(seen.raw) == plain_text(wrote.raw):
            return Finding(Outcome.EXACT, seen.source, wrote.target, None, clause)
        outcome, rule = conversion(seen, wrote)
        return Finding(outcome, seen.source, wrote.target, rule, clause)

    def _lost(self, number: int, leaf: Seen) -> Finding:
        rule, why = "no-counterpart", None
        if leaf.row is REFUSED:
            rule = "refused"
        elif number in self.dropped:
            rule, why = self.dropped[number]
        elif leaf.row in (None, STRAY) and leaf.raw in (None, "", [], {}):
            rule, why = "nothing-said", "null and what is empty say nothing"
        elif leaf.row is STRAY:
            rule, why = "unknown-field", f"kept as extra {leaf.record.wire.protocol}"
        elif leaf.path == "":
            clause = leaf.record.clause
            return Finding(Outcome.CONVERTED, leaf.source, self.root, "message-kind", clause)
        return Finding(Outcome.DROPPED, leaf.source, None, rule, self.clause, why)

    def _defaulted(self, leaf: Wrote) -> Finding:
        rule, why = leaf.row.rule or ("implied" if leaf.row.field else "message-kind"), None
        for path in ancestors(leaf.target):
            defaults = [n for n in self.noted.get(path, []) if n.outcome is Outcome.DEFAULTED]
            made = [n for n in self.noted.get(path, []) if path == leaf.target]
            for note in (*defaults, *made):
                return Finding(
                    Outcome.DEFAULTED, None, leaf.target, note.rule, self.clause, note.why
                )
        return Finding(Outcome.DEFAULTED, None, leaf.target, rule, self.clause, why)


def conversion(seen: Seen, wrote: Wrote) -> tuple[Outcome, str]:
    """The name of the rule that took one leaf to the other, and whether it took all of it."""
    if wrote.row.rule and (wrote.row.write is not None or wrote.row.default is None):
        return Outcome.CONVERTED, wrote.row.rule
    if not seen.path:
        return Outcome.CONVERTED, "message-kind"
    if isinstance(wrote.row.kind, Record) or seen.row is None or isinstance(seen.row.kind, Record):
        return Outcome.CONVERTED, "regrouped"
    before, after = seen.row.kind.unit, wrote.row.kind.unit
    if before != after:
        return Outcome.CONVERTED, f"{before}-to-{after}"
    if after == "utc" and parse_instant(seen.raw) != parse_instant(wrote.raw):
        return Outcome.APPROXIMATED, "utc-rounded"  # no wire says microseconds
    return Outcome.CONVERTED, f"{after}-form"


def join(
    seen: Sequence[Seen],
    wrote: Sequence[Wrote],
    notes: Sequence[Note],
    path_text: Callable[[WirePath], str],
    clause: str,
) -> list[Finding]:
    """All findings of a translation: input leaves in their order, then what was defaulted.

    ``path_text`` writes a wire path of the target; ``clause`` names the target's record.
    """
    return _Join(seen, wrote, notes, path_text, clause).run()
