"""CDRs from a visited-CSO: taken or refused, stored with their state, owed to the home-CSP.

Source: OCHP 1.4, life cycle of a CDR (new, revised and rejected are an uploader's requests; what is
approved or rejected is never changed); OCPI 2.2.1, CDRs module (posted once, corrected by credit).
Rules: the same content again is taken without effect. ``revised`` for an unknown id counts as new,
because some partners send nothing else. The two ways of correcting are told to the home-CSP in its
own way: see ``revisions`` and ``credits``.
"""

from collections.abc import Sequence
from datetime import datetime

from gateway.model.base import PartyId
from gateway.model.charging import Cdr, CdrState, Session
from gateway.model.ids import evse_key, evse_owner
from gateway.model.message import CdrUpload, Receipt, ResultCode
from gateway.model.token import TokenKind
from gateway.routing import credits, plausibility
from gateway.routing.cdr_told import CHANGEABLE, DECLINED, Told, list_id, told
from gateway.routing.home import provider_of
from gateway.routing.ledger import of_cdr
from gateway.routing.parties import CPO_SIDE, Party
from gateway.routing.records import cdr_item, clean, owner_key, same_cdr, same_id, unpack
from gateway.routing.sites import Site
from gateway.routing.work import SLICE, Refusals, Work
from gateway.store import Item, Object

_NEW = frozenset({None, CdrState.NEW, CdrState.ACCEPTED})


def upload(work: Work, message: CdrUpload) -> Receipt:
    """Take each CDR or say why not."""
    refusals = Refusals()
    batch = Batch(work)
    for start in range(0, len(message.cdrs), SLICE):
        part = message.cdrs[start : start + SLICE]
        batch.look_up(part)
        for cdr in part:
            _take(work, batch, cdr, refusals)
    batch.store()
    return refusals.receipt(len(message.cdrs), "cdrs")


def _owner(work: Work, cdr: Cdr) -> PartyId | None:
    return (clean(cdr.owner) if cdr.owner else evse_owner(cdr.evse_id)) or work.sole_code()


def _take(work: Work, batch: "Batch", cdr: Cdr, refusals: Refusals) -> None:
    def refuse(reason: str, code: ResultCode) -> None:
        refusals.add(cdr.id, f"CDR {cdr.id}: {reason}", code)

    owner = _owner(work, cdr)
    if reason := work.foreign(owner, CPO_SIDE):
        return refuse(reason, ResultCode.INVALID_ID)
    assert owner is not None
    named = evse_owner(cdr.evse_id)
    if work.directory.named(named, CPO_SIDE) and (other := work.foreign(named, CPO_SIDE)):
        return refuse(f"EVSE {cdr.evse_id}: {other}", ResultCode.INVALID_ID)
    work.about_all(of_cdr(cdr))
    provider = provider_of(work, cdr.token)
    home = work.directory.home_of(provider, work.asker, "cdrs", work.now, owner)
    habits = work.asker.habits
    if habits.checked_cdrs and not work.asker.is_hub:
        known = plausibility.Known(
            owner=owner,
            strangers=batch.strangers,
            routed=home is not None,
            zone=batch.zones.get((owner_key(owner), evse_key(cdr.evse_id))),
            session_start=_session_start(work, cdr, owner),
        )
        if against := plausibility.implausible(cdr, known):
            return refuse("; ".join(against), ResultCode.FORMAT)
    if home is None:
        contract = cdr.token.contract_id
        return refuse(f"nobody is connected for contract {contract}", ResultCode.ROAMING)
    if habits.revises_cdrs:
        refused = _by_list(work, batch, cdr, owner, home)
    else:
        work.tx.lock("objects", "cdr", owner_key(owner))
        refused = credits.take(work, cdr, owner, home)
    if refused:
        refuse(*refused)
    return None


def _session_start(work: Work, cdr: Cdr, owner: PartyId) -> datetime | None:
    if cdr.token.kind is not TokenKind.REMOTE:
        return None
    row = work.tx.objects.get("session", owner_key(owner), same_id(cdr.token.uid))
    return unpack(Session, row.body).start if row else None


