"""Sites: what an upload changes, and who hears of it.

Source: OCHP 1.4, chapters on the charge point list (Set replaces all, Update adds); OCPI 2.2.1,
Locations module, full list semantics.
Limits: a site that is left out of a full list stays with all its EVSEs closed; one that never had
an EVSE is dropped.
Why: a status that changes moves the site into the window of those who ask for changed sites; those
who get live status apart are not bothered (the sort key keeps when the rest changed last).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.mapping.spool import Kept, Known
from gateway.model.base import PartyId
from gateway.model.ids import evse_key, evse_owner
from gateway.model.location import Location
from gateway.model.message import (
    LocationUpload,
    Receipt,
    ResultCode,
)
from gateway.model.status import EvseStatus
from gateway.routing import sites
from gateway.routing.parties import CPO_SIDE, Party
from gateway.routing.records import (
    clean,
    digest,
    moment,
    owner_key,
    pack,
    same_id,
    site_item,
    status_item,
    unpack,
)
from gateway.routing.sites import Site, gone
from gateway.routing.status import current
from gateway.routing.work import SLICE, Refusals, Work
from gateway.store import Filter, Item, Object
from gateway.store.objects import digest_of

Records = dict[str, list[Location]]
TURN = "site-turn"


def owner_of(location: Location) -> PartyId | None:
    """The visited-CSO of a site: as stated, else as named in the first EVSE id."""
    if location.owner:
        return clean(location.owner)
    found = (evse_owner(evse.evse_id) for evse in location.evses if evse.evse_id)
    return next((owner for owner in found if owner), None)


def upload(work: Work, message: LocationUpload) -> Receipt:
    """Put the records into the stored sites, owe what changed to all who may see it."""
    refusals, uploaded = _sorted(work, message.locations)
    _store(work, uploaded, full=message.full)
    # a list that is refused as a whole changes nothing
    if message.full and (uploaded or not message.locations):
        _leave_out(work, uploaded)
    return refusals.receipt(len(message.locations), "locations")


def upload_part(work: Work, message: LocationUpload, kept: Kept) -> Receipt:
    """The same for a part of a long list; what it has is put into ``kept``."""
    refusals, uploaded = _sorted(work, message.locations)
    stored = _store(work, uploaded, full=False)
    had: dict[str, set[str]] = {}
    for owner, group in uploaded.items():
        for id, records in group.items():
            place = f"{owner}/{id}"
            had[place] = _names(records)
            kept.add(place, [place, *(f"{place}/{name}" for name in had[place])])
    for owner, id, site, content in stored:
        place = f"{owner}/{id}"
        if (names := _names(site.records)) and names <= had.get(place, set()):
            kept.add(place, [whole(owner, id, content)])
    return refusals.receipt(len(message.locations), "locations")


def whole(owner: str, id: str, content: bytes) -> str:
    """Stands for a site of this content of which one part of a list had every EVSE."""
    return f"{owner}/{id} {content.hex()}"


def _sorted(work: Work, found: Iterable[Location]) -> tuple[Refusals, dict[str, Records]]:
    """What is refused, and the records by owner and site."""
    refusals, uploaded = Refusals(), dict[str, Records]()
    for location in found:
        owner = owner_of(location) or work.sole_code()
        if twice := _twice(location):
            refusals.add(location, f"location {location.id}: {twice}", ResultCode.FORMAT)
            continue
        reason = work.foreign(owner, CPO_SIDE) or _borrowed(work, location)
        if reason or owner is None:
            refusals.add(location, f"location {location.id}: {reason}")
            continue
        group = uploaded.setdefault(owner_key(owner), {})
        group.setdefault(same_id(location.id), []).append(location)
    return refusals, uploaded


class Stored(NamedTuple):
    """A site as it is stored now."""

    owner: str
    id: str
    site: Site
    content: bytes
    """Its hash."""


def _store(work: Work, uploaded: dict[str, Records], *, full: bool) -> list[Stored]:
    stored: list[Stored] = []
    for name, group in uploaded.items():
        work.tx.lock("objects", "location", name)
        items = list(group.items())
        for start in range(0, len(items), SLICE):
            stored += _store_slice(work, name, dict(items[start : start + SLICE]), full)
    return stored


def _borrowed(work: Work, location: Location) -> str | None:
    """An EVSE id that names another connected operator cannot be claimed."""
    for evse in location.evses:
        code = evse_owner(evse.evse_id) if evse.evse_id else None
        known = work.directory.named(code, CPO_SIDE)
        if known and not work.directory.speaks_for(work.asker, code, CPO_SIDE):
            return f"EVSE {evse.evse_id} is of {code}, not a code of {work.asker.id}"
    return None


def _store_slice(work: Work, owner: str, group: Records, full: bool) -> list[Stored]:
    stored = work.tx.objects.get_many("location", owner, group)
    before = {id: unpack(Site, row.body) for id, row in stored.items()}
    after: dict[str, Site] = {}
    for id, records in group.items():
        site = before.get(id)
        fresh = [record for record in records if not _stale(site, record)]
        if fresh:
            after[id] = sites.add(site, fresh)
            if full:
                after[id] = sites.leave_out(after[id], _names(records))
    here = {name for site in after.values() for name in _present(site)}
    for id, row in _moved_from(work, owner, here, after).items():
        stored[id], before[id] = row, unpack(Site, row.body)
        after[id] = sites.move_away(before[id], here)
    # what is as it was, to the letter, owes nothing to anybody
    same = {
        id: stored[id].digest
        for id, site in after.items()
        if id in stored and pack(site) == stored[id].body and not _turned(work, stored[id], site)
    }
    items = save(work, owner, stored, before, {id: after[id] for id in after if id not in same})
    content = same | {id: digest_of(item) for id, item in items.items()}
    return [Stored(owner, id, site, content[id]) for id, site in after.items()]


def _twice(location: Location) -> str | None:
    """An operator's key names one EVSE of a site, one connector of an EVSE."""
    uids = [evse.uid.upper() for evse in location.evses if evse.uid]
    if uid := _repeated(uids):
        return f"EVSE {uid} is there twice"
    for evse in location.evses:
        if id := _repeated([plug.id.upper() for plug in evse.connectors if plug.id]):
            return f"connector {id} of EVSE {evse.uid or evse.evse_id} is there twice"
    return None


