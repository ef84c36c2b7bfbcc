"""Uploads to an OCPI partner: objects one by one to its receiver interfaces.

Source: OCPI 2.2.1, PUT, PATCH, POST and DELETE of the Receiver interfaces.
Rules: what the partner declines, or OCPI cannot say, is listed in the receipt with its reason; what
may go better another time (Unreachable, Untrusted, BadAnswer) is raised, and the whole message
comes again: PUT is idempotent, and a CDR that has a ``Location`` is not posted twice.
Limits: OCPI has no status of parking spots. A full upload does not remove what is not in it: that
is told when the partner reads our lists.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urljoin

from msgspec.structs import replace

from adapters.ocpi.envelope import read
from adapters.ocpi.settings import url
from adapters.ocpi.talk import Talk, Tally
from gateway.errors import Inexpressible, Malformed, Refused, UnknownId
from gateway.model.base import PartyId
from gateway.model.charging import Cdr, Session
from gateway.model.ids import evse_owner
from gateway.model.location import Location
from gateway.model.message import (
    CdrUpload,
    LocationQuery,
    LocationUpload,
    Receipt,
    SessionUpload,
    StatusUpload,
    TariffRemoval,
    TariffUpload,
    TokenUpload,
)
from gateway.model.status import EvseStatus
from gateway.security.json_gate import write_json

_DECLINED = (Refused, Inexpressible, Malformed)


async def _each(
    items: tuple[Any, ...], label: Callable[[Any], str], send: Callable[[int, Any], Awaitable[None]]
) -> Tally:
    tally = Tally()
    for place, item in enumerate(items):
        try:
            await send(place, item)
            tally.taken += 1
        except _DECLINED as error:
            tally.refuse(item, label(item), error)
    return tally


async def locations(talk: Talk, message: LocationUpload) -> Receipt:
    """PUT of each location, whole."""

    async def send(place: int, location: Location) -> None:
        await _put_location(talk, location, place)

    tally = await _each(message.locations, lambda item: item.id, send)
    return Receipt(
        result=tally.result, locations=tuple(tally.refused), reasons=tuple(tally.reasons)
    )


async def _put_location(talk: Talk, location: Location, place: int) -> None:
    value = talk.encode("location", location, place)
    sender = talk.sender(location.owner, for_all=True)
    await talk.call("PUT", talk.owned_url("locations", value), value, to=talk.to(), sender=sender)


async def status(talk: Talk, message: StatusUpload) -> Receipt:
    """PATCH of each EVSE; the whole location where the partner does not know the EVSE."""

    async def send(place: int, state: EvseStatus) -> None:
        await _patch_status(talk, state, place)

    tally = await _each(message.evses, lambda item: item.evse_id or item.evse_uid or "EVSE", send)
    for parking in message.parkings:
        error = Inexpressible("OCPI 2.2.1 has no status of parking spots")
        tally.refuse(parking, parking.parking_id, error)
    return Receipt(result=tally.result, reasons=tuple(tally.reasons))


async def _patch_status(talk: Talk, state: EvseStatus, place: int) -> None:
    site = talk.facts.evse(state.evse_id) if state.evse_id else None
    if isinstance(site, Location) and site.evses and state.evse_uid is None:
        state = replace(state, evse_uid=site.evses[0].uid)
    value = talk.encode("status", state, place)
    location_id = site.id if isinstance(site, Location) else state.location_id
    owner = _operator(talk, state, site)
    if location_id is None or owner is None:
        raise Inexpressible("nobody knows at which location this EVSE is")
    named = {
        "country_code": owner.country,
        "party_id": owner.code,
        "id": talk.facts.wire_id("location", location_id) or location_id,
    }
    address = talk.owned_url("locations", named, value["uid"])
    body = {
        name: value[name] for name in ("status", "status_schedule", "last_updated") if name in value
    }
    sender = talk.sender(owner, for_all=True)
    try:
        await talk.call("PATCH", address, body, to=talk.to(), sender=sender)
    except Refused:
        # a receiver that does not know the EVSE says 404, 2001 or 2003
        found: Any = await talk.desk.ask(
            talk.partner, LocationQuery(id=location_id, owner=owner), talk.correlation_id
        )
        if not found.locations:
            raise
        await _put_location(talk, found.locations[0], place)


def _operator(talk: Talk, state: EvseStatus, site: Any) -> PartyId | None:
    if isinstance(site, Location) and site.owner:
        return site.owner
    owner = evse_owner(state.evse_id) if state.evse_id else None
    operators = [own.party for own in talk.options.we if own.role == "CPO"]
    return owner or (operators[0] if len(operators) == 1 else None)


async def tariffs(talk: Talk, message: TariffUpload) -> Receipt:
    """PUT of each tariff."""

    async def send(place: int, tariff: Any) -> None:
        value = talk.encode("tariff", tariff, place)
        sender = talk.sender(tariff.owner, for_all=True)
        address = talk.owned_url("tariffs", value)
        await talk.call("PUT", address, value, to=talk.to(), sender=sender)

    tally = await _each(message.tariffs, lambda item: item.id, send)
    return Receipt(result=tally.result, tariffs=tuple(tally.refused), reasons=tuple(tally.reasons))


async def tariff_removal(talk: Talk, message: TariffRemoval) -> Receipt:
    """DELETE of each tariff; one that the partner does not know is gone already."""
    owner = message.owner

    async def send(place: int, id_: str) -> None:
        named = {
            "country_code": owner.country,
            "party_id": owner.code,
            "id": talk.facts.wire_id("tariff", id_) or id_,
        }
        try:
            await talk.call(
                "DELETE",
                talk.owned_url("tariffs", named),
                to=talk.to(),
                sender=talk.sender(owner, for_all=True),
            )
        except UnknownId:
            return

    tally = await _each(message.ids, str, send)
    return Receipt(result=tally.result, reasons=tuple(tally.reasons))


async def tokens(talk: Talk, message: TokenUpload) -> Receipt:
    """PUT of each token, with its type."""

    async def send(place: int, token: Any) -> None:
        value = talk.encode("token", token, place)
        address = f"{talk.owned_url('tokens', value, key='uid')}?type={value['type']}"
        sender = talk.sender(token.owner, for_all=True)
        await talk.call("PUT", address, value, to=talk.to(), sender=sender)

    tally = await _each(message.tokens, lambda item: item.contract_id, send)
    return Receipt(result=tally.result, tokens=tuple(tally.refused), reasons=tuple(tally.reasons))


async def sessions(talk: Talk, message: SessionUpload) -> Receipt:
    """PUT of each session, whole."""

    async def send(place: int, session: Session) -> None:
        value = talk.encode("session", session, place)
        await talk.call(
            "PUT",
            talk.owned_url("sessions", value),
            value,
            to=talk.to(session.token.owner),
            sender=talk.sender(session.owner),
        )

    tally = await _each(message.sessions, lambda item: item.id, send)
    return Receipt(
        result=tally.result,
        sessions=tuple(session.id for session in tally.refused),
        reasons=tuple(tally.reasons),
    )


async def cdrs(talk: Talk, message: CdrUpload) -> Receipt:
    """POST of each CDR, once; its ``Location`` is kept."""

    async def send(place: int, cdr: Cdr) -> None:
        value = talk.encode("cdr", cdr, place)
        key = cdr_key(value["country_code"], value["party_id"], value["id"])
        content = {name: value[name] for name in sorted(value) if name != "last_updated"}
        digest = hashlib.sha256(write_json(content)).hexdigest()
        posted = await talk.desk.recall(talk.partner, key)
        if posted:
            if posted["digest"] != digest:
                raise Refused("sent before with other content: a correction needs a credit CDR")
            return
        address = talk.endpoint("cdrs", "RECEIVER")
        answer = await talk.send(
            "POST",
            address,
            value,
            to=talk.to(cdr.token.owner),
            sender=talk.sender(cdr.owner),
        )
        read(answer)
        where = _where(address, answer.headers.get("location"))
        await talk.desk.remember(talk.partner, key, {"digest": digest, "url": where})

    tally = await _each(message.cdrs, lambda item: item.id, send)
    return Receipt(
        result=tally.result,
        cdrs=tuple(cdr.id for cdr in tally.refused),
        reasons=tuple(tally.reasons),
    )


def cdr_key(country: str, party: str, id_: str) -> str:
    """Where it is kept that a CDR was posted, and its URL."""
    return f"cdr/{country}*{party}/{id_}".lower()


def _where(address: str, location: str | None) -> str | None:
    """The absolute URL of a ``Location`` header; None when it has none that can be used."""
    try:
        return url(urljoin(address, location)) if location else None
    except ValueError:
        return None
