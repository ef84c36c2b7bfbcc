"""The lists of OCPI's messages: which items can be said.

Limits: what was read from OCPI, or is complete in OCPI's own terms, is not tried beforehand: it can
be said.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from gateway.mapping.context import Context
from gateway.mapping.listed import Candidate, Listed
from gateway.mapping.record import Record
from gateway.model.charging import Cdr, Session
from gateway.model.location import Location
from gateway.model.status import EvseStatus
from gateway.model.tariff import Tariff
from gateway.model.token import Token

_OWN: dict[type[Any], Callable[[Any], bool]] = {
    Location: lambda obj: obj.time_zone is not None and all(e.uid is not None for e in obj.evses),
    Tariff: lambda obj: bool(obj.elements) and obj.owner is not None and obj.updated is not None,
    Token: lambda obj: obj.issuer is not None and obj.representation is None,
    Session: lambda obj: obj.owner is not None and obj.updated is not None,
    Cdr: lambda obj: obj.place is not None and obj.owner is not None and bool(obj.periods),
    EvseStatus: lambda obj: obj.state is not None and obj.evse_uid is not None,
}


Found = Callable[[Any, Context], Iterable[tuple[Any, tuple[str, ...]]]]
"""Gives the items of a message, each with the canonical paths of what it is made of."""
Key = Callable[[Any], Hashable]


def said(
    field: str,
    record: Record,
    find: Found | None = None,
    key: Key | None = None,
) -> Listed:
    """A row's ``write``: the items that ``record`` can say; the others are dropped with a note.

    ``find`` gives the items where they are not simply those of ``field``, ``key`` what those have
    in common that it joins. Raises Inexpressible when there are items and none can be said.
    """

    def candidates(obj: Any, ctx: Context) -> Iterator[Candidate]:
        found = find(obj, ctx) if find else _each(field, obj)
        for item, origins in found:
            yield Candidate(item, origins, _OWN[type(item)](item))

    return Listed(record, candidates, needed=True, key=key)


def _each(field: str, obj: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    for place, item in enumerate(getattr(obj, field)):
        yield item, (f"{field}/{place}",)
