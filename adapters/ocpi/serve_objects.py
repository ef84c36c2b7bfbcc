"""Tariffs, sessions and tokens: lists for who reads them, and what their owners push.

Source: OCPI 2.2.1, Tariffs, Sessions and Tokens modules, Sender and Receiver interfaces.
Rules: the three differ in a row of ``OBJECTS``; a token is known by uid and ``type`` (RFID unless
the query says otherwise), a tariff is deleted and never patched, a sessions list needs
``date_from``.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from adapters.ocpi.envelope import Declined, Reply
from adapters.ocpi.merge import patched, same
from adapters.ocpi.serving import (
    IGNORED,
    Asked,
    accepted,
    agree,
    changed,
    missing,
    page,
    stale,
    window,
)
from gateway.errors import Problem
from gateway.model.base import PartyId
from gateway.model.message import (
    Message,
    SessionQuery,
    SessionUpload,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
    TokenQuery,
    TokenUpload,
)


class Object(NamedTuple):
    """What a module is about."""

    name: str
    module: str
    items: str
    """The field of the list reply (and of the upload) that holds the objects."""
    key: str
    query: Callable[..., Message]
    upload: Callable[..., Message]
    by_type: bool = False
    needs_from: bool = False


TARIFF = Object("tariff", "tariffs", "tariffs", "id", TariffQuery, TariffUpload)
SESSION = Object(
    "session", "sessions", "sessions", "id", SessionQuery, SessionUpload, needs_from=True
)
TOKEN = Object("token", "tokens", "tokens", "uid", TokenQuery, TokenUpload, by_type=True)
OBJECTS: Mapping[str, Object] = {row.module: row for row in (TARIFF, SESSION, TOKEN)}

_TYPES = frozenset({"AD_HOC_USER", "APP_USER", "OTHER", "RFID"})


def asked_type(query: Mapping[str, str]) -> str | None:
    """The token type in a query: ``type``, or ``token_type`` as the 2.1.1 table calls it."""
    found = query.get("type") or query.get("token_type")
    if found is not None and found not in _TYPES:
        raise Declined(2001, Problem("type", f"{found[:60]!r} is no TokenType"))
    return found


def list_of(kind: Object) -> Callable[[Asked], Any]:
    """GET of a sender interface."""

    async def get_list(asked: Asked) -> Reply:
        wanted = window(asked, kind.module, needs_from=kind.needs_from)
        found = await asked.ask(
            kind.query(
                since=wanted.since, until=wanted.until, owner=asked.directed, page=wanted.page
            )
        )
        items = getattr(found, kind.items)
        return page(
            asked, wanted, kind.name, items, found, lambda item: str(getattr(item, kind.key))
        )

    return get_list


def get_of(kind: Object) -> Callable[[Asked], Any]:
    """GET of a receiver interface: what the partner pushed."""

    async def get_stored(asked: Asked) -> Reply:
        return Reply(data=asked.json(kind.name, await _find(asked, kind, asked.owner())))

    return get_stored


def put_of(kind: Object) -> Callable[[Asked], Any]:
    """PUT of a receiver interface: the whole object, new or instead of the one that is known."""

    async def put(asked: Asked) -> Reply:
        owner, wanted, body = (
            asked.owner(),
            asked.params[kind.name],
            asked.content(),
        )
        agree(body, owner, **{kind.key: wanted})
        type_ = asked_type(asked.query) if kind.by_type else None
        if type_:
            agree(body, None, type=type_)
        async with _turn(asked, kind, owner):
            known = await _known(asked, kind, owner, body.get("type") or "RFID")
            body[kind.key] = getattr(known, kind.key) if known else wanted
            obj = asked.codec.decode(kind.name, body)
            if known is not None and stale(known.updated, obj.updated):
                return IGNORED
            await _upload(asked, kind, obj, owner)
        return Reply(status=asked.created(known is None))

    return put


def patch_of(kind: Object) -> Callable[[Asked], Any]:
    """PATCH of a receiver interface: some fields of an object that is known."""

    async def patch(asked: Asked) -> Reply:
        owner, wanted, body = (
            asked.owner(),
            asked.params[kind.name],
            asked.content(),
        )
        agree(body, owner, **{kind.key: wanted})
        if kind.by_type:
            agree(body, None, type=asked_type(asked.query) or "RFID")
        time = changed(body)
        async with _turn(asked, kind, owner):
            known = await _find(asked, kind, owner)
            if stale(known.updated, time):
                return IGNORED
            after = patched(kind.name, asked.plain_json(kind.name, known), body)
            after[kind.key] = getattr(known, kind.key)
            await _upload(asked, kind, asked.codec.decode(kind.name, after), owner)
        return Reply()

    return patch


async def delete_tariff(asked: Asked) -> Reply:
    """The tariff holds no longer; 404 when it is not known."""
    owner = asked.owner()
    async with _turn(asked, TARIFF, owner):
        known = await _find(asked, TARIFF, owner)
        accepted(await asked.ask(TariffRemoval(owner=owner, ids=(known.id,))))
    return Reply()


def _turn(asked: Asked, kind: Object, owner: PartyId) -> Any:
    return asked.desk.alone(asked.partner, f"{kind.name}/{owner}/{asked.params[kind.name].lower()}")


async def _find(asked: Asked, kind: Object, owner: PartyId) -> Any:
    type_ = asked_type(asked.query) if kind.by_type else None
    known = await _known(asked, kind, owner, type_ or "RFID")
    if known is None:
        raise missing(kind.name, f"{kind.name} {asked.params[kind.name]!r}")
    return known


async def _known(asked: Asked, kind: Object, owner: PartyId, type_: str) -> Any:
    """The stored object of the path, or None."""
    wanted = asked.params[kind.name]
    found = await asked.ask(kind.query(owner=owner, **{kind.key: wanted}))
    for item in getattr(found, kind.items):
        if not same(getattr(item, kind.key), wanted):
            continue
        if not kind.by_type or asked.plain_json(kind.name, item).get("type") == type_:
            return item
    return None


async def _upload(asked: Asked, kind: Object, obj: Any, owner: PartyId) -> None:
    message = kind.upload(**{kind.items: (replace(obj, owner=owner),)})
    accepted(await asked.ask(message))
