"""Between the HTTP side and the tables: an object's JSON in, its canonical form out, and back.

The HTTP side knows objects by these names and nothing of their fields: ``location evse connector
tariff token session cdr status authorisation question``.
Limits: a partner's ``explicit_nulls`` writes every absent optional field of an object and of the
objects in it as null, and absent lists as ``[]``. A null that a partner sends says nothing and is
not passed on: the next partner may not take it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from adapters.ocpi.sites import sites
from gateway.adapter import Partner
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, Facts, Frame
from gateway.mapping.record import Record
from gateway.model.location import Location
from gateway.model.message import LocationList


class Codec(Protocol):
    """What the HTTP side needs of the tables."""

    def decode(self, name: str, value: Any) -> Any:
        """The canonical object of a JSON value; raises Malformed with every problem."""
        ...

    def encode(self, name: str, obj: Any, ctx: Context) -> Any:
        """The JSON value of a canonical object; raises Inexpressible with every problem."""
        ...


Prepare = Callable[[Any, Context], Any]


def one_site(location: Location, ctx: Context) -> Location:
    """A site made of records of one EVSE each, as OCPI says it."""
    joined, _ = next(sites(LocationList(locations=(location,)), ctx))
    return joined


PREPARE: Mapping[str, Prepare] = {"location": one_site}
"""What is done to an object before its table is read."""


class Tables:
    """The codec over record tables, by object name."""

    def __init__(self, records: Mapping[str, Record]) -> None:
        self._records = records

    def decode(self, name: str, value: Any) -> Any:
        return codec(self._records[name]).read(_said(value))

    def encode(self, name: str, obj: Any, ctx: Context) -> Any:
        record = self._records[name]
        if name in PREPARE:
            obj = PREPARE[name](obj, ctx)
        value = codec(record).write_json(obj, ctx)
        return with_nulls(record, value) if ctx.options.get("explicit_nulls") else value


def _said(value: Any) -> Any:
    """A JSON value without the members that are null."""
    if isinstance(value, dict):
        return {name: _said(each) for name, each in value.items() if each is not None}
    return [_said(each) for each in value] if isinstance(value, list) else value


def context(facts: Facts, partner: Partner) -> Context:
    """What objects are written with for a partner; its notes are for ``Desk.report``."""
    options = {**partner.options, "recipients": tuple(map(str, partner.parties))}
    return Context(facts=facts, options=options)


def encode_item(codec: Codec, name: str, obj: Any, ctx: Context, field: str, place: int) -> Any:
    """An object of a list; notes name it as item ``place`` of ``field``."""
    depth = len(ctx.stack)
    ctx.stack.append(Frame(field, place, "", place))
    try:
        return codec.encode(name, obj, ctx)
    finally:
        del ctx.stack[depth:]


def with_nulls(record: Record, value: Any) -> Any:
    """A JSON object with null, or an empty list, for each optional field that it leaves out."""
    result = dict(value)
    _fill(record, result)
    return result


def _fill(record: Record, value: dict[str, Any]) -> None:
    for row in record.rows:
        if row.card == "=":
            continue
        if row.card == "" and isinstance(row.kind, Record):
            _fill(row.kind, value)
            continue
        *above, name = row.steps
        holder: Any = value.get(above[0]) if above else value
        if not isinstance(holder, dict):
            # a field of an object that is not there has no place to be null in
            continue
        found = holder.get(name)
        if found is None:
            if row.card in "?*":
                holder[name] = [] if row.listed else None
        elif isinstance(row.kind, Record):
            inner = row.kind
            holder[name] = (
                [with_nulls(inner, item) for item in found]
                if isinstance(found, list)
                else with_nulls(inner, found)
            )
