"""Locations: lists and objects for who reads them, and what an operator pushes, down to a plug.

Source: OCPI 2.2.1, Locations module, Sender and Receiver interfaces.
Rules: a change of an EVSE or a connector raises ``last_updated`` of its parents; a PATCH of an
EVSE's status alone is live status and goes on as such; every other change, and one from or to a
status that lasts (planned, inoperative, removed), as the whole location. An unknown location, EVSE
or connector is HTTP 404 with 2003. What is older than what is known is ignored with 1000.
"""

from typing import Any, cast

from msgspec.structs import replace

from adapters.ocpi.envelope import Declined, Reply
from adapters.ocpi.kinds import STATUS
from adapters.ocpi.merge import patched, same
from adapters.ocpi.serving import (
    IGNORED,
    Asked,
    accepted,
    agree,
    changed,
    latest,
    missing,
    page,
    stale,
    window,
)
from gateway.model.base import PartyId
from gateway.model.location import LASTING, Connector, Evse, Location
from gateway.model.message import LocationQuery, LocationUpload, StatusUpload

_LASTING = frozenset(map(STATUS.format, LASTING))
"""The words for what is no live status."""

# -- sender interface ------------------------------------------------------------------------


async def get_list(asked: Asked) -> Reply:
    """Locations that this partner may see, page by page."""
    wanted = window(asked, "locations")
    found = await asked.ask(
        LocationQuery(
            since=wanted.since, until=wanted.until, owner=asked.directed, page=wanted.page
        )
    )
    return page(asked, wanted, "location", found.locations, found, lambda item: item.id)


async def get_object(asked: Asked) -> Reply:
    """A location, an EVSE or a connector of ours."""
    sent = asked.params["location"]
    named = asked.facts.canonical_id("location", sent) or sent
    return _part(asked, await _find(asked, asked.directed, named))


async def get_stored(asked: Asked) -> Reply:
    """What the partner pushed, so that it can compare."""
    return _part(asked, await _find(asked, asked.owner(), asked.params["location"]))


def _part(asked: Asked, location: Location) -> Reply:
    data = asked.json("location", location)
    for name, items, key in (("evse", "evses", "uid"), ("connector", "connectors", "id")):
        if name in asked.params:
            wanted = asked.params[name]
            found = next((i for i in data.get(items, ()) if same(i.get(key), wanted)), None)
            if found is None:
                raise missing("evse", f"{name} {wanted!r}")
            data = found
    return Reply(data=data)


async def _find(asked: Asked, owner: PartyId | None, wanted: str) -> Location:
    location = await _known(asked, owner, wanted)
    if location is None:
        raise missing("location", f"location {wanted!r}")
    return location


async def _known(asked: Asked, owner: PartyId | None, wanted: str) -> Location | None:
    found = await asked.ask(LocationQuery(id=wanted, owner=owner))
    matches = [item for item in found.locations if same(item.id, wanted)]
    exact = [item for item in matches if item.id == wanted] or matches
    if len({item.owner for item in exact}) > 1:
        raise Declined(2001, f"several parties have a location {wanted!r}: name one by OCPI-to")
    return cast(Location, exact[0]) if exact else None


# -- receiver interface: whole objects -------------------------------------------------------


def _turn(asked: Asked, owner: PartyId) -> Any:
    """One change of a location at a time: each reads, changes and stores the whole."""
    return asked.desk.alone(asked.partner, f"location/{owner}/{asked.params['location'].lower()}")


async def put_location(asked: Asked) -> Reply:
    owner, wanted, body = (
        asked.owner(),
        asked.params["location"],
        asked.content(),
    )
    agree(body, owner, id=wanted)
    async with _turn(asked, owner):
        known = await _known(asked, owner, wanted)
        body |= {"id": known.id if known else wanted}
        location = asked.codec.decode("location", body)
        if known and stale(known.updated, location.updated):
            return IGNORED
        await _upload(asked, location, owner)
    return Reply(status=asked.created(known is None))


async def put_evse(asked: Asked) -> Reply:
    owner, wanted, body = asked.owner(), asked.params["evse"], asked.content()
    agree(body, None, uid=wanted)
    async with _turn(asked, owner):
        location = await _find(asked, owner, asked.params["location"])
        place = _place(location.evses, "uid", wanted)
        known = location.evses[place] if place is not None else None
        evse: Evse = asked.codec.decode("evse", body | {"uid": known.uid if known else wanted})
        if known and stale(known.updated, evse.updated):
            return IGNORED
        await _upload(asked, _with_evse(location, place, evse), owner)
    return Reply(status=asked.created(known is None))


