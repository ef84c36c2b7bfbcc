"""The life cycle of charge detail records: state, history, compare-and-set transitions.

Source: OCHP 1.4, status of a CDR (accepted, revised, approved, declined, rejected); OCPI 2.2.1,
CDRs are created once and never changed.
Limits: which transition is legal is the caller's table; here a transition only happens if the CDR
is in one of the states that the caller names.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import bindparam, select, update

from gateway.store.objects import Item, Objects, digest_of
from gateway.store.prepared import Prepared
from gateway.store.tables import MICROSECOND, cdr_history, objects
from gateway.store.tx import Tx

CdrState = Literal["accepted", "revised", "approved", "declined", "rejected"]
Added = Literal["new", "same", "different"]


class Step(NamedTuple):
    """One transition in the history of a CDR."""

    at: datetime
    by: str
    from_state: CdrState | None
    """None: it came in."""
    to_state: CdrState
    reason: str | None


_ADD_STEP = Prepared(
    cdr_history.insert().values(
        {
            each.name: bindparam(each.name, type_=each.type)
            for each in cdr_history.c
            if each.name != "seq"
        }
    )
)


class Cdrs:
    """The CDRs of a transaction; listed and read as objects of kind ``cdr``."""

    def __init__(self, tx: Tx, objects: Objects) -> None:
        self._tx = tx
        self._objects = objects

    def add(
        self, owner: str, items: Mapping[str, Item], source: str, *, by: str
    ) -> dict[str, Added]:
        """Store new CDRs as accepted; one that is here already is left as it is.

        ``same``: it is here with this content, a repetition; ``different``: the id is taken by
        other content.
        """
        self._tx.lock("objects", "cdr", owner)
        stored = self._objects.get_many("cdr", owner, items, deleted=True)
        fresh = {id: item for id, item in items.items() if id not in stored}
        self._objects.put_many("cdr", owner, fresh, source, state="accepted")
        if fresh:
            steps = [self._step(owner, id, by, None, "accepted", None) for id in fresh]
            self._tx.each(_ADD_STEP, steps)
        return {
            id: "new"
            if id in fresh
            else "same"
            if stored[id].digest == digest_of(item)
            else "different"
            for id, item in items.items()
        }

    def move(
        self,
        owner: str,
        id: str,
        from_states: Collection[CdrState],
        to_state: CdrState,
        *,
        by: str,
        reason: str | None = None,
        item: Item | None = None,
    ) -> bool:
        """Bring a CDR to another state if it is in one of ``from_states``, else False.

        With ``item`` its content is replaced too (a revision).
        """
        self._tx.lock("objects", "cdr", owner)
        stored = self._objects.get("cdr", owner, id)
        if stored is None or stored.state not in from_states:
            return False
        if item is not None:
            self._objects.put_many("cdr", owner, {id: item}, stored.source, state=to_state)
        self._tx.execute(
            update(objects).where(objects.c.seq == bindparam("at_seq")),
            [
                {
                    "at_seq": stored.seq,
                    "state": to_state,
                    "updated": max(self._tx.now, stored.updated + MICROSECOND),
                }
            ],
        )
        step = self._step(owner, id, by, stored.state, to_state, reason)
        self._tx.each(_ADD_STEP, [step])
        return True

    def history(self, owner: str, id: str) -> list[Step]:
        """All transitions of a CDR, oldest first."""
        h = cdr_history.c
        rows = self._tx.execute(
            select(h.at, h.by, h.from_state, h.to_state, h.reason)
            .where(h.owner == owner, h.id == id)
            .order_by(h.seq)
        )
        return [Step._make(row) for row in rows]

    def _step(
        self,
        owner: str,
        id: str,
        by: str,
        from_state: str | None,
        to_state: CdrState,
        reason: str | None,
    ) -> dict[str, object]:
        return {
            "owner": owner,
            "id": id,
            "at": self._tx.now,
            "by": by,
            "from_state": from_state,
            "to_state": to_state,
            "reason": reason,
        }
