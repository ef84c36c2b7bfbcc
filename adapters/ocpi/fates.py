"""Small makers of row functions: what a field says when its value does not fit as it is.

Each notes what it changes on the context, by a rule's name; a value that fits goes through
untouched, so that OCPI objects are written back as they were read.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec

from adapters.ocpi.languages import has_code
from gateway.errors import Inexpressible, Problem
from gateway.mapping.carriers import json_path
from gateway.mapping.context import Context
from gateway.mapping.record import Write

RECEIPT = "receipt-time"


def now(obj: Any, ctx: Context) -> datetime:
    """The present instant, to the second: the time of receipt of what has no time of its own."""
    return ctx.facts.now().replace(microsecond=0)


def changed(obj: Any, **changes: Any) -> Any:
    """The object with other values; itself where there are none."""
    return msgspec.structs.replace(obj, **changes) if changes else obj


def clipped(field: str, wire: str, maximum: int) -> Write:
    """Text cut to the length that the wire field has."""

    def write(obj: Any, ctx: Context) -> Any:
        value = getattr(obj, field)
        if value is None or len(value) <= maximum:
            return value
        ctx.approximated(field, wire, "truncated", f"{maximum} of {len(value)} characters")
        return value[:maximum].rstrip()

    return write


def near(field: str, wire: str, table: Mapping[Any, Any], rule: str) -> Write:
    """The nearest code for values that the wire's code list does not have.

    A value whose nearest code is None is not said at all.
    """

    def write(obj: Any, ctx: Context) -> Any:
        value = getattr(obj, field)
        if value not in table:
            return value
        if table[value] is None:
            ctx.dropped(field, rule)
        else:
            ctx.approximated(field, wire, rule)
        return table[value]

    return write


def only(field: str, allowed: Collection[Any], rule: str = "no-counterpart") -> Write:
    """The values of a list that the wire's code list has; the others are dropped, one by one."""

    def write(obj: Any, ctx: Context) -> Any:
        values = getattr(obj, field)
        if all(value in allowed for value in values):
            return values
        for place, value in enumerate(values):
            if value not in allowed:
                ctx.dropped(f"{field}/{place}", rule)
        return tuple(value for value in values if value in allowed)

    return write


def language(obj: Any, ctx: Context) -> str:
    """The language of a text; OCPI wants one of two letters with every text."""
    if has_code(obj.language):
        return str(obj.language)
    if obj.language is None:
        ctx.defaulted("language", "language-unknown", "English is assumed")
    else:
        ctx.approximated("language", "language", "language-without-code", "said as English")
    return "eng"


def optional_language(obj: Any, ctx: Context) -> str | None:
    """A language where OCPI can name it, else nothing."""
    if obj.language is None or has_code(obj.language):
        return obj.language  # type: ignore[no-any-return]
    ctx.dropped("language", "language-without-code")
    return None


def party_of(field: str, ctx: Context) -> None:
    """The owner's two fields are said by an id."""
    for part in ("country_code", "party_id"):
        ctx.carried(field, part, "party-of-id")


def agreed_id(kind: str, field: str = "id") -> Write:
    """The id that the partner knows for ours, where one was agreed."""

    def write(obj: Any, ctx: Context) -> Any:
        value = getattr(obj, field)
        return value if value is None else ctx.facts.wire_id(kind, value) or value

    return write


def cannot(ctx: Context, wire: str, reason: str) -> Inexpressible:
    """The error that ``wire``, below the present object, cannot be said."""
    where = (*((frame.wire, frame.place) for frame in ctx.stack if frame.wire), (wire, None))
    return Inexpressible(Problem(json_path(where), reason))