async def put_connector(asked: Asked) -> Reply:
    owner, wanted, body = (
        asked.owner(),
        asked.params["connector"],
        asked.content(),
    )
    agree(body, None, id=wanted)
    async with _turn(asked, owner):
        location = await _find(asked, owner, asked.params["location"])
        at, evse = _evse(location, asked.params["evse"])
        place = _place(evse.connectors, "id", wanted)
        known = evse.connectors[place] if place is not None else None
        body |= {"id": known.id if known else wanted}
        connector: Connector = asked.codec.decode("connector", body)
        if known and stale(known.updated, connector.updated):
            return IGNORED
        await _upload(
            asked, _with_evse(location, at, _with_connector(evse, place, connector)), owner
        )
    return Reply(status=asked.created(known is None))


# -- receiver interface: changes -------------------------------------------------------------


async def patch_location(asked: Asked) -> Reply:
    owner, wanted, body = (
        asked.owner(),
        asked.params["location"],
        asked.content(),
    )
    agree(body, owner, id=wanted)
    time = changed(body)
    async with _turn(asked, owner):
        location = await _find(asked, owner, wanted)
        if stale(location.updated, time):
            return IGNORED
        before = asked.plain_json("location", location)
        after = patched("location", before, body) | {"id": location.id}
        await _upload(asked, asked.codec.decode("location", after), owner)
    return Reply()


async def patch_evse(asked: Asked) -> Reply:
    owner, wanted, body = asked.owner(), asked.params["evse"], asked.content()
    agree(body, None, uid=wanted)
    time = changed(body)
    async with _turn(asked, owner):
        location = await _find(asked, owner, asked.params["location"])
        place, evse = _evse(location, wanted)
        if stale(evse.updated, time):
            return IGNORED
        lasts = evse.state in LASTING or str(body.get("status")) in _LASTING
        if body.keys() - {"uid"} == {"status", "last_updated"} and not lasts:
            status = replace(
                asked.codec.decode("status", {name: body[name] for name in body if name != "uid"}),
                evse_id=evse.evse_id,
                evse_uid=evse.uid,
                location_id=location.id,
            )
            accepted(await asked.ask(StatusUpload(evses=(status,))))
        else:
            after = patched("evse", asked.plain_json("evse", evse), body) | {"uid": evse.uid}
            fresh = asked.codec.decode("evse", after)
            await _upload(asked, _with_evse(location, place, fresh), owner)
    return Reply()


async def patch_connector(asked: Asked) -> Reply:
    owner, wanted, body = (
        asked.owner(),
        asked.params["connector"],
        asked.content(),
    )
    agree(body, None, id=wanted)
    time = changed(body)
    async with _turn(asked, owner):
        location = await _find(asked, owner, asked.params["location"])
        at, evse = _evse(location, asked.params["evse"])
        place = _place(evse.connectors, "id", wanted)
        if place is None:
            raise missing("evse", f"connector {wanted!r}")
        connector = evse.connectors[place]
        if stale(connector.updated, time):
            return IGNORED
        before = asked.plain_json("connector", connector)
        fresh = asked.codec.decode(
            "connector", patched("connector", before, body) | {"id": connector.id}
        )
        await _upload(asked, _with_evse(location, at, _with_connector(evse, place, fresh)), owner)
    return Reply()


# -- parts of a location ---------------------------------------------------------------------


def _place(items: tuple[Any, ...], key: str, wanted: str) -> int | None:
    return next((n for n, item in enumerate(items) if same(getattr(item, key), wanted)), None)


def _evse(location: Location, wanted: str) -> tuple[int, Evse]:
    place = _place(location.evses, "uid", wanted)
    if place is None:
        raise missing("evse", f"EVSE {wanted!r}")
    return place, location.evses[place]


def _put(items: tuple[Any, ...], place: int | None, item: Any) -> tuple[Any, ...]:
    return (*items, item) if place is None else (*items[:place], item, *items[place + 1 :])


def _with_evse(location: Location, place: int | None, evse: Evse) -> Location:
    evse = replace(evse, updated=latest(evse.updated, *(c.updated for c in evse.connectors)))
    return replace(
        location,
        evses=_put(location.evses, place, evse),
        updated=latest(location.updated, evse.updated),
    )


def _with_connector(evse: Evse, place: int | None, connector: Connector) -> Evse:
    return replace(
        evse,
        connectors=_put(evse.connectors, place, connector),
        updated=latest(evse.updated, connector.updated),
    )


async def _upload(asked: Asked, location: Location, owner: PartyId) -> None:
    times = [evse.updated for evse in location.evses]
    times += [plug.updated for evse in location.evses for plug in evse.connectors]
    whole = replace(location, owner=owner, updated=latest(location.updated, *times))
    accepted(await asked.ask(LocationUpload(locations=(whole,))))
