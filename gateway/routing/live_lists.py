"""Live status for those who ask, and as it is told to those who do not.

Source: OCHP 1.4, GetStatus with its three scopes; combined is the status of an EVSE merged with
that of its parking spots, for all EVSEs, reported or not.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from gateway.model.location import EvseState
from gateway.model.message import StatusList, StatusQuery, StatusScope
from gateway.model.status import EvseStatus, ParkingStatus
from gateway.routing import sites
from gateway.routing.location_lists import NO_RELATION, live_of
from gateway.routing.parties import CPO_SIDE, Party
from gateway.routing.records import HIDDEN, same_id, spot_id, unpack
from gateway.routing.sites import Site, gone
from gateway.routing.status import combined, complete, current, effective, has_lapsed, parking_now
from gateway.routing.work import SLICE, Work, at_least_one
from gateway.store import Filter, Kind, Object, slices

# -- queries ---------------------------------------------------------------------------------


def query(work: Work, message: StatusQuery) -> StatusList:
    """The live status that the caller may see, as it holds now."""
    found = list(parts(work, message))
    if len(found) == 1:
        return found[0]
    return StatusList(
        combined=tuple(each for part in found for each in part.combined),
        evses=tuple(each for part in found for each in part.evses),
        parkings=tuple(each for part in found for each in part.parkings),
    )


def parts(work: Work, message: StatusQuery) -> Iterator[StatusList]:
    """The whole of ``query`` in parts, at least one; all of them have the same kind of list."""
    if not work.related("status", CPO_SIDE):
        yield StatusList(result=NO_RELATION)
        return
    yield from at_least_one(_parts(work, message), StatusList())


def _parts(work: Work, message: StatusQuery) -> Iterator[StatusList]:
    scope = message.scope or StatusScope.EVSE
    if scope is StatusScope.COMBINED:
        for some in slices(_combined(work, message.since), SLICE):
            yield StatusList(combined=tuple(some))
        return
    kind: Kind = "parking_status" if scope is StatusScope.PARKING else "evse_status"
    owners = work.visible(kind, "status", CPO_SIDE, None) or []
    found = work.tx.objects.each(kind, Filter(owners=owners, since=message.since))
    kept = _kept_back(work, work.asker)
    for rows in slices(found, SLICE):
        if scope is StatusScope.PARKING:
            spots = (unpack(ParkingStatus, row.body) for row in rows)
            yield StatusList(parkings=tuple(parking_now(spot, work.now) for spot in spots))
            continue
        said = (unpack(EvseStatus, row.body) for row in rows if (row.owner, row.id) not in kept)
        shown = (complete(current(status, work.now)) for status in said)
        if told := tuple(status for status in shown if status.major):
            yield StatusList(evses=told)


def _kept_back(work: Work, party: Party) -> set[tuple[str, str]]:
    """The status, by owner and id, of EVSEs of sites that are not for everybody: who gets lists
    that are is not told of it either."""
    if not party.habits.live_apart:
        return set()
    return {
        (row.owner, place.key)
        for row in work.tx.objects.find("location", *HIDDEN)
        for place in sites.standing(unpack(Site, row.body))
        if place.key
    }


def _combined(work: Work, since: datetime | None) -> Iterator[EvseStatus]:
    """Every EVSE that may be seen, reported or not, merged with its parking spots."""
    owners = work.visible("location", "status", CPO_SIDE, None) or []
    newer = _newer(work, owners, since)
    rows: list[Object] = []
    for row in work.tx.objects.each("location", Filter(owners=owners)):
        rows.append(row)
        if len(rows) == SLICE:
            yield from _combined_slice(work, rows, newer)
            rows = []
    yield from _combined_slice(work, rows, newer)


def _newer(
    work: Work, owners: list[str], since: datetime | None
) -> set[tuple[str, str, str]] | None:
    """What was reported since an instant; None: everything is wanted."""
    if since is None:
        return None
    wanted = Filter(owners=owners, since=since)
    return {
        (row.kind, row.owner, row.id)
        for kind in ("evse_status", "parking_status")
        for row in work.tx.objects.each(kind, wanted)
    }


def _combined_slice(
    work: Work, rows: list[Object], newer: set[tuple[str, str, str]] | None
) -> Iterator[EvseStatus]:
    part = [(row, unpack(Site, row.body)) for row in rows]
    live = live_of(work, part)
    for row, site in part:
        if sites.hidden(site):
            continue
        there = list(sites.standing(site))
        ids = {spot_id(spot.id) for place in there for spot in place.evse.parking_spots}
        spots = {
            id: parking_now(unpack(ParkingStatus, found.body), work.now)
            for id, found in work.tx.objects.get_many("parking_status", row.owner, ids).items()
        }
        for id, _, evse in there:
            if id is None or evse.evse_id is None:
                continue
            mine = [spot_id(spot.id) for spot in evse.parking_spots]
            told = {("evse_status", row.owner, id)}
            told |= {("parking_status", row.owner, spot) for spot in mine}
            if newer is not None and newer.isdisjoint(told):
                continue
            unknown = EvseStatus(evse_id=evse.evse_id, state=EvseState.UNKNOWN)
            said = complete(current(live.get((row.owner, id), unknown), work.now))
            if said.major:
                yield combined(said, [spots[spot] for spot in mine if spot in spots])


# -- what is sent ----------------------------------------------------------------------------


def statuses(work: Work, party: Party, rows: list[Object]) -> Iterator[EvseStatus]:
    """Stored status as it is told to a party now.

    Who has it apart gets what was said, with an end; others the effective state of an EVSE that
    they know from its site.
    """
    if not party.habits.live_apart:
        yield from _at_sites(work, rows)
        return
    until = work.now + party.policy.status_ttl if party.habits.needs_ttl else None
    kept = _kept_back(work, party)
    for row in rows:
        if (row.owner, row.id) in kept:
            continue
        status = complete(current(unpack(EvseStatus, row.body), work.now))
        if status.major and status.evse_id:
            yield replace(status, ttl=status.ttl or until)


def _at_sites(work: Work, rows: list[Object]) -> Iterator[EvseStatus]:
    said = [(row, unpack(EvseStatus, row.body)) for row in rows]
    ids: dict[str, set[str]] = {}
    for row, status in said:
        if status.location_id:
            ids.setdefault(row.owner, set()).add(same_id(status.location_id))
    places = {
        (owner, place.key): place
        for owner, wanted in ids.items()
        for found in work.tx.objects.get_many("location", owner, wanted).values()
        for place in sites.places(unpack(Site, found.body))
    }
    for row, status in said:
        place = places.get((row.owner, row.id))
        if place is None or gone(place.evse):
            continue
        now = complete(current(status, work.now))
        state = effective(place.evse, now, work.now)
        if state is not now.state:
            now = replace(now, state=state, major=None, minor=None, ttl=None)
        yield replace(now, evse_uid=place.evse.uid, location_id=place.record.id)


def parkings(work: Work, party: Party, rows: list[Object]) -> Iterator[ParkingStatus]:
    """Stored status of parking spots as it is told to a party now."""
    until = work.now + party.policy.status_ttl if party.habits.needs_ttl else None
    for row in rows:
        status = unpack(ParkingStatus, row.body)
        ended = has_lapsed(status, work.now)
        now = parking_now(status, work.now)
        yield now if ended else replace(now, ttl=now.ttl or until)
