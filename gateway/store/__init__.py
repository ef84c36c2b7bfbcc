"""What the gateway keeps: canonical objects, CDR states, id pairs, ledger, outbox, party state.

``Store(address, clock)``; ``with store.begin() as tx`` writes, ``with store.read() as tx`` reads,
``store.run(work)`` repeats work that another transaction got in the way of. ``tx`` has ``objects``,
``cdrs``, ``ids``, ``ledger``, ``outbox`` and ``parties``.
"""

from gateway.store.cdrs import CdrState, Step
from gateway.store.engine import Contended
from gateway.store.ids import Pair
from gateway.store.ledger import Entry, Found
from gateway.store.objects import Change, Filter, Item, Kind, Object, Page
from gateway.store.outbox import Backlog, Delivery, Parcel, Queued
from gateway.store.parties import Registration, Slot
from gateway.store.seen import SeenMessages, first_time
from gateway.store.store import Begun, Store, Transaction
from gateway.store.tx import Clock, slices

__all__ = [
    "Backlog",
    "Begun",
    "CdrState",
    "Change",
    "Clock",
    "Contended",
    "Delivery",
    "Entry",
    "Filter",
    "Found",
    "Item",
    "Kind",
    "Object",
    "Page",
    "Pair",
    "Parcel",
    "Queued",
    "Registration",
    "SeenMessages",
    "Slot",
    "Step",
    "Store",
    "Transaction",
    "first_time",
    "slices",
]