class Batch:
    """New CDRs on their way into the store: written together, in the order in which they came."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._fresh: dict[str, dict[str, tuple[Cdr, Item, Party]]] = {}
        self._stored: dict[tuple[str, str], Object] = {}
        self._touched: set[tuple[str, str]] = set()
        self.zones: dict[tuple[str, str], str] = {}
        directory, asker = work.directory, work.asker
        self.strangers = frozenset(
            code
            for party in directory.parties.values()
            if party.id != asker.id and party.is_of(CPO_SIDE)
            for code in party.codes
            if not directory.speaks_for(asker, code, CPO_SIDE)
        )

    def look_up(self, part: Sequence[Cdr]) -> None:
        """Read what is stored of these CDRs, and the zones that their sites name."""
        objects = self._work.tx.objects
        self.zones = {}
        keys = {evse_key(cdr.evse_id) for cdr in part}
        for key, rows in objects.find_many("location", "evse", keys).items():
            for row in rows:
                named = (record.time_zone for record in unpack(Site, row.body).records)
                if zone := next((zone for zone in named if zone), None):
                    self.zones[row.owner, key] = zone
        ids: dict[str, set[str]] = {}
        for cdr in part:
            if owner := _owner(self._work, cdr):
                ids.setdefault(owner_key(owner), set()).add(same_id(cdr.id))
        for name in sorted(ids):
            self._work.tx.lock("objects", "cdr", name)
            for id, row in objects.get_many("cdr", name, ids[name]).items():
                self._stored[name, id] = row

    def stored(self, owner: str, id: str) -> Object | None:
        """The stored CDR of this id, as it is after all that came before in this upload."""
        if id in self._fresh.get(owner, {}):
            self.store()
        if (owner, id) in self._touched:
            return self._work.tx.objects.get("cdr", owner, id)
        self._touched.add((owner, id))
        return self._stored.get((owner, id))

    def add(self, owner: str, cdr: Cdr, item: Item, home: Party) -> None:
        """Take a CDR whose id nobody has used."""
        self._fresh.setdefault(owner, {})[same_id(cdr.id)] = (cdr, item, home)

    def store(self) -> None:
        """Write what was taken, owe it to the home-CSPs."""
        work, fresh, self._fresh = self._work, self._fresh, {}
        for owner, group in fresh.items():
            items = {id: item for id, (_, item, _) in group.items()}
            work.tx.cdrs.add(owner, items, work.by, by=work.by)
            for id, (cdr, _, home) in group.items():
                told(work, home, Told(owner, id, cdr, CdrState.ACCEPTED))


# -- the same id again: a revision -----------------------------------------------------------

Refused = tuple[str, ResultCode] | None


def _by_list(work: Work, batch: Batch, cdr: Cdr, owner: PartyId, home: Party) -> Refused:
    """A CDR of somebody whose protocol knows revisions."""
    name, id = owner_key(owner), same_id(cdr.id)
    item = _item(cdr, owner, home, listed=True)
    stored = batch.stored(name, id)
    if cdr.state is CdrState.REJECTED:
        return _reject(work, stored, home)
    if stored is None:
        batch.add(name, cdr, item, home)
        return None
    same = stored.digest == item.digest or same_cdr(stored.body, cdr)
    if cdr.state is CdrState.REVISED and stored.state == "rejected":
        return "is rejected and not changed any more", ResultCode.INVALID_ID
    if same and (stored.state != "declined" or cdr.state in _NEW):
        return None
    if cdr.state in _NEW:
        return "the id is taken by other content; a change is sent as revised", ResultCode.FORMAT
    if stored.state not in CHANGEABLE:
        return f"is {stored.state} and not changed any more", ResultCode.INVALID_ID
    if stored.sort_key != home.id:
        return "a revision cannot belong to another home-CSP", ResultCode.FORMAT
    return _revise(work, stored, cdr, home, item)


def _item(cdr: Cdr, owner: PartyId, home: Party, *, listed: bool) -> Item:
    return cdr_item(cdr, home.id, ("id", list_id(owner, cdr.id, listed=listed)))


def _revise(work: Work, stored: Object, cdr: Cdr, home: Party, item: Item) -> Refused:
    """Put other content under a CDR's id and owe it to the home-CSP."""
    before = unpack(Cdr, stored.body)
    work.tx.cdrs.move(stored.owner, stored.id, CHANGEABLE, "revised", by=work.by, item=item)
    told(work, home, Told(stored.owner, stored.id, cdr, CdrState.REVISED, before))
    return None


def _reject(work: Work, stored: Object | None, home: Party) -> Refused:
    """The visited-CSO gives up its claim."""
    if stored is None:
        return "is not known", ResultCode.INVALID_ID
    if stored.state == "rejected":
        return None
    if stored.state != "declined":
        return f"is {stored.state}; only what was declined is rejected", ResultCode.INVALID_ID
    cdr = unpack(Cdr, stored.body)
    work.tx.cdrs.move(stored.owner, stored.id, DECLINED, "rejected", by=work.by)
    told(work, home, Told(stored.owner, stored.id, cdr, CdrState.REJECTED, cdr))
    return None
