"""Records: the declarative tables of an adapter. One row per wire field, read in both directions.

    CDR = Record("CDRInfo", Cdr, WIRE, "OCHP 1.4 CDRInfo", (
        one("CdrId", "id", CDR_ID),
        one("status/CdrStatusType", "state", STATE),
        opt("ratings", "rating", RATING),                    # a nested record
        some("chargingPeriods", "items", PERIOD, write=bill_items, uses=("periods",)),
        inline("connector", CONNECTOR_OF_CDR),               # a part made of sibling wire fields
    ))

Wire paths: ``a/b`` a child of a child, ``@x`` an attribute, ``.`` the element's own text, or the
list itself where the whole payload is a JSON list. Rows stand in schema order (the writer relies
on it). ``one opt some many`` are the marks 1 ? + * of the standards.

A canonical field may be a path into a part of the object: ``token/contract_id``, or
``evses/0/evse_id`` for a list that has exactly one item here; ``parts`` names the classes of such
parts. A part is made when one of its rows has a value.

Decoding is one to one: wire field to canonical field, in the protocol's own shape. Whatever changes
shape happens on the way out, in a row's ``write(obj, ctx)``: it takes the canonical object, gives
the value (or sub-objects) to be written, and names in ``uses`` the other canonical fields that it
reads; what it approximates or drops it notes on ``ctx``. ``default(obj, ctx)`` gives the value of a
mandatory field that the object does not have; that is noted as defaulted by ``rule``.

Every canonical field that no row reads is noted as dropped when it holds a value; ``lost`` names a
better reason than "no counterpart". The same rows are compiled to straight-line functions
(``compile.py``) and read plainly (``interpret.py``, the test oracle, which also traces).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.mapping.context import Context
from gateway.mapping.kinds import Kind
from gateway.model.base import Canonical

Write = Callable[[Any, Context], Any]


@dataclass(frozen=True)
class Wire:
    """The notation of a protocol: its name as in findings, and its XML namespace ('' for JSON).

    ``open``: fields that the table does not know are kept and written back to the same protocol.
    """

    protocol: str
    namespace: str = ""
    open: bool = False


@dataclass(frozen=True, eq=False)
class Row:
    """One wire field. ``card`` is 1, ?, + or *; '' for an inline part; '=' for a constant.

    ``bare``: a single JSON object stands for a list of one, when read.
    """

    wire: str
    field: str
    kind: "Kind | Record"
    card: str
    note: str = ""
    write: Write | None = None
    uses: tuple[str, ...] = ()
    default: Write | None = None
    rule: str = ""
    value: Any = None
    bare: bool = False

    @property
    def listed(self) -> bool:
        return self.card in "+*" and self.card != ""

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(self.wire.split("/"))


def _row(card: str) -> Callable[..., Row]:
    def make(
        wire: str,
        field: str,
        kind: "Kind | Record",
        note: str = "",
        *,
        write: Write | None = None,
        uses: tuple[str, ...] = (),
        default: Write | None = None,
        rule: str = "",
        bare: bool = False,
    ) -> Row:
        return Row(wire, field, kind, card, note, write, uses, default, rule, bare=bare)

    return make


one = _row("1")
opt = _row("?")
some = _row("+")
many = _row("*")


def inline(
    field: str,
    record: "Record",
    note: str = "",
    *,
    write: Write | None = None,
    uses: tuple[str, ...] = (),
    rule: str = "",
) -> Row:
    """A canonical part whose wire fields stand among its parent's; None when none is present."""
    return Row("", field, record, "", note, write, uses, None, rule)


def const(field: str, value: Any) -> Row:
    """A canonical field that the operation implies and no wire field carries."""
    return Row("", field, TEXTLESS, "=", value=value)


def _nothing(value: Any) -> Any:
    raise ValueError("a constant has no wire form")


TEXTLESS = Kind("", "const", _nothing, _nothing)


@dataclass(frozen=True, eq=False)
class Record:
    """A wire type paired with a canonical class."""

    name: str
    cls: type[Canonical]
    wire: Wire
    clause: str
    rows: tuple[Row, ...]
    lost: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, type[Canonical]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.wire.protocol} {self.name}"

    def but(
        self,
        *rows: Row,
        name: str | None = None,
        drop: tuple[str, ...] = (),
        after: Mapping[str, str] | None = None,
        wire: Wire | None = None,
        clause: str | None = None,
        cls: type[Canonical] | None = None,
    ) -> "Record":
        """This record with differences: rows replaced by wire name, new ones after a named one."""
        fresh = {row.wire or row.field: row for row in rows}
        result = []
        for row in self.rows:
            key = row.wire or row.field
            if key not in drop:
                result.append(fresh.pop(key, row))
            for new, previous in (after or {}).items():
                if previous == key:
                    result.append(fresh.pop(new))
        if fresh and after is not None:
            raise TypeError(f"{self}: no place for {', '.join(fresh)}")
        return replace(
            self,
            name=name or self.name,
            rows=(*result, *fresh.values()),
            wire=wire or self.wire,
            clause=clause or self.clause,
            cls=cls or self.cls,
        )

    def reads(self, part: str = "") -> frozenset[str]:
        """The canonical fields (first steps below ``part``) that the rows read when encoding."""
        start = f"{part}/" if part else ""
        return frozenset(
            name[len(start) :].split("/")[0]
            for row in self.rows
            for name in (row.field, *row.uses)
            if name and name.startswith(start)
        )


def value_at(obj: Any, path: str) -> Any:
    """The value of a canonical field or field path; None where the way to it ends."""
    for step in path.split("/"):
        if obj is None:
            return None
        if step.isdigit():
            obj = obj[int(step)] if int(step) < len(obj) else None
        else:
            obj = getattr(obj, step)
    return obj
