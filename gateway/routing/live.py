"""Live status: uploads, time to live, sending again.

Source: OCHP 1.4, chapter on live status (ttl).
Limits: the end of a time to live is noticed by the outbox of the gateway itself, so within its
pause; who asks sees it at once (``live_lists``).
Why: partners whose protocol has no time to live are told ``unknown`` when it is over; partners
whose protocol needs one get everything again before it is over, because the others send changes
only.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from gateway.model.base import PartyId
from gateway.model.ids import evse_key, evse_owner, parse_infrastructure
from gateway.model.message import Receipt, StatusUpload
from gateway.model.status import EvseStatus, MajorStatus, ParkingStatus
from gateway.routing import sites
from gateway.routing.locations import site_lines
from gateway.routing.parties import CPO_SIDE
from gateway.routing.records import (
    NEVER,
    instant,
    moment,
    owner_key,
    party_of,
    same_id,
    site_item,
    spot_id,
    status_item,
    unpack,
)
from gateway.routing.sites import Place, Site, gone, status_id
from gateway.routing.status import STATE, complete, current, lapsed
from gateway.routing.work import RESEND, SLICE, Refusals, Work
from gateway.store import Filter, Item, Object

LAPSE = "status-lapse"


def upload(work: Work, message: StatusUpload) -> Receipt:
    """Store live status with its end, owe what changed to all who may see it."""
    refusals = Refusals()
    for start in range(0, len(message.evses), SLICE):
        groups: dict[str, dict[str, EvseStatus]] = {}
        for status, owner in _placed(work, message.evses[start : start + SLICE]):
            id = status_id(status.evse_id, status.location_id, status.evse_uid)
            reason = work.foreign(owner, CPO_SIDE) if status.evse_id else None
            if reason or id is None or owner is None:
                name = status.evse_id or status.evse_uid
                refusals.add(status, f"EVSE {name}: {reason or 'its site is not known'}")
            else:
                ended = replace(status, ttl=status.ttl or message.ttl)
                groups.setdefault(owner_key(owner), {})[id] = _defined(work, ended)
        for name, group in groups.items():
            _save(work, name, group, work.by)
    _save_parkings(work, message, refusals)
    return refusals.receipt(len(message.evses) + len(message.parkings))


def _defined(work: Work, status: EvseStatus) -> EvseStatus:
    """The status with a pair that may be sent on: one that OCHP does not define is read, and told,
    by its major part alone."""
    if status.minor is None or (status.major, status.minor) in STATE:
        return status
    why = f"{status.major} is never {status.minor}: told as {status.major} alone"
    work.note(f"evse {status.evse_id or status.evse_uid}/minor", "pair-not-defined", why)
    return replace(status, minor=None)


def _placed(work: Work, part: Sequence[EvseStatus]) -> Iterator[tuple[EvseStatus, PartyId | None]]:
    """Each status with its owner, naming EVSE and site as the stored site does."""
    find = work.tx.objects.find_many
    by_evse = find("location", "evse", {evse_key(s.evse_id) for s in part if s.evse_id})
    by_uid = find("location", "uid", {same_id(s.evse_uid) for s in part if s.evse_uid})
    for status in part:
        if status.evse_id:
            rows = by_evse.get(evse_key(status.evse_id), [])
        else:
            at = same_id(status.location_id or "")
            rows = [r for r in by_uid.get(same_id(status.evse_uid or ""), []) if r.id == at]
        for row in rows:
            owner = party_of(row.owner)
            evse = _find(unpack(Site, row.body), status)
            if evse and work.foreign(owner, CPO_SIDE) is None:
                named = replace(
                    status,
                    evse_id=evse.evse.evse_id or status.evse_id,
                    evse_uid=evse.evse.uid or status.evse_uid,
                    location_id=evse.record.id,
                )
                yield named, owner
                break
        else:
            # a list may send status before the site
            id = status.evse_id
            yield status, (evse_owner(id) or work.sole_code()) if id else None


def _find(site: Site, status: EvseStatus) -> Place | None:
    """The EVSE of a site that a status is about: by EVSE id, else by the operator's key."""
    wanted = evse_key(status.evse_id) if status.evse_id else same_id(status.evse_uid or "")
    for place in sites.places(site):
        evse = place.evse
        name = (evse_key(evse.evse_id) if evse.evse_id else None) if status.evse_id else evse.uid
        if not gone(evse) and name and same_id(name) == wanted:
            return place
    return None


