"""One message from one protocol to another, with the fate of every field.

Pure: trees come in, a tree goes out. The command line, the console and the ledger's "show me" use
the full form, which traces; the exchange uses the compiled codecs directly.

Items: the objects in a message's own lists. A site counts as its EVSEs (one without any as one),
because one protocol's record is an EVSE and another's a site of several; so joining and splitting
change no number, and ``items_in == items_out + items_dropped + len(refused)`` holds always. A
message without a list is one item, and so is the receipt of an upload, whatever it names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway import registry
from gateway.adapter import Form
from gateway.errors import Malformed
from gateway.mapping import interpret
from gateway.mapping.carriers import is_xml, json_path, xml_path
from gateway.mapping.context import Context, Facts, NoFacts, Note, Outcome
from gateway.mapping.record import Record, Row
from gateway.mapping.report import Finding, join
from gateway.mapping.stream import list_row
from gateway.model.location import Evse, Location
from gateway.model.message import Message, Receipt


class Refused(msgspec.Struct, frozen=True):
    """An item of a list that could not be read, and so was not translated."""

    source: str
    problems: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, rename={"source": "from", "target": "to"}):
    """The findings report: one form for the command line, the ledger and the console.

    ``items_dropped`` were read but could not be said; their leaves are dropped by a rule.
    ``deviations`` were put right before reading; paths below are those of the mended message.
    """

    source: str
    target: str
    message: str
    object: str
    items_in: int
    items_out: int
    items_dropped: int
    refused: tuple[Refused, ...]
    deviations: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Translation:
    """The canonical message, its new form and tree, and the report."""

    message: Message
    form: Form
    tree: Any
    report: Report
    notes: tuple[Note, ...] = field(default=())


def translate(
    source: str,
    target: str,
    tree: Any,
    *,
    facts: Facts | None = None,
    options: Mapping[str, Any] | None = None,
    deviations: Sequence[str] = (),
) -> Translation:
    """Translate a body element or JSON value from one protocol to another.

    Raises UnknownOperation (no form fits), Malformed (nothing of it can be read), Inexpressible
    (the target has no such message, or cannot say this one).
    """
    form_in: Form = registry.adapter_for(source).detect(source, tree)
    reading = interpret.Reading(partly=True)
    message: Message = interpret.read(form_in.record, tree, reading=reading)
    units = list(_units(message, form_in.record))
    if reading.refused and not units:
        raise Malformed([problem for each in reading.refused for problem in each.problems])
    # A message in its own protocol keeps its form: several operations may carry the same message.
    own = source == target
    form: Form = form_in if own else registry.adapter_for(target).natural(target, message)
    ctx = Context(facts or NoFacts(), dict(options or {}), traced=True)
    writing = interpret.Writing()
    out = interpret.write(form.record, message, ctx, writing=writing)
    root = form.record.name

    def path_text(where: Any) -> str:
        return xml_path(root, where) if is_xml(out) else json_path(where)

    clause = _item_record(form.record).clause
    findings = join(reading.seen, writing.wrote, ctx.notes, path_text, clause)
    report = Report(
        source,
        target,
        form_in.name,
        form_in.object,
        len(units) + len(reading.refused),
        _items_out(out, form.record),
        _dropped(units, ctx.notes),
        tuple(Refused(r.source, tuple(map(str, r.problems))) for r in reading.refused),
        tuple(deviations),
        tuple(findings),
    )
    return Translation(message, form, out, report, tuple(ctx.notes))


def _item_record(record: Record) -> Record:
    row = list_row(record)
    return row.kind if row is not None and isinstance(row.kind, Record) else record


# -- items -----------------------------------------------------------------------------------


def _lists(record: Record) -> list[Row]:
    """The rows of a message's own lists of objects."""
    if record.cls is Receipt:
        return []
    return [row for row in record.rows if row.listed and isinstance(row.kind, Record)]


def _units(message: Any, record: Record) -> Iterator[str]:
    """The canonical paths of a message's items; '' for a message without lists."""
    lists = _lists(record)
    if not lists:
        yield ""
    for row in lists:
        for place, item in enumerate(getattr(message, row.field)):
            path = f"{row.field}/{place}"
            if isinstance(item, Location) and item.evses:
                yield from (f"{path}/evses/{number}" for number in range(len(item.evses)))
            else:
                yield path


def units_of(item: Any) -> int:
    """How many items an object of a list counts for."""
    return len(item.evses) or 1 if isinstance(item, Location) else 1


def _dropped(units: Sequence[str], notes: Sequence[Note]) -> int:
    """How many items a note drops, or what they stand in."""
    gone = {origin for note in notes if note.outcome is Outcome.DROPPED for origin in note.origins}
    count = 0
    for unit in filter(None, units):
        steps = unit.split("/")
        count += any("/".join(steps[:end]) in gone for end in range(1, len(steps) + 1))
    return count


def _items_out(tree: Any, record: Record) -> int:
    lists = _lists(record)
    return sum(_count(tree, row) for row in lists) if lists else 1


def _count(tree: Any, row: Row) -> int:
    assert isinstance(row.kind, Record)
    if is_xml(tree):
        return len(tree.findall(f"{{{row.kind.wire.namespace}}}{row.steps[0]}"))
    items = tree if isinstance(tree, list) else tree.get(row.steps[0], ())
    return items_of_json(items, row.kind)


def items_of_json(values: Sequence[Any], record: Record) -> int:
    """How many items the JSON values of a list count for."""
    below = [each.wire for each in record.rows if each.listed and _of_evses(each)]
    return sum(max(1, *(len(item.get(wire) or ()) for wire in below), 0) for item in values)


def _of_evses(row: Row) -> bool:
    return isinstance(row.kind, Record) and issubclass(row.kind.cls, Evse)
