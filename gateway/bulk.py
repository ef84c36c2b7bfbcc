"""A message of any length from one protocol to another, item by item, in constant memory.

Limits: fates are counted by rule, not listed by field (``translate`` lists them); ``exact`` and
``converted`` ones are not counted. Nothing is written for good before the whole input was read:
the output is complete or void.
Why two passes at times: records that are said as one (the EVSEs of a site) mostly stand together,
and are joined as they come. Where some do not, that is known only when the first of them has been
written; so the input is read again, with those set aside until the end.
"""

import pickle
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Protocol

import msgspec
from lxml import etree

from gateway import registry
from gateway.adapter import Form
from gateway.errors import Inexpressible, Malformed, Problem
from gateway.mapping.context import Context, Counting, Facts, Outcome
from gateway.mapping.listed import Listed
from gateway.mapping.record import Record
from gateway.mapping.spool import Seen
from gateway.mapping.stream import Check, Item, frame, joined, list_of, say
from gateway.translate import Refused, items_of_json, units_of

BATCH = 100
"""Items that are written in one step."""
LISTED = 100
"""Refused items, and problems, that are named; the others are counted."""


class Items(Protocol):
    """``XmlItems`` or ``JsonItems``: the items, from the start each time."""

    head: Any

    def __iter__(self) -> Iterator[Item]: ...


class Summary(msgspec.Struct, kw_only=True):
    """What became of a message; ``refused`` names the first ``LISTED``."""

    source: str
    target: str
    message: str
    items_in: int = 0
    items_out: int = 0
    refused_in_all: int = 0
    deviations: int = 0
    refused: list[Refused] = msgspec.field(default_factory=list)
    rules: Counter[tuple[Outcome, str]] = msgspec.field(default_factory=Counter)

    @property
    def items_dropped(self) -> int:
        """Items that were read and could not be said."""
        return self.items_in - self.items_out - self.refused_in_all


def translate(
    source: str,
    target: str,
    form: Form,
    items: Items,
    out: BinaryIO,
    *,
    facts: Facts,
    options: Mapping[str, Any],
    check: Check | None = None,
    around: tuple[bytes, bytes] = (b"", b""),
) -> Summary:
    """Write ``items`` of ``form`` in the target's form to ``out``, which can be truncated.

    ``check`` gives the problems of a whole message in XML; ``around`` is written before and after.
    Raises Malformed (nothing of it can be read), Inexpressible (nothing can be said, or not so that
    the contract holds), NotStreamed.
    """
    late: set[Hashable] = set()
    while True:
        with tempfile.TemporaryFile() as aside:
            writing = _Pass(source, target, form, items, out, _Shelf(aside, late))
            writing.prepare(Counting(facts, dict(options)), check, around)
            summary, found = writing.run()
        if not found:
            return summary
        late = found


