"""A message of any length from one protocol to another, item by item, in constant memory.

Limits: fates are counted by rule, not listed by field (``translate`` lists them); ``exact`` and
``converted`` ones are not counted. Nothing is written for good before the whole input was read:
the output is complete or void.
On several cores: blocks of items are read, said and checked by other processes, which hand back
what is to be written, and the items at both ends of a block that may be said as one with those
beside it. Whatever is out of the ordinary is left to one process, from the start.
Why two passes at times: records that are said as one (the EVSEs of a site) mostly stand together,
and are joined as they come. Where some do not, that is known only when the first of them has been
written; so the input is read again, with those set aside until the end.
"""

import io
import pickle
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import chain, groupby
from typing import Any, BinaryIO, NamedTuple, Protocol

import msgspec
from lxml import etree

from gateway import registry
from gateway.adapter import Form
from gateway.errors import GatewayError, Inexpressible, Malformed, Problem
from gateway.mapping.context import Context, Counting, Facts, Outcome
from gateway.mapping.listed import Listed
from gateway.mapping.record import Record
from gateway.mapping.spool import Seen
from gateway.mapping.stream import (
    Block,
    Checker,
    Item,
    NotShared,
    NotStreamed,
    frame,
    joined,
    list_of,
    say,
)
from gateway.several import Ended, Several
from gateway.translate import Refused, items_of_json, units_of

BATCH = 100
"""Items that are written in one step."""
LISTED = 100
"""Refused items, and problems, that are named; the others are counted."""
BLOCK = 256 * 1024
"""Bytes of a message that are handed to another process at once."""


class Items(Protocol):
    """``XmlItems`` or ``JsonItems``: the items, from the start each time."""

    head: Any

    def __iter__(self) -> Iterator[Item]: ...

    def blocks(self, size: int) -> Iterator[list[Item] | Block]: ...

    def read(self, block: Block) -> Iterator[Item]: ...


class Summary(msgspec.Struct):
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

    def add(self, other: "Summary") -> None:
        """Count what became of other items of the message."""
        self.items_in += other.items_in
        self.items_out += other.items_out
        self.refused_in_all += other.refused_in_all
        self.deviations += other.deviations
        self.refused += other.refused[: LISTED - len(self.refused)]
        self.rules += other.rules


def translate(
    source: str,
    target: str,
    form: Form,
    items: Items,
    out: BinaryIO,
    *,
    facts: Facts,
    options: Mapping[str, Any],
    checker: Checker | None = None,
    around: tuple[bytes, bytes] = (b"", b""),
    processes: int = 1,
) -> Summary:
    """Write ``items`` of ``form`` in the target's form to ``out``, which can be truncated.

    ``checker`` is asked of messages in XML; ``around`` is written before and after;
    ``processes``: how many others may do the work.
    Raises Malformed (nothing of it can be read), Inexpressible (nothing can be said, or not so that
    the contract holds), NotStreamed.
    """
    if processes > 1:
        shared = _Shared(source, target, form, items, out)
        shared.prepare(Counting(facts, dict(options)), checker, around)
        if shared.run_by(processes):
            return shared.summary
    late: dict[Hashable, None] = {}  # in the order in which they were found
    while True:
        with tempfile.TemporaryFile() as aside:
            writing = _Pass(source, target, form, items, out, _Shelf(aside, late))
            writing.prepare(Counting(facts, dict(options)), checker, around)
            summary, found = writing.run()
        if not found:
            return summary
        late |= found  # what is set aside moves the others, so that more may come late


class _Writing:
    """Items as they are read and said, and what is counted of them."""

    def __init__(self, source: str, target: str, form: Form, items: Items, out: BinaryIO) -> None:
        self._items, self._out, self._target = items, out, target
        self._own_form = form if source == target else None
        self._field = list_of(form.record)[0].field
        self.summary = Summary(source=source, target=target, message=form.name)
        self._problems: list[Problem] = []
        self._written = 0
        self._record: Record
        self._key_of: Callable[[Any], Hashable]

    def prepare(self, ctx: Context, checker: Checker | None, around: tuple[bytes, bytes]) -> None:
        self._ctx, self._checker, self._around = ctx, checker, around
        self._out.seek(0)
        self._out.truncate()

    def _start(self, start: tuple[Any, ...]) -> None:
        """Choose the form by the first item, and write what stands before the list."""
        self._record = record = self._choose(start)
        self._key_of = _key_of(record)
        self._frame = before, _ = frame(record, self._message(start), self._ctx)
        self._count()
        self._out.write(self._around[0] + before)

    def _end(self) -> None:
        """Write what stands after it; nothing may be written of an empty list, or of one of which
        nothing could be said."""
        if not self._written:
            if self._problems:
                raise Inexpressible(self._problems)
            self._checked(b"")
        self._out.write(self._frame[1] + self._around[1] + b"\n")

    def _message(self, batch: Iterable[Any]) -> Any:
        return msgspec.structs.replace(self._items.head, **{self._field: tuple(batch)})

    def _choose(self, start: tuple[Any, ...]) -> Record:
        natural = registry.adapter_for(self._target).natural
        form: Form = self._own_form or natural(self._target, self._message(start))
        list_of(form.record)
        return form.record

    def _good(self, items: Iterable[Item]) -> Iterator[Any]:
        """The items that could be read; the others are refused."""
        summary = self.summary
        for item in items:
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

    def _write(self, batch: list[Any]) -> None:
        if not batch:
            return
        record = self._record
        said = say(record, self._message(batch), self._ctx, self._written)
        self._count()
        self._problems += said.problems[: LISTED - len(self._problems)]
        if not said.items:
            return
        data = joined(record, said.items)
        self._checked(data)
        self._put(data, len(said.items))
        if record.wire.namespace:
            self.summary.items_out += len(said.items)
        else:
            self.summary.items_out += items_of_json(said.items, list_of(record)[1])

    def _put(self, data: bytes, count: int) -> None:
        """Write items that were said, ``count`` of them."""
        comma = b",\n" if self._written and count and not self._record.wire.namespace else b""
        self._out.write(comma + data)
        self._written += count

    def _checked(self, data: bytes) -> None:
        before, after = self._frame
        text = before + data + after
        if self._checker is None or self._checker.holds(text):
            return
        if problems := self._checker.check(etree.fromstring(text)):
            raise Inexpressible(problems)

    def _count(self) -> None:
        notes = self._ctx.notes
        self.summary.rules.update([note[:2] for note in notes])
        notes.clear()


class _Pass(_Writing):
    """The input once from start to end."""

    def __init__(
        self, source: str, target: str, form: Form, items: Items, out: BinaryIO, shelf: "_Shelf"
    ) -> None:
        super().__init__(source, target, form, items, out)
        self._shelf = shelf
        self._late: dict[Hashable, None] = {}

    def run(self) -> tuple[Summary, dict[Hashable, None]]:
        """What was done, and what came too late to be joined."""
        good = self._good(self._items)
        first = next(good, None)
        summary = self.summary
        if first is None and summary.refused:
            shown = [
                Problem(each.source, text) for each in summary.refused for text in each.problems
            ]
            raise Malformed(shown)
        start = () if first is None else (first,)
        self._start(start)
        for batch in self._batches(chain(start, good)):
            if not self._late:  # else all is written again
                self._write(batch)
        for batch in self._shelf.batches():
            if not self._late:
                self._write(batch)
        if not self._late:
            self._end()
        return summary, self._late

    def _batches(self, values: Iterator[Any]) -> Iterator[list[Any]]:
        """Consecutive items, those of one key together; what was set aside is left out."""
        batch: list[Any] = []
        keys: set[Hashable] = set()
        before = Seen()
        last: Hashable = None
        for value in values:
            key = self._key_of(value)
            if key is not None and self._shelf.takes(key, value):
                continue
            if len(batch) >= BATCH and (key is None or key != last):
                yield batch
                before.add(keys)
                batch, keys = [], set()
            if key is not None and key not in keys:
                keys.add(key)
                if key in before:
                    self._late[key] = None
            last = key
            batch.append(value)
        if batch:
            yield batch


_Run = tuple[Hashable, list[Any]]
"""A key, and the items that stand together and have it."""


class _Part(NamedTuple):
    """What another process made of a block."""

    first: _Run
    """At its start, and not said: what may belong to the items before it."""
    data: bytes
    written: int
    last: _Run | None
    """The same at its end; None: ``first`` is all that there is."""
    keys: list[int]
    """Hashes of all keys, in their order."""
    summary: Summary


class _Shared(_Writing):
    """The input once, most of it read and said by other processes."""

    _waiting: _Run
    """What is not said yet, because what comes may belong to it."""

    def run_by(self, processes: int) -> bool:
        """Whether it could be done so; if not, what is wrong, if anything is, is still to be found
        by one process."""
        blocks = self._items.blocks(BLOCK)
        try:
            start = next(blocks, None)
            items = list(self._good(start)) if isinstance(start, list) else []
            if not items:
                return False
            self._start((items[0],))
            self._waiting = self._key_of(items[0]), items
            before = Seen()
            before.add([hash(self._waiting[0])])
            with Several(self._said, processes) as others:
                for part in others.done(blocks):
                    self._take(part, before)
            self._write(self._waiting[1])
            if not self._written:
                return False
            self._end()
        except (GatewayError, NotStreamed, NotShared, Ended, MemoryError):
            return False
        return True

    def _take(self, part: _Part, before: Seen) -> None:
        """Write what waits, and a part, but for what may go on. Raises NotShared."""
        key, items = self._waiting
        goes_on = key is not None and key == part.first[0]
        if goes_on:
            items += part.first[1]
        elif part.first[1]:
            self._write(items)
            self._waiting = part.first
        if any(each in before for each in part.keys[goes_on:]):
            raise NotShared("items that are said as one stand apart")
        before.add(part.keys)
        self.summary.add(part.summary)
        if part.last is not None:
            self._write(self._waiting[1])
            self._put(part.data, part.written)
            self._waiting = part.last

    def _said(self, block: Block) -> _Part:
        """What is made of a block. Raises what is for one process to look into."""
        before = self.summary
        summary = self.summary = Summary(before.source, before.target, before.message)
        self._written, self._out = 0, io.BytesIO()
        values = self._good(self._items.read(block))
        runs = [(key, list(run)) for key, run in groupby(values, self._key_of)]
        keys = [hash(key) for key, _ in runs if key is not None]
        if len(set(keys)) < len(keys):
            raise NotShared("items that are said as one stand apart")
        first: _Run = runs.pop(0) if runs and runs[0][0] is not None else (None, [])
        last: _Run | None = None
        if runs:
            last = runs.pop() if runs[-1][0] is not None else (None, [])
        batch: list[Any] = []
        for _, run in runs:
            batch += run
            if len(batch) >= BATCH:
                self._write(batch)
                batch = []
        self._write(batch)
        return _Part(first, self._out.getvalue(), self._written, last, keys, summary)


def _key_of(record: Record) -> Callable[[Any], Hashable]:
    """What items have in common that are said as one; None: nothing."""
    write = list_of(record)[0].write
    key = write.key if isinstance(write, Listed) else None
    return key or (lambda value: None)


class _Shelf:
    """Items of some keys, kept in a file until all of a key are there."""

    def __init__(self, file: BinaryIO, keys: Iterable[Hashable]) -> None:
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
