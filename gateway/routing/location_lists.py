"""Sites for those who ask, and as they are told to those who do not.

Source: OCPI 2.2.1, Locations module, Sender interface; OCHP 1.4, GetChargePointList and Updates.
Rules: who gets live status apart gets the records as they came; others get one location each, with
the effective status of its EVSEs at this instant.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from gateway.model.location import Evse, EvseState, Location
from gateway.model.message import LocationList, LocationQuery, Result, ResultCode
from gateway.model.status import EvseStatus
from gateway.routing import sites
from gateway.routing.parties import CPO_SIDE, Party
from gateway.routing.records import clean, moment, party_of, same_id, unpack
from gateway.routing.sites import Site, gone, status_id
from gateway.routing.status import effective
from gateway.routing.work import SLICE, Work, at_least_one
from gateway.store import Filter, Object, slices

NO_RELATION = Result(code=ResultCode.ROAMING, text="no roaming relation for this")


def query(work: Work, message: LocationQuery) -> LocationList:
    """The sites that the caller may see, each with what a driver finds there now."""
    owner = clean(message.owner) if message.owner else None
    owners = work.visible("location", "locations", CPO_SIDE, owner)
    if owners is None:
        return LocationList(result=NO_RELATION)
    if message.id is not None:
        rows = [work.tx.objects.get("location", name, same_id(message.id)) for name in owners]
        found = [row for row in rows if row]
        return LocationList(locations=tuple(shown(work, work.asker, found)), total=len(found))
    wanted = Filter(owners=owners, since=message.since, until=message.until)
    listed, total = work.listed("location", wanted, message.page)
    if work.asker.habits.live_apart and message.since:
        since = moment(message.since)
        listed = [row for row in listed if (row.sort_key or "") >= since]
        total = len(listed)
    return LocationList(locations=tuple(shown(work, work.asker, listed)), total=total)


def parts(work: Work, message: LocationQuery) -> Iterator[LocationList]:
    """The whole list of ``query`` in parts, at least one."""
    owner = clean(message.owner) if message.owner else None
    owners = work.visible("location", "locations", CPO_SIDE, owner)
    if owners is None or message.id is not None or message.page is not None:
        yield query(work, message)
        return
    since = moment(message.since) if work.asker.habits.live_apart and message.since else ""
    wanted = Filter(owners=owners, since=message.since, until=message.until)
    found = work.tx.objects.each("location", wanted)
    newer = (row for row in found if (row.sort_key or "") >= since)
    some = (
        LocationList(locations=tuple(shown(work, work.asker, rows)))
        for rows in slices(newer, SLICE)
    )
    yield from at_least_one(some, LocationList())


def shown(work: Work, party: Party, rows: list[Object]) -> Iterator[Location]:
    """Stored sites as a party gets them: as they came where live status goes apart, else one
    location each, with the effective status of its EVSEs at this instant."""
    for start in range(0, len(rows), SLICE):
        part = [(row, unpack(Site, row.body)) for row in rows[start : start + SLICE]]
        if party.habits.live_apart:
            for _, site in part:
                yield from sites.apart(site)
            continue
        live = live_of(work, part)
        for row, site in part:
            yield _with_effective(work, row.owner, sites.joined(site), live)


def live_of(work: Work, part: list[tuple[Object, Site]]) -> dict[tuple[str, str], EvseStatus]:
    """The stored live status of the EVSEs of sites, by owner and status id."""
    wanted: dict[str, list[str]] = {}
    for row, site in part:
        wanted.setdefault(row.owner, []).extend(p.key for p in sites.places(site) if p.key)
    return {
        (owner, id): unpack(EvseStatus, row.body)
        for owner, ids in wanted.items()
        for id, row in work.tx.objects.get_many("evse_status", owner, ids).items()
    }


def _with_effective(
    work: Work, owner: str, site: Location, live: Mapping[tuple[str, str], EvseStatus]
) -> Location:
    def at(evse: Evse) -> Evse:
        if gone(evse):
            return replace(evse, state=EvseState.REMOVED)
        key = status_id(evse.evse_id, site.id, evse.uid)
        return replace(evse, state=effective(evse, live.get((owner, key or "")), work.now))

    return replace(site, owner=site.owner or party_of(owner), evses=tuple(map(at, site.evses)))