class _Pass:
    """The input once from start to end."""

    def __init__(
        self, source: str, target: str, form: Form, items: Items, out: BinaryIO, shelf: "_Shelf"
    ) -> None:
        self._items, self._out, self._shelf, self._target = items, out, shelf, target
        self._own_form = form if source == target else None
        self._field = list_of(form.record)[0].field
        self._summary = Summary(source=source, target=target, message=form.name)
        self._problems: list[Problem] = []
        self._late: set[Hashable] = set()
        self._written = 0

    def prepare(self, ctx: Context, check: Check | None, around: tuple[bytes, bytes]) -> None:
        self._ctx, self._check, self._around = ctx, check, around
        self._out.seek(0)
        self._out.truncate()

    def run(self) -> tuple[Summary, set[Hashable]]:
        """What was done, and what came too late to be joined."""
        good = self._good()
        first = next(good, None)
        summary = self._summary
        if first is None and summary.refused:
            shown = [
                Problem(each.source, text) for each in summary.refused for text in each.problems
            ]
            raise Malformed(shown)
        start = () if first is None else (first,)
        record = self._choose(start)
        before, after = frame(record, self._message(start), self._ctx)
        self._count()
        self._out.write(self._around[0] + before)
        self._frame = before, after
        for batch in self._batches(_chain(start, good), _key_of(record)):
            self._write(record, batch)
        for batch in self._shelf.batches():
            self._write(record, batch)
        if not self._written:
            if self._problems:
                raise Inexpressible(self._problems)
            self._checked(b"")
        self._out.write(after + self._around[1] + b"\n")
        return summary, self._late

    def _message(self, batch: Iterable[Any]) -> Any:
        return msgspec.structs.replace(self._items.head, **{self._field: tuple(batch)})

    def _choose(self, start: tuple[Any, ...]) -> Record:
        natural = registry.adapter_for(self._target).natural
        form: Form = self._own_form or natural(self._target, self._message(start))
        list_of(form.record)
        return form.record

    def _good(self) -> Iterator[Any]:
        """The items that could be read; the others are refused."""
        summary = self._summary
        for item in self._items:
            summary.deviations += len(item.deviations)
            if not item.problems:
                summary.items_in += units_of(item.value)
                yield item.value
                continue
            summary.items_in += 1
            summary.refused_in_all += 1
            if len(summary.refused) < LISTED:
                shown = tuple(map(str, item.problems[:LISTED]))
                summary.refused.append(Refused(item.source, shown))

    def _batches(
        self, values: Iterator[Any], key_of: Callable[[Any], Hashable] | None
    ) -> Iterator[list[Any]]:
        """Consecutive items, those of one key together; what was set aside is left out."""
        batch: list[Any] = []
        keys: set[Hashable] = set()
        before = Seen()
        last: Hashable = None
        for value in values:
            key = key_of(value) if key_of else None
            if key is not None and self._shelf.takes(key, value):
                continue
            if len(batch) >= BATCH and (key is None or key != last):
                yield batch
                before.add(keys)
                batch, keys = [], set()
            if key is not None and key not in keys:
                keys.add(key)
                if key in before:
                    self._late.add(key)
            last = key
            batch.append(value)
        if batch:
            yield batch

    def _write(self, record: Record, batch: list[Any]) -> None:
        if self._late:
            return  # all is written again
        said = say(record, self._message(batch), self._ctx, self._written)
        self._count()
        self._problems += said.problems[: LISTED - len(self._problems)]
        if not said.items:
            return
        data = joined(record, said.items)
        self._checked(data)
        comma = b",\n" if self._written and not record.wire.namespace else b""
        self._out.write(comma + data)
        self._written += len(said.items)
        if record.wire.namespace:
            self._summary.items_out += len(said.items)
        else:
            self._summary.items_out += items_of_json(said.items, list_of(record)[1])

    def _checked(self, data: bytes) -> None:
        if self._check is None:
            return
        before, after = self._frame
        if problems := list(self._check(etree.fromstring(before + data + after))):
            raise Inexpressible(problems)

    def _count(self) -> None:
        notes = self._ctx.notes
        self._summary.rules.update([note[:2] for note in notes])
        notes.clear()


def _key_of(record: Record) -> Callable[[Any], Hashable] | None:
    write = list_of(record)[0].write
    return write.key if isinstance(write, Listed) else None


def _chain(start: Iterable[Any], rest: Iterator[Any]) -> Iterator[Any]:
    yield from start
    yield from rest


class _Shelf:
    """Items of some keys, kept in a file until all of a key are there."""

    def __init__(self, file: BinaryIO, keys: set[Hashable]) -> None:
        self._file = file
        self._places: dict[Hashable, array[int]] = {key: array("Q") for key in keys}

    def takes(self, key: Hashable, value: Any) -> bool:
        """Whether an item of this key was set aside."""
        places = self._places.get(key)
        if places is None:
            return False
        places.append(self._file.tell())
        pickle.dump(value, self._file)
        return True

    def batches(self) -> Iterator[list[Any]]:
        """The items, all of a key together."""
        batch: list[Any] = []
        for places in self._places.values():
            for place in places:
                self._file.seek(place)
                batch.append(pickle.load(self._file))  # noqa: S301 - our own, of a moment ago
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch
