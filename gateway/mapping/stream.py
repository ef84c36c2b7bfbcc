"""Lists without end: items in, items out, constant memory.

Source: messages whose record has one repeated record (``cdrInfoArray``, ``chargePointInfoArray``,
the ``data`` of a JSON envelope, a JSON list).
Limits: of an XML message of several lists one is read at a time, the others are left out.
Where: ``xml_items.py`` and ``json_items.py`` read them; here is how they are written.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import msgspec

from gateway.errors import Inexpressible, Problem
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, Frame
from gateway.mapping.listed import Listed
from gateway.mapping.record import Record, Row, const


class Checker(Protocol):
    """What is asked of a schema."""

    def check(self, element: Any) -> list[Problem]:
        """Everything that is wrong with a whole message; empty when it is valid."""
        ...

    def accepts(self, element: Any) -> bool:
        """Whether nothing is wrong with a whole message."""
        ...

    def holds(self, text: bytes) -> bool:
        """Whether the text of a whole message is well-formed and valid; the quick way to know. Of
        what it refuses ``check`` has the last word."""
        ...


Mend = Callable[[Any], tuple[Any, list[str]]]
"""A message element with known deviations put right, and what was put right."""

ITEM = 4 * 1024 * 1024
"""Bytes between the ends of two items; more is no list of records."""
_JSON = msgspec.json.Encoder(decimal_format="number")


class NotStreamed(Exception):
    """A message that has to be read whole."""


class Item(NamedTuple):
    """One item of a streamed list: its number and path, and the object or what is wrong with it.

    ``invalid``: it breaks the contract of the message; ``element``: what could not be read.
    """

    number: int
    source: str
    value: Any
    problems: tuple[Problem, ...] = ()
    deviations: tuple[str, ...] = ()
    invalid: bool = False
    element: Any = None


class Block(NamedTuple):
    """Some items of a streamed list that nobody has read yet: the number of the first, how many
    they are, and their text or texts."""

    number: int
    items: int
    text: Any


class NotShared(Exception):
    """A list that cannot be read in blocks, each for itself."""


def lists(record: Record) -> list[Row]:
    """The rows of a message's own lists of records."""
    return [row for row in record.rows if row.listed and isinstance(row.kind, Record)]


def list_row(record: Record) -> Row | None:
    """The row of a message's own list, when it has exactly one of records."""
    rows = lists(record)
    return rows[0] if len(rows) == 1 else None


def item_names(record: Record) -> frozenset[str]:
    """The elements of a message that are items of its lists."""
    return frozenset(f"{{{record.wire.namespace}}}{row.steps[0]}" for row in lists(record))


def list_of(record: Record, row: Row | None = None) -> tuple[Row, Record]:
    """The row of the list (this one, or the only one) and the record of its items; raises
    NotStreamed."""
    row = row or list_row(record)
    if row is None or not isinstance(row.kind, Record):
        raise NotStreamed(f"{record} has no list of its own")
    return row, row.kind


def ends_with_list(record: Record) -> bool:
    """Whether a message in XML can be read item by item."""
    row = list_row(record)
    return row is not None and row is [each for each in record.rows if each.card != "="][-1]


_HEADS: dict[int, Record] = {}


def headed(record: Record) -> Record:
    """The record of a message without its lists."""
    if id(record) not in _HEADS:
        none = lists(record)
        rows = tuple(const(row.field, ()) if row in none else row for row in record.rows)
        _HEADS[id(record)] = replace(record, rows=rows)
    return _HEADS[id(record)]


# -- writing ---------------------------------------------------------------------------------


class Said(NamedTuple):
    """The wire forms of some items (XML text, or JSON values), and why others have none."""

    items: list[Any]
    problems: list[Problem]


def say(record: Record, message: Any, ctx: Context, number: int = 0) -> Said:
    """What a message's list says; an item that cannot be said is noted as dropped.

    ``number`` is that of the first item on the wire. Raises Inexpressible when the list's own
    ``write`` does.
    """
    row, kind = list_of(record)
    step = row.steps[-1]
    mark = f' xmlns="{kind.wire.namespace}"'
    put = codec(kind)

    def write(item: Any) -> Any:
        ctx.stack.append(Frame(row.field, number + len(said), row.wire, number + len(said)))
        notes = len(ctx.notes)
        try:
            if not kind.wire.namespace:
                return put.write_json(item, ctx)
            return put.write_xml(item, ctx, step).replace(mark, "", 1)
        except Inexpressible:
            del ctx.notes[notes:]
            raise
        finally:
            ctx.stack.pop()

    said: list[Any] = []
    problems: list[Problem] = []
    if not isinstance(row.write, Listed):
        for item in row.write(message, ctx) if row.write else getattr(message, row.field):
            said.append(write(item))
        return Said(said, problems)
    for place, each in enumerate(row.write.find(message, ctx)):
        if each.skip is not None:
            problems += row.write.skipped(each, ctx)
            continue
        try:
            said.append(write(each.item))
        except Inexpressible as error:
            problems += row.write.unsaid(each, place, error, ctx)
    return Said(said, problems)


def frame(record: Record, head: Any, ctx: Context) -> tuple[bytes, bytes]:
    """What stands before and after the items; notes what ``head`` has that is not said."""
    row, _ = list_of(record)
    place = record.rows.index(row)
    if record.wire.namespace:
        before = codec(_only(record, record.rows[:place])).write_xml(head, ctx, record.name)
        apart = Context(ctx.facts, ctx.options)
        after = codec(_only(record, record.rows[place + 1 :])).write_xml(head, apart, record.name)
        ctx.notes += [note for note in apart.notes if note not in ctx.notes]
        root = f'<{record.name} xmlns="{record.wire.namespace}">{_inside(before)}'
        return root.encode(), f"{_inside(after)}</{record.name}>".encode()
    others = (*record.rows[:place], *record.rows[place + 1 :])
    value = codec(_only(record, others)).write_json(head, ctx)
    if row.wire == ".":
        return b"[", b"]"
    if len(row.steps) > 1 or row.wire in value:
        raise NotStreamed(f"{record} has its list in an object of other fields")
    fields = _JSON.encode(value)[1:-1]
    start = b"{%s%s%s:[" % (fields, b"," if fields else b"", _JSON.encode(row.wire))
    return start, b"]}"


def joined(record: Record, items: Iterable[Any]) -> bytes:
    """Written items as they follow each other."""
    if record.wire.namespace:
        return "".join(items).encode()
    return b",\n".join(map(_JSON.encode, items))


_PARTS: dict[tuple[int, tuple[str, ...]], Record] = {}


def _only(record: Record, rows: tuple[Row, ...]) -> Record:
    """The record with some of its rows (kept, so that it is compiled once)."""
    key = (id(record), tuple(row.wire or row.field for row in rows))
    if key not in _PARTS:
        wanted = {row.field for row in rows}
        rest = {name for row in record.rows for name in (row.field, *row.uses)} - wanted
        reads = tuple(Row("", name, record, "=") for name in rest)
        _PARTS[key] = replace(record, rows=(*rows, *reads))
    return _PARTS[key]


def with_one_list(record: Record, message: Any) -> Record:
    """The record with that of its lists alone of which a message has something, else the first."""
    rows = lists(record)
    said = next((row for row in rows if getattr(message, row.field)), rows[0])
    others = [row for row in rows if row is not said]
    return (
        _only(record, tuple(row for row in record.rows if row not in others)) if others else record
    )


def _inside(text: str) -> str:
    if text.endswith("/>"):
        return ""
    return text[text.index(">") + 1 : text.rindex("<")]
