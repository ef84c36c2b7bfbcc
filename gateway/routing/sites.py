"""A stored site: the records as they came, and the one location that they make.

Source: OCHP 1.4, ChargePointInfo (one record per EVSE, grouped by locationId, withdrawn by status
Closed or by omission); OCPI 2.2.1, Locations module (one record per site; an EVSE is never deleted,
its status becomes REMOVED).
Limits: a record of one EVSE without a key of the operator's own is one of a group; every other
record is the whole site and takes the place of what was there.
Why: records are kept apart, so that who speaks the same protocol gets them back unchanged. Who
wants one location gets them joined: the record that was updated last speaks for the site, and what
others say otherwise is named.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace

from gateway.model.base import Canonical, PartyId
from gateway.model.ids import evse_key
from gateway.model.location import (
    LASTING,
    Evse,
    EvseState,
    Image,
    ImageKind,
    Location,
    Operation,
)
from gateway.model.status import EvseStatus

_NEVER = datetime.min.replace(tzinfo=UTC)
_OF_SITE = tuple(
    name
    for name in Location.__struct_fields__
    if name not in ("extras", "id", "owner", "coordinates", "evses", "images", "updated")
)


class Site(Canonical, frozen=True, kw_only=True):
    """``live``: the last state of EVSEs whose record has none, by status id. ``moved``: EVSEs that
    stand at another site now. ``public``: it was for everybody once."""

    records: tuple[Location, ...]
    live: Mapping[str, EvseState] = {}
    moved: tuple[str, ...] = ()
    public: bool = False

    @property
    def id(self) -> str:
        return self.records[0].id

    @property
    def owner(self) -> PartyId | None:
        return self.records[0].owner


class Place(NamedTuple):
    """An EVSE of a site and the record that it stands in."""

    key: str | None
    record: Location
    evse: Evse


def status_id(evse_id: str | None, location_id: str | None, uid: str | None) -> str | None:
    """Under which id the status of an EVSE is kept: its EVSE id, else location and uid."""
    if evse_id:
        return evse_key(evse_id)
    return f"{location_id.upper()}/{uid.upper()}" if location_id and uid else None


def gone(evse: Evse) -> bool:
    """Whether an EVSE is no longer there."""
    return evse.state is EvseState.REMOVED or evse.operation is Operation.CLOSED


def hidden(site: Site) -> bool:
    """Whether a site is not for everybody (OCPI: ``publish`` false)."""
    return all(record.publish is False for record in site.records)


def places(site: Site) -> Iterator[Place]:
    """All EVSEs of a site."""
    for record in site.records:
        for evse in record.evses:
            yield Place(status_id(evse.evse_id, record.id, evse.uid), record, evse)


def standing(site: Site) -> Iterator[Place]:
    """Those that are there: neither closed nor at another site now."""
    return (p for p in places(site) if not gone(p.evse) and p.key not in site.moved)


def evses(site: Site) -> Iterator[Evse]:
    """The EVSEs alone."""
    for record in site.records:
        yield from record.evses


def turns(site: Site) -> Iterator[datetime]:
    """The instants at which the static status of an EVSE changes by its schedule."""
    for evse in evses(site):
        for entry in evse.operation_schedule:
            yield entry.begin
            if entry.end:
                yield entry.end


def is_single(record: Location) -> bool:
    """Whether a record is about one EVSE of a site that may have more."""
    return len(record.evses) == 1 and record.evses[0].uid is None


def names(evse: Evse) -> list[str]:
    """Under which names an EVSE is known: EVSE id and the operator's own key. One in common: the
    same EVSE."""
    found = [f"evse {evse_key(evse.evse_id)}"] if evse.evse_id else []
    return [*found, f"uid {evse.uid.upper()}"] if evse.uid else found


# -- changes ---------------------------------------------------------------------------------


def _closed(evse: Evse) -> Evse:
    """The EVSE as one that is no longer there, in the words of its own protocol."""
    if gone(evse):
        return evse
    if evse.uid is None:
        return replace(evse, operation=Operation.CLOSED, operation_schedule=())
    return replace(evse, state=EvseState.REMOVED)


def add(site: Site | None, records: Sequence[Location]) -> Site:
    """The site with records, new or each instead of the one about the same EVSE or the whole site.

    ``records`` is not empty; of two about the same the later counts.
    """
    for start, record in enumerate(records):
        if site and is_single(record) and all(map(is_single, site.records)):
            end = next((n for n in range(start, len(records)) if not is_single(records[n])), None)
            site = _with_singles(site, records[start:end])
            return site if end is None else add(site, records[end:])
        site = _whole(site, record)
    assert site is not None
    return site


def _with_singles(site: Site, records: Sequence[Location]) -> Site:
    merged = {tuple(names(old.evses[0])) or (str(n),): old for n, old in enumerate(site.records)}
    keys = set()
    for record in records:
        evse = record.evses[0]
        merged[tuple(names(evse))] = record
        keys.add(status_id(evse.evse_id, record.id, None))
    moved = tuple(key for key in site.moved if key not in keys)
    return Site(records=tuple(merged.values()), live=site.live, moved=moved)


def _whole(site: Site | None, record: Location) -> Site:
    """A record that takes the place of the site; EVSEs that it does not have are closed."""
    public = record.publish is not False or (site is not None and site.public)
    if site is None or is_single(record):
        return Site(records=(record,), public=public)
    kept = {name for evse in record.evses for name in names(evse)}
    lost = [_closed(p.evse) for p in places(site) if kept.isdisjoint(names(p.evse))]
    back = {status_id(evse.evse_id, record.id, evse.uid) for evse in record.evses}
    moved = tuple(key for key in site.moved if key not in back)
    whole = replace(record, evses=(*record.evses, *lost))
    return Site(records=(whole,), moved=moved, public=public)


def leave_out(site: Site, kept: Collection[str]) -> Site:
    """The site with all EVSEs closed that have none of the ``kept`` names."""

    def left(evse: Evse) -> Evse:
        return evse if any(name in kept for name in names(evse)) else _closed(evse)

    return replace(
        site, records=tuple(replace(r, evses=tuple(map(left, r.evses))) for r in site.records)
    )


def move_away(site: Site, elsewhere: Collection[str]) -> Site:
    """The site with those EVSEs closed that have one of these names: they stand elsewhere now."""
    found = [p for p in places(site) if any(name in elsewhere for name in names(p.evse))]
    stay = {name for p in places(site) for name in names(p.evse)}
    stay -= {name for p in found for name in names(p.evse)}
    moved = dict.fromkeys((*site.moved, *(p.key for p in found if p.key)))
    return replace(leave_out(site, stay), moved=tuple(moved))


def with_status(site: Site, said: Mapping[str, EvseStatus]) -> Site:
    """The site with the state of some EVSEs, by status id, and when it changed."""
    live = dict(site.live)
    records = []
    for record in site.records:
        evses, times = [], [record.updated]
        for evse in record.evses:
            key = status_id(evse.evse_id, record.id, evse.uid)
            status = said.get(key or "")
            if key and status and status.state and not gone(evse):
                if is_single(record):
                    live[key] = status.state
                else:
                    evse = replace(evse, state=status.state, updated=status.updated)
                    times.append(status.updated)
            evses.append(evse)
        newest = max((time for time in times if time), default=None)
        records.append(replace(record, evses=tuple(evses), updated=newest))
    return replace(site, records=tuple(records), live=live)


def without_live(site: Site) -> Site:
    """What a site says besides live status. Planned, out of service and removed are no live status:
    those who get that apart are told of the site."""
    records = tuple(
        record
        if is_single(record)
        else replace(
            record,
            evses=tuple(
                e if gone(e) or e.state in LASTING else replace(e, state=None) for e in record.evses
            ),
        )
        for record in site.records
    )
    return Site(records=records, moved=site.moved)


# -- as one location -------------------------------------------------------------------------


def _updated(record: Location) -> datetime:
    times = (record.updated, *(evse.updated for evse in record.evses))
    return max((time for time in times if time), default=_NEVER)


def joined(site: Site) -> Location:
    """The one location that the records make."""
    if len(site.records) == 1:
        return site.records[0]
    lead = max(site.records, key=_updated)
    pictures: dict[str, Image] = {}
    evses = []
    for record in site.records:
        for image in record.images:
            if image.kind is not ImageKind.STATION:
                pictures.setdefault(image.url, image)
        evse = record.evses[0]
        station = {i.url: i for i in record.images if i.kind is ImageKind.STATION}
        evses.append(
            replace(
                evse,
                coordinates=evse.coordinates
                or (None if record.coordinates == lead.coordinates else record.coordinates),
                images=(*evse.images, *station.values()),
                updated=evse.updated or record.updated,
            )
        )
    newest = _updated(lead)
    return replace(
        lead,
        evses=tuple(evses),
        images=tuple(pictures.values()),
        updated=None if newest is _NEVER else newest,
    )


def overruled(site: Site) -> list[tuple[int, str]]:
    """What ``joined`` leaves unsaid: place of the record, and the field that another overrules."""
    if len(site.records) == 1:
        return []
    lead = max(site.records, key=_updated)
    return [
        (place, name)
        for place, record in enumerate(site.records)
        for name in ("extras", *_OF_SITE)
        if (value := getattr(record, name)) not in (None, ()) and value != getattr(lead, name)
    ]


def apart(site: Site) -> Iterator[Location]:
    """The records as they came, but for EVSEs that stand elsewhere now. A site that is not for
    everybody any longer is closed to those who cannot be told anything else."""
    for record in site.records:
        if record.publish is False and site.public:
            record = replace(record, publish=True, evses=tuple(map(_closed, record.evses)))
        here = tuple(
            evse
            for evse in record.evses
            if status_id(evse.evse_id, record.id, evse.uid) not in site.moved
        )
        if len(here) == len(record.evses):
            yield record
        elif here:
            yield replace(record, evses=here)


def at_evse(site: Site, key: str) -> Location | None:
    """The site reduced to one EVSE, by status id."""
    for place in places(site):
        if place.key == key and not gone(place.evse):
            return replace(place.record, evses=(place.evse,))
    return None
