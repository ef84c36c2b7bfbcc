"""Tariffs: uploads, removals, and what of them a home-CSP may see.

Source: OCHP 1.4, TariffInfo (whole replacement by id; a tariff may have prices for single
recipients; its currency is of ISO 4217, which the schema leaves open); OCPI 2.2.1, Tariffs module.
Rules: prices in what is no currency are refused, as in a CDR. Of a tariff with prices for single
recipients a home-CSP gets those for itself, else those for everybody, and never who the recipients
are; a hub passes all of it on. Who cannot be told that a tariff is removed (OCHP has no word for
it) gets it with the instant of its removal as its end.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec.structs import replace

from gateway.iso import CURRENCIES
from gateway.mapping.spool import Kept, Known
from gateway.model.base import PartyId
from gateway.model.ids import tariff_owner
from gateway.model.message import (
    Receipt,
    ResultCode,
    TariffList,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
)
from gateway.model.tariff import IndividualTariff, Restrictions, Tariff, TariffElement
from gateway.routing.location_lists import NO_RELATION
from gateway.routing.parties import CPO_SIDE, Party
from gateway.routing.records import clean, owner_key, party_of, same_id, tariff_item, unpack
from gateway.routing.work import SLICE, Refusals, Work, at_least_one, keep
from gateway.store import Filter, Object, slices


def upload(work: Work, message: TariffUpload) -> Receipt:
    """Store what changed, owe it to all who may see it."""
    refusals, groups = _sorted(work, message.tariffs)
    _put(work, groups)
    # a list that is refused as a whole changes nothing
    if message.full and (groups or not message.tariffs):
        _leave_out(work, groups)
    return refusals.receipt(len(message.tariffs), "tariffs")


def upload_part(work: Work, message: TariffUpload, kept: Kept) -> Receipt:
    """The same for a part of a long list; what it has is put into ``kept``."""
    refusals, groups = _sorted(work, message.tariffs)
    _put(work, groups)
    keep(kept, groups)
    return refusals.receipt(len(message.tariffs), "tariffs")


def left_out(work: Work, owner: str, rows: dict[str, Object], kept: Known) -> None:
    """Remove these tariffs that a long list did not have."""
    _remove(work, owner, list(rows))


def _sorted(work: Work, found: Iterable[Tariff]) -> tuple[Refusals, dict[str, dict[str, Tariff]]]:
    """What is refused, and the tariffs by owner and id."""
    refusals, groups = Refusals(), dict[str, dict[str, Tariff]]()
    for tariff in found:
        owner = _owner(tariff) or work.sole_code()
        if reason := work.foreign(owner, CPO_SIDE):
            refusals.add(tariff, f"tariff {tariff.id}: {reason}")
        elif (wrong := _no_currency(tariff)) is not None:
            refusals.add(tariff, f"tariff {tariff.id}: {wrong!r} is no currency", ResultCode.FORMAT)
        elif owner:
            groups.setdefault(owner_key(owner), {})[same_id(tariff.id)] = tariff
    return refusals, groups


def _put(work: Work, groups: dict[str, dict[str, Tariff]]) -> None:
    for name, group in groups.items():
        work.tx.lock("objects", "tariff", name)
        for part in slices(group.items(), SLICE):
            _store(work, name, dict(part))


def _no_currency(tariff: Tariff) -> str | None:
    """The first of a tariff's currencies that is none."""
    named = (tariff.currency, *(each.currency for each in tariff.individual))
    return next((each for each in named if each is not None and each not in CURRENCIES), None)


def _owner(tariff: Tariff) -> PartyId | None:
    return clean(tariff.owner) if tariff.owner else tariff_owner(tariff.id)


def _store(work: Work, owner: str, group: dict[str, Tariff]) -> None:
    stored = work.tx.objects.get_many("tariff", owner, group)
    fresh = {
        id: tariff_item(tariff)
        for id, tariff in group.items()
        if not (id in stored and _stale(unpack(Tariff, stored[id].body), tariff))
    }
    changes = work.tx.objects.put_many("tariff", owner, fresh, work.by)
    _tell(work, owner, [id for id, change in changes.items() if change != "same"])


def _stale(old: Tariff, new: Tariff) -> bool:
    return bool(old.updated and new.updated and new.updated < old.updated)


def _leave_out(work: Work, groups: dict[str, dict[str, Tariff]]) -> None:
    for owner in work.own_codes | work.tx.objects.owners("tariff").keys():
        kept = groups.get(owner, {})
        left = [
            row.id
            for row in work.tx.objects.each("tariff", Filter(owners=[owner]))
            if row.id not in kept and work.speaks_for(owner, row.source)
        ]
        _remove(work, owner, left)