def _repeated(keys: list[str]) -> str | None:
    if len(set(keys)) == len(keys):
        return None
    return next(key for key in keys if keys.count(key) > 1)


def _names(records: Iterable[Location]) -> set[str]:
    return {name for record in records for evse in record.evses for name in sites.names(evse)}


def _present(site: Site) -> Iterator[str]:
    """The names of EVSEs that are there, by EVSE id: that is unique for an operator."""
    for evse in sites.evses(site):
        if evse.evse_id and not gone(evse) and (key := evse_key(evse.evse_id)) not in site.moved:
            yield f"evse {key}"


def _moved_from(
    work: Work, owner: str, here: set[str], after: Mapping[str, Site]
) -> dict[str, Object]:
    """Other sites of the owner where one of these EVSEs stood until now."""
    keys = [name.partition(" ")[2] for name in here]
    ids = work.tx.objects.ids_with("location", owner, "evse", keys)
    return work.tx.objects.get_many("location", owner, sorted(ids - after.keys()))


def _stale(site: Site | None, new: Location) -> bool:
    """An older record than the stored one of the whole site. Records of one EVSE each have their
    own times, and some partners give all of them the same."""
    if site is None or sites.is_single(new) or len(site.records) > 1:
        return False
    old = site.records[0].updated
    return bool(old and new.updated and new.updated < old)


def _leave_out(work: Work, uploaded: Mapping[str, Records]) -> None:
    """Close what a full list does not have, of the caller's codes and of what it sent before."""
    for owner in work.own_codes | work.tx.objects.owners("location").keys():
        kept = uploaded.get(owner, {})
        left: dict[str, Object] = {}
        for row in work.tx.objects.each("location", Filter(owners=[owner])):
            if row.id not in kept and work.speaks_for(owner, row.source):
                left[row.id] = row
            if len(left) == SLICE:
                left_out(work, owner, left)
                left = {}
        if left:
            left_out(work, owner, left)


def left_out(work: Work, owner: str, rows: dict[str, Object], kept: Known | None = None) -> None:
    """Close all EVSEs of these sites but for those that are kept."""
    before = {id: unpack(Site, row.body) for id, row in rows.items()}
    after: dict[str, Site] = {}
    gone_for_good = []
    for id, site in before.items():
        names = _names(site.records)
        here = {name for name in names if kept is not None and f"{owner}/{id}/{name}" in kept}
        if not any(sites.places(site)):
            if kept is None or f"{owner}/{id}" not in kept:
                gone_for_good.append(id)
        elif here != names or not names:
            after[id] = sites.leave_out(site, here)
    save(work, owner, rows, before, after)
    work.tx.objects.delete("location", owner, gone_for_good)


# -- storing ---------------------------------------------------------------------------------


