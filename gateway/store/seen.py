"""Which messages of a party have been here before, so that none counts twice.

Source: WSS SOAP Message Security 1.1, chapter 14 (replay of messages and nonces).
Limits: an id is remembered until its message would be refused as too old anyway.
Why: it stands in the database, so that it survives a restart and holds for all processes.
"""

from datetime import datetime
from functools import cache

from sqlalchemy import and_, bindparam, delete, dialects, or_, select

from gateway.store.prepared import Prepared
from gateway.store.store import Store, Transaction
from gateway.store.tables import seen_messages

_s = seen_messages.c
_EVERY, _PURGED = 16, 100
"""With one of so many new ones, so many are forgotten: more than come in, few enough to cost
nothing. Which one is left to its hash."""
_NOW = bindparam("now", type_=_s.until.type)


class SeenMessages:
    """The memory of a store; each question is a transaction of its own, kept when it returns."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def first_time(self, partner: str, id: str, until: datetime) -> bool:
        """Whether the id is new for the partner; from now on, through ``until``, it is not.

        Asked by many at once, one of them gets True. Raises StoreUnavailable.
        """
        return self._store.run(lambda tx: first_time(tx, partner, id, until))


def first_time(tx: Transaction, partner: str, id: str, until: datetime) -> bool:
    """The same within a transaction: it counts when that is on disk."""
    hash = tx.keyed_hash("seen", id)
    row = {"party": partner, "hash": hash, "until": until, "now": tx.now}
    new = bool(tx.rows(_remember(tx.is_sqlite), row))
    if new and hash[-1] % _EVERY == 0:
        stale = tx.rows(_STALE, {"now": tx.now})
        if stale:
            same = [and_(_s.party == party, _s.hash == hash) for party, hash in stale]
            tx.execute(delete(seen_messages).where(or_(*same)))
    return new


@cache
def _remember(sqlite: bool) -> Prepared:
    insert = dialects.sqlite.insert if sqlite else dialects.postgresql.insert
    values = {each.name: bindparam(each.name, type_=each.type) for each in _s}
    fresh = insert(seen_messages).values(values)
    again = fresh.on_conflict_do_update(
        index_elements=["party", "hash"],
        set_={"until": fresh.excluded.until},
        where=_s.until < _NOW,  # one that was forgotten, but not yet cleared away
    )
    return Prepared(again.returning(_s.party))


_STALE = Prepared(
    select(_s.party, _s.hash)
    .where(_s.until < _NOW)
    .order_by(_s.until)
    .limit(_PURGED)
    .with_for_update(skip_locked=True)
)
