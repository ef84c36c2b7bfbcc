"""Records of one EVSE each, joined to OCPI Locations.

Source: OCPI 2.2.1 Locations, Location and EVSE objects; OCHP 1.4 ChargePointInfo and every other
record that is one EVSE with its site repeated.
Rule: records of one operator with one location id are one Location, each an EVSE of it. What the
Location says of itself comes from the record that was updated last; what other records say
otherwise is reported. Pictures are joined by URL; those of the station go to its EVSE.
Limits: only locations whose EVSEs have no OCPI uid are joined; others pass untouched.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from gateway.mapping.context import Context
from gateway.model.base import PartyId
from gateway.model.ids import evse_owner
from gateway.model.location import Business, Evse, Image, ImageKind, Location
from gateway.model.message import LocationList, LocationUpload

_NEVER = datetime.min.replace(tzinfo=UTC)
# Said once for the site; a record that says otherwise is overruled by the newest.
_OF_SITE = tuple(
    name
    for name in Location.__struct_fields__
    if name not in ("extras", "id", "owner", "coordinates", "evses", "images", "updated")
)
_values_of_site = attrgetter(*_OF_SITE)


def location_owner(location: Location) -> PartyId | None:
    """The operator of a site: as said, else as its first EVSE id tells."""
    if location.owner is not None:
        return location.owner
    for evse in location.evses:
        if evse.evse_id and (party := evse_owner(evse.evse_id)):
            return party
    return None


def updated(location: Location) -> datetime | None:
    """When a record, or any EVSE in it, changed last."""
    newest = location.updated
    for evse in location.evses:
        if evse.updated is not None and (newest is None or newest < evse.updated):
            newest = evse.updated
    return newest


def sites(
    message: LocationUpload | LocationList, ctx: Context
) -> Iterator[tuple[Location, tuple[str, ...]]]:
    """The locations of a message as OCPI says them, in the order of their first records, each with
    the paths of its records."""
    groups: dict[Any, list[int]] = {}
    for place, location in enumerate(message.locations):
        key = site(location)
        groups.setdefault(place if key is None else key, []).append(place)
    for key, places in groups.items():
        own = isinstance(key, int)
        location = message.locations[key] if own else _joined(message.locations, places, ctx)
        yield location, tuple(f"locations/{place}" for place in places)


def site(location: Location) -> tuple[str, str, str] | None:
    """Operator and id, which the records of one site have in common; None: a site for itself."""
    for evse in location.evses:
        if evse.uid is not None:
            return None
    if not location.evses:
        return None
    owner = location_owner(location)
    return (owner.country, owner.code, location.id) if owner else ("", "", location.id)


class _Shown(NamedTuple):
    """A picture, where it goes (-1: the site, else the EVSE) and where it came from."""

    image: Image
    evse: int
    origin: str


def _joined(locations: tuple[Location, ...], places: list[int], ctx: Context) -> Location:
    times = {place: updated(locations[place]) or _NEVER for place in places}
    newest = max(places, key=lambda place: times[place])
    lead = locations[newest]
    for place in places:
        _overrule(locations[place], lead, place, ctx)
    flat = [(place, n) for place in places for n in range(len(locations[place].evses))]
    shown = list(_pictures(locations, flat))
    evses = tuple(
        _evse(locations[place], number, lead, [p.image for p in shown if p.evse == made])
        for made, (place, number) in enumerate(flat)
    )
    owner = location_owner(lead)
    site: dict[str, Image] = {}
    for picture in shown:
        if picture.evse < 0 and site.setdefault(picture.image.url, picture.image) != picture.image:
            ctx.dropped(picture.origin, "same-picture", "another record's word on it was taken")
    made = msgspec.structs.replace(
        lead,
        owner=owner,
        evses=evses,
        images=tuple(site.values()),
        operator=lead.operator or _operator(owner, ctx),
        updated=updated(lead),
    )
    if ctx.traced:
        origins = [("", f"locations/{newest}")]
        origins.extend(_origins(locations, places, flat, shown, lead, made))
        ctx.came_from(made, *origins)
    return made


def _overrule(location: Location, lead: Location, place: int, ctx: Context) -> None:
    if _values_of_site(location) == _values_of_site(lead):
        return
    for name in _OF_SITE:
        value = getattr(location, name)
        if value is not None and value != () and value != getattr(lead, name):
            ctx.dropped(
                f"locations/{place}/{name}",
                "newest-record-speaks",
                "records of this site differ; the one updated last was taken",
            )


def _pictures(locations: tuple[Location, ...], flat: list[tuple[int, int]]) -> Iterator[_Shown]:
    """The pictures of all records; those of a station are its EVSE's."""
    for made, (place, number) in enumerate(flat):
        for n, image in enumerate(locations[place].images):
            station = image.kind is ImageKind.STATION
            if station or number == 0:
                yield _Shown(image, made if station else -1, f"locations/{place}/images/{n}")


def _evse(location: Location, number: int, lead: Location, images: list[Image]) -> Evse:
    """An EVSE with what its record says for it alone."""
    evse = location.evses[number]
    changes: dict[str, Any] = {}
    if evse.coordinates is None and location.coordinates != lead.coordinates:
        changes["coordinates"] = location.coordinates
    if evse.updated is None:
        changes["updated"] = location.updated
    if images:
        changes["images"] = (*evse.images, *images)
    return msgspec.structs.replace(evse, **changes)


def _operator(owner: PartyId | None, ctx: Context) -> Business | None:
    name = ctx.facts.party_name(owner) if owner else None
    if not name:
        return None
    return Business(name=name[:100])


def _origins(
    locations: tuple[Location, ...],
    places: list[int],
    flat: list[tuple[int, int]],
    shown: list[_Shown],
    lead: Location,
    made: Location,
) -> Iterator[tuple[str, str]]:
    """Where the parts of a joined location came from."""
    for place in places:
        location = locations[place]
        for name in ("id", *_OF_SITE):
            if getattr(location, name) == getattr(lead, name):
                yield name, f"locations/{place}/{name}"
        if location.coordinates == lead.coordinates:
            yield "coordinates", f"locations/{place}/coordinates"
        for part in ("country", "code"):
            source = "evses/0/evse_id" if location.owner is None else f"owner/{part}"
            yield f"owner/{part}", f"locations/{place}/{source}"
    urls = [image.url for image in made.images]
    for place, image, origin in ((p.evse, p.image, p.origin) for p in shown):
        if place < 0 and image in made.images:
            yield f"images/{urls.index(image.url)}", origin
    for number, (place, n) in enumerate(flat):
        original = locations[place].evses[n]
        yield f"evses/{number}", f"locations/{place}/evses/{n}"
        if original.coordinates is None:
            yield f"evses/{number}/coordinates", f"locations/{place}/coordinates"
        if original.updated is None:
            yield f"evses/{number}/updated", f"locations/{place}/updated"
        own = [p for p in shown if p.evse == number]
        for extra, picture in enumerate(own, len(original.images)):
            yield f"evses/{number}/images/{extra}", picture.origin
