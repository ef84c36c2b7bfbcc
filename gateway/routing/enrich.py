"""What only the gateway knows, for those who write a message: sites, zones, names, agreed ids.

Why: encoders ask while they write, in the thread that runs the network. So what a message is going
to be asked about is looked up beforehand, with the transaction that made the message (``gather``),
and remembered for a short time; only what nobody foresaw is looked up on the spot.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from gateway import iso
from gateway.mapping.context import Note
from gateway.model.base import PartyId
from gateway.model.charging import Cdr, Session
from gateway.model.ids import evse_key, evse_owner
from gateway.model.location import Location
from gateway.model.message import CdrList, CdrUpload, Message, SessionList, SessionUpload
from gateway.routing import sites
from gateway.routing.parties import CPO_SIDE, EMSP_SIDE, Directory
from gateway.routing.records import owner_key, party_of, unpack
from gateway.routing.sites import Site
from gateway.routing.tally import Tally
from gateway.store import Clock, Object, Store, Transaction

KEPT = timedelta(seconds=10)
_MOST = 50_000


class Known:
    """What has been looked up just now. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, ...], tuple[datetime, Any]] = OrderedDict()

    def get(self, *key: str) -> tuple[bool, Any]:
        """Whether it is known, and what."""
        with self._lock:
            found = self._found.get(key)
        now = self._clock()
        if found is None or not now <= found[0] <= now + KEPT:
            return False, None
        return True, found[1]

    def put(self, value: Any, *key: str) -> None:
        with self._lock:
            self._found[key] = (self._clock() + KEPT, value)
            self._found.move_to_end(key)
            while len(self._found) > _MOST:
                self._found.popitem(last=False)


def _evse_ids(message: Message) -> Iterable[str]:
    """The EVSEs that a writer of this message may ask about."""
    items: tuple[Cdr | Session, ...] = ()
    if isinstance(message, CdrUpload | CdrList):
        items = message.cdrs
    elif isinstance(message, SessionUpload | SessionList):
        items = message.sessions
    return {item.evse_id for item in items if isinstance(item, Cdr)}


def _site_of(evse_id: str, rows: Iterable[Object]) -> Location | None:
    """The site of an EVSE; one of the operator that the id names comes first."""
    named = evse_owner(evse_id)
    name = owner_key(named) if named else ""
    for row in sorted(rows, key=lambda row: row.owner != name):
        found = sites.at_evse(unpack(Site, row.body), evse_key(evse_id))
        if found:
            return replace(found, owner=found.owner or party_of(row.owner))
    return None


def gather(tx: Transaction, known: Known, message: Message) -> None:
    """Look up what a writer of this message may ask."""
    ids = {evse_id: evse_key(evse_id) for evse_id in _evse_ids(message)}
    if not ids:
        return
    rows = tx.objects.find_many("location", "evse", ids.values())
    for evse_id, key in ids.items():
        known.put(_site_of(evse_id, rows.get(key, ())), "evse", key)


class StoreFacts:
    """Facts towards one party, from the store and the directory."""

    def __init__(
        self,
        party: str,
        directory: Directory,
        store: Store,
        clock: Clock,
        known: Known,
        tally: Tally,
    ) -> None:
        self._party = party
        self._tally = tally
        self._directory = directory
        self._store = store
        self._clock = clock
        self._known = known

    def now(self) -> datetime:
        return self._clock()

    def evse(self, evse_id: str) -> Location | None:
        key = evse_key(evse_id)
        there, found = self._known.get("evse", key)
        if not there:
            with self._store.read() as tx:
                found = _site_of(evse_id, tx.objects.find("location", "evse", key))
        site: Location | None = found
        return site

    def time_zone(self, *, evse_id: str | None, country: str | None) -> str | None:
        if evse_id:
            site = self.evse(evse_id)
            if site and site.time_zone:
                return site.time_zone
            owner = self._directory.owner_of(evse_owner(evse_id))
            if owner and owner.policy.time_zone and not owner.is_hub:
                return owner.policy.time_zone
            country = country or (site.address.country if site else None)
        return iso.zone(country) if country else None

    def party_name(self, party: PartyId) -> str | None:
        for side in (CPO_SIDE, EMSP_SIDE):
            if found := self._directory.named(party, side):
                return found.partner.name
        return None

    def wire_id(self, kind: str, canonical: str) -> str | None:
        return self._pairs(kind)[0].get(canonical)

    def canonical_id(self, kind: str, wire: str) -> str | None:
        return self._pairs(kind)[1].get(wire)

    def noted(self, protocol: str, name: str, notes: Sequence[Note]) -> None:
        self._tally.noted(protocol, name, notes)

    def _pairs(self, kind: str) -> tuple[dict[str, str], dict[str, str]]:
        there, found = self._known.get("ids", self._party, kind)
        if not there:
            with self._store.read() as tx:
                pairs = tx.ids.pairs(self._party, kind)
            found = (
                {pair.canonical: pair.foreign for pair in pairs},
                {pair.foreign: pair.canonical for pair in pairs},
            )
            self._known.put(found, "ids", self._party, kind)
        both: tuple[dict[str, str], dict[str, str]] = found
        return both