def _remove(work: Work, owner: str, ids: list[str]) -> None:
    work.tx.objects.delete("tariff", owner, ids)
    _tell(work, owner, ids)


def remove(work: Work, message: TariffRemoval) -> Receipt:
    """Forget tariffs of the caller, owe their removal to all who know them."""
    refusals = Refusals()
    owner = clean(message.owner)
    name = owner_key(owner)
    if reason := work.foreign(owner, CPO_SIDE):
        for id in message.ids:
            refusals.add(id, f"tariff {id}: {reason}")
        return refusals.receipt(len(message.ids))
    known = work.tx.objects.get_many("tariff", name, map(same_id, message.ids))
    for id in message.ids:
        if same_id(id) not in known:
            refusals.add(id, f"tariff {id} is not known")
    _remove(work, name, list(known))
    return refusals.receipt(len(message.ids))


def _tell(work: Work, owner: str, ids: list[str]) -> None:
    work.about("tariff", *ids)
    for party in work.receivers(owner, work.by, "tariffs"):
        work.tell(party, "tariff", owner, ids)


def query(work: Work, message: TariffQuery) -> TariffList:
    """The tariffs that the caller may see, as it may see them."""
    owner = clean(message.owner) if message.owner else None
    owners = work.visible("tariff", "tariffs", CPO_SIDE, owner)
    if owners is None:
        return TariffList(result=NO_RELATION)
    if message.id is not None:
        found = (work.tx.objects.get("tariff", name, same_id(message.id)) for name in owners)
        rows = [row for row in found if row]
    else:
        rows = list(work.tx.objects.each("tariff", _wanted(work, message, owners)))
    seen = list(_seen(work, owner, rows))
    total = len(seen)
    if message.page:
        start, limit = message.page.offset, message.page.limit
        seen = seen[start:] if limit is None else seen[start : start + limit]
    return TariffList(tariffs=tuple(seen), total=total)


def parts(work: Work, message: TariffQuery) -> Iterator[TariffList]:
    """The whole list of ``query`` in parts, at least one."""
    owner = clean(message.owner) if message.owner else None
    owners = work.visible("tariff", "tariffs", CPO_SIDE, owner)
    if owners is None or message.id is not None or message.page is not None:
        yield query(work, message)
        return
    found = slices(work.tx.objects.each("tariff", _wanted(work, message, owners)), SLICE)
    some = (tuple(_seen(work, owner, rows)) for rows in found)
    yield from at_least_one((TariffList(tariffs=each) for each in some if each), TariffList())


def _wanted(work: Work, message: TariffQuery, owners: list[str]) -> Filter:
    removed = message.since is not None and not work.asker.habits.removes_tariffs
    return Filter(owners, message.since, message.until, deleted=removed)


def _seen(work: Work, owner: PartyId | None, rows: list[Object]) -> Iterator[Tariff]:
    """Stored tariffs as the caller may see them, its own as they are."""
    if owner is not None and work.directory.speaks_for(work.asker, owner, CPO_SIDE):
        return (unpack(Tariff, row.body) for row in rows)
    return shown(work.asker, rows)


def shown(party: Party, rows: list[Object]) -> Iterator[Tariff]:
    """Stored tariffs as a party may see them; those that are for others only are left out."""
    for row in rows:
        tariff = unpack(Tariff, row.body)
        if row.deleted:
            tariff = _ended(tariff, row.updated.replace(microsecond=0))
        if not party.habits.live_apart and tariff.owner is None:
            tariff = replace(tariff, owner=party_of(row.owner))
        if not tariff.individual or party.is_hub:
            yield tariff
        elif mine := _for(party, tariff.individual):
            yield replace(tariff, individual=mine)


def _ended(tariff: Tariff, at: datetime) -> Tariff:
    """A tariff that held until an instant."""

    def element(each: TariffElement) -> TariffElement:
        known = each.restrictions or Restrictions()
        end = min(known.end or at, at)
        return replace(each, restrictions=replace(known, end=end))

    if not tariff.individual:
        return replace(tariff, end=min(tariff.end or at, at))
    individual = tuple(
        replace(each, elements=tuple(map(element, each.elements))) for each in tariff.individual
    )
    return replace(tariff, individual=individual)


def _for(party: Party, individual: tuple[IndividualTariff, ...]) -> tuple[IndividualTariff, ...]:
    codes = {code.country + code.code for code in party.codes}
    named = [entry for entry in individual if codes.intersection(map(_bare, entry.recipients))]
    chosen = named or [entry for entry in individual if not entry.recipients]
    return tuple(replace(entry, recipients=()) if entry.recipients else entry for entry in chosen)


def _bare(recipient: str) -> str:
    return recipient.replace("*", "").replace("-", "").upper()