def _save(work: Work, owner: str, said: Mapping[str, EvseStatus], source: str) -> None:
    """Store the status of one owner's EVSEs, move their sites, owe the changes."""
    work.tx.lock("objects", "location", owner)
    stored = work.tx.objects.get_many("evse_status", owner, said)
    # as it was told last: that it has lapsed in the meantime was not told yet
    before = {id: complete(unpack(EvseStatus, row.body)) for id, row in stored.items()}
    live = {
        id: status if status.updated else replace(status, updated=work.now)
        for id, status in said.items()
        if not _stale(stored.get(id), status)
    }
    items = {id: status_item(status) for id, status in live.items()}
    changes = work.tx.objects.put_many("evse_status", owner, items, source)
    fresh = [id for id, change in changes.items() if change != "same"]
    moved = {id: complete(current(live[id], work.now)) for id in fresh}
    moved = {id: status for id, status in moved.items() if _differ(before.get(id), status)}
    work.about("evse", *moved)
    # the same state again: a site is as new as the sender says, which nobody else needs to be told
    dated = {id: status for id, status in live.items() if said[id].updated and id not in moved}
    again = {id: complete(current(status, work.now)) for id, status in dated.items()}
    _into_sites(work, owner, moved | again)
    for party in work.receivers(owner, source, "status"):
        ids = fresh if party.habits.needs_ttl else list(moved)
        work.tell(party, "evse_status", owner, ids, site_lines(owner, live))
    if any(status.ttl for status in live.values()):
        _lapse_later(work, owner)


def _stale(stored: Object | None, new: EvseStatus) -> bool:
    """An older word than the stored one, where both say when it was."""
    if stored is None or new.updated is None:
        return False
    old = unpack(EvseStatus, stored.body).updated
    return old is not None and new.updated < old


def _differ(old: EvseStatus | None, new: EvseStatus) -> bool:
    if old is None:
        return True
    return (old.major, old.minor, old.state) != (new.major, new.minor, new.state)


def _into_sites(work: Work, owner: str, moved: Mapping[str, EvseStatus]) -> None:
    """Put the new state into the stored sites, so that they count as changed."""
    ids = {same_id(status.location_id) for status in moved.values() if status.location_id}
    by_source: dict[str, dict[str, Item]] = {}
    for id, row in work.tx.objects.get_many("location", owner, ids).items():
        site = sites.with_status(unpack(Site, row.body), moved)
        by_source.setdefault(row.source, {})[id] = site_item(site, row.sort_key or "", work.now)
    for source, items in by_source.items():
        work.tx.objects.put_many("location", owner, items, source)


def _save_parkings(work: Work, message: StatusUpload, refusals: Refusals) -> None:
    groups: dict[str, dict[str, ParkingStatus]] = {}
    keys = {spot_id(status.parking_id) for status in message.parkings}
    known = work.tx.objects.find_many("location", "spot", keys)
    for status in message.parkings:
        id = spot_id(status.parking_id)
        codes = [party_of(row.owner) for row in known.get(id, [])]
        mine = (code for code in codes if work.foreign(code, CPO_SIDE) is None)
        owner = next(mine, None) or _spot_owner(status.parking_id) or work.sole_code()
        if reason := work.foreign(owner, CPO_SIDE):
            refusals.add(status, f"parking spot {status.parking_id}: {reason}")
        elif owner:
            ended = replace(status, ttl=status.ttl or message.ttl)
            groups.setdefault(owner_key(owner), {})[id] = ended
    for name, group in groups.items():
        items = {id: status_item(status) for id, status in group.items()}
        changes = work.tx.objects.put_many("parking_status", name, items, work.by)
        fresh = [id for id, change in changes.items() if change != "same"]
        for party in work.receivers(name, work.by, "status"):
            if party.habits.live_apart and fresh:
                work.tell(party, "parking_status", name, fresh)


def _spot_owner(parking_id: str) -> PartyId | None:
    try:
        return parse_infrastructure(parking_id, "P").owner
    except ValueError:
        return None


# -- at a due time ---------------------------------------------------------------------------


def _lapse_later(work: Work, owner: str) -> None:
    if first := instant(work.tx.objects.next_due("evse_status", owner)):
        work.later(LAPSE, owner, first)


def lapse(work: Work, owner: str) -> None:
    """The time to live of some of an owner's EVSEs is over: they are unknown."""
    over = work.tx.objects.due("evse_status", owner, moment(work.now), limit=SLICE)
    for source in {row.source for row in over}:
        group = {row.id: unpack(EvseStatus, row.body) for row in over if row.source == source}
        unknown = {id: replace(lapsed(each), updated=work.now) for id, each in group.items()}
        _save(work, owner, unknown, source)
    _lapse_later(work, owner)


def send_again(work: Work, party_id: str) -> None:
    """Owe a party all status that has no end of its own, before the end that was declared."""
    party = work.directory.parties.get(party_id)
    if party is None:
        return
    work.tx.parties.set_value(party_id, RESEND, None)
    for kind in ("evse_status", "parking_status"):
        for owner, source in work.tx.objects.owners(kind).items():
            if party not in work.receivers(owner, source, "status"):
                continue
            ids = [
                row.id
                for row in work.tx.objects.each(kind, Filter(owners=[owner]))
                if row.sort_key == NEVER and _worth_saying(row)
            ]
            work.tell(party, kind, owner, ids)


def _worth_saying(row: Object) -> bool:
    if row.kind != "evse_status":
        return True
    status = complete(unpack(EvseStatus, row.body))
    return status.major not in (None, MajorStatus.UNKNOWN)