def save(
    work: Work,
    owner: str,
    stored: Mapping[str, Object],
    before: Mapping[str, Site],
    after: Mapping[str, Site],
) -> dict[str, Item]:
    """Store sites and the status that they say; owe what changed to all who may see it. Gives what
    was put."""
    live: dict[str, EvseStatus] = {}
    for id, site in after.items():
        live |= _said(before.get(id), site)
    items, rebuilt, now = {}, set[str](), moment(work.now)
    for id, site in _with_known_status(work, owner, after).items():
        old = before.get(id)
        if old is not None and _fixed(old) == _fixed(site) and not _turned(work, stored[id], site):
            items[id] = site_item(site, stored[id].sort_key or "", work.now)
        else:
            items[id] = site_item(site, now, work.now)
            rebuilt.add(id)
        _turn_later(work, owner, id, site)
    changes = work.tx.objects.put_many("location", owner, items, work.by)
    fresh = [id for id, change in changes.items() if change != "same"]
    work.about("location", *fresh)
    work.about("evse", *(key for id in fresh for name, key in items[id].keys if name == "evse"))
    removed = [
        place.key
        for id in fresh
        if any(map(gone, sites.evses(after[id])))
        for place in sites.places(after[id])
        if place.key and gone(place.evse) and place.key not in after[id].moved
    ]
    work.tx.objects.delete("evse_status", owner, removed)
    said = {key: status_item(status) for key, status in live.items()}
    work.tx.objects.put_many("evse_status", owner, said, work.by)
    whole = [id for id in fresh if id in rebuilt]
    never = {id for id in whole if sites.hidden(after[id]) and not after[id].public}
    for party in work.receivers(owner, work.by, "locations"):
        apart = party.habits.live_apart  # a protocol of lists, which are for everybody
        work.tell(party, "location", owner, [id for id in whole if not (apart and id in never)])
        if apart and never:
            why = f"publish is false: {len(never)} sites are not told to {party.id}"
            work.note("location/publish", "unpublished", why)
    for party in work.receivers(owner, work.by, "status"):
        ids = [key for key in said if _told_apart(party, live[key], rebuilt)]
        work.tell(party, "evse_status", owner, ids, site_lines(owner, live))
    return items


def _turn_later(work: Work, owner: str, id: str, site: Site) -> None:
    """The static status of an EVSE changes at an instant that its schedule names."""
    if next_turn := min((at for at in sites.turns(site) if at > work.now), default=None):
        work.later(TURN, f"{owner}/{id}", next_turn)


def _turned(work: Work, stored: Object, site: Site) -> bool:
    """Whether a schedule has changed something since the site was stored, and nobody told it."""
    return any(stored.updated < at <= work.now for at in sites.turns(site))


def turn(work: Work, place: str) -> None:
    """A schedule has changed the static status at a site: tell who knows one state alone."""
    owner, _, id = place.partition("/")
    row = work.tx.objects.get("location", owner, id)
    if row is None:
        return
    site = unpack(Site, row.body)
    item = site_item(site, row.sort_key or "", work.now)
    work.tx.objects.put("location", owner, id, item, row.source)
    for party in work.receivers(owner, row.source, "locations"):
        if not party.habits.live_apart:
            work.tell(party, "location", owner, [id])
    _turn_later(work, owner, id, site)


def _told_apart(party: Party, status: EvseStatus, rebuilt: set[str]) -> bool:
    """Whether a party has to be told a status besides the site."""
    return party.habits.live_apart or same_id(status.location_id or "") not in rebuilt


def site_lines(owner: str, live: Mapping[str, EvseStatus]) -> dict[str, str]:
    """Status of an EVSE goes out in the line of its site."""
    return {
        key: f"location {owner}/{same_id(status.location_id)}"
        for key, status in live.items()
        if status.location_id
    }


def _fixed(site: Site) -> bytes:
    return digest(pack(sites.without_live(site)))


def _said(old: Site | None, new: Site) -> Iterable[tuple[str, EvseStatus]]:
    """The status of EVSEs whose record says another state than before."""
    known = {
        name: evse.state
        for evse in (sites.evses(old) if old else ())
        if evse.state is not None
        for name in sites.names(evse)
    }
    for key, record, evse in sites.places(new):
        if evse.state is None or gone(evse) or key is None:
            continue
        if any(known.get(name) is evse.state for name in sites.names(evse)):
            continue
        yield (
            key,
            EvseStatus(
                evse_id=evse.evse_id,
                evse_uid=evse.uid,
                location_id=record.id,
                state=evse.state,
                updated=evse.updated,
            ),
        )


def _with_known_status(work: Work, owner: str, after: Mapping[str, Site]) -> dict[str, Site]:
    """Status that came before its site is put into it."""
    wanted = {
        id: [
            place.key
            for place in sites.places(site)
            if place.key and place.evse.state is None and place.key not in site.live
        ]
        for id, site in after.items()
    }
    keys = [key for found in wanted.values() for key in found]
    rows = work.tx.objects.get_many("evse_status", owner, keys) if keys else {}
    if not rows:
        return dict(after)
    live = {id: current(unpack(EvseStatus, row.body), work.now) for id, row in rows.items()}
    return {
        id: sites.with_status(site, {key: live[key] for key in wanted[id] if key in live})
        for id, site in after.items()
    }
