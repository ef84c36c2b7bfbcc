"""The outbox: messages that are owed to partners, each until it is done or given up.

Source: store-and-forward with strict order is asked for by hubs (Gireve IOP, e-clearing.net);
OCPI itself knows no queue.
Limits: when to try again and when to give up is the caller's decision.
Why: a delivery that must wait for an earlier one is marked when it is put in, not looked for when
one is claimed: after a night's outage the queue is long and claiming must stay cheap.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select, update

from gateway.store.tables import Key, deliveries
from gateway.store.tx import Tx, listed, named, slices, width

State = Literal["pending", "done", "dead"]


class Parcel(NamedTuple):
    """What is put in."""

    party: str
    """Who gets it."""
    kind: str
    object_key: str
    message: bytes
    """The canonical message."""
    correlation: str
    fifo: str | None = None
    """Those of one party and fifo key go out one after the other, in the order they came in."""
    due: datetime | None = None
    """Not before; now when None."""


class Queued(NamedTuple):
    """Where a parcel is."""

    id: int
    superseded: str | None = None
    """Correlation id of the older one whose place it took."""


class Backlog(NamedTuple):
    """What one party is owed, or was given up of it."""

    party: str
    state: State
    number: int
    since: datetime
    """When the oldest was put in."""
    due: datetime
    """When the first is, or was, due."""


class Delivery(NamedTuple):
    """What is in the outbox."""

    id: int
    party: str
    kind: str
    object_key: str
    message: bytes
    correlation: str
    fifo: str | None
    created: datetime
    due: datetime
    attempts: int
    """Claims so far, this one included."""
    state: State
    lease_owner: str | None
    lease_until: datetime | None
    error: str | None
    """Of the last attempt."""
    taken_from: str | None = None
    """Who had it before this claim and never said what became of it."""


Thing = tuple[str, str, str, str | None]
"""What makes two parcels about the same: party, kind, object key, fifo key."""


def _thing(parcel: Parcel) -> Thing:
    return parcel.party, parcel.kind, parcel.object_key, parcel.fifo


_d = deliveries.c
_COLUMNS = tuple(deliveries.c[name] for name in Delivery._fields if name != "taken_from")


@cache
def _waiting(count: int) -> Select[*tuple[Any, ...]]:
    """Which of some lines of a party have something that waits."""
    fifos = listed("fifo", count, Key)
    return (
        select(_d.fifo)
        .where(_d.party == bindparam("party"), _d.fifo.in_(fifos), _d.state == "pending")
        .distinct()
    )


class Outbox:
    """The outbox within a transaction."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def lock(self, parties: Collection[str]) -> None:
        """Have the lines of parties to oneself, always in the same order.

        Whoever changes objects too does that before: who holds lines waits for nothing else.
        """
        for party in sorted(parties):
            self._tx.lock("outbox", party)

    def enqueue(self, parcel: Parcel, *, coalesce: bool = False) -> Queued:
        """Put in one parcel."""
        return self.enqueue_many([parcel], coalesce=coalesce)[0]

    def enqueue_many(self, parcels: Sequence[Parcel], *, coalesce: bool = False) -> list[Queued]:
        """Put in parcels; says where each is.

        ``coalesce``: where one of the same party, kind, object and fifo key waits unclaimed, the
        newer takes its place in the queue.
        """
        # so that ids of one line become visible in their order, and no twin slips in
        self.lock({parcel.party for parcel in parcels if parcel.fifo or coalesce})
        if not coalesce:
            return [Queued(id) for id in self._insert(parcels)]
        queued = self._take_places({_thing(parcel): parcel for parcel in parcels})
        rest = {_thing(p): p for p in parcels if _thing(p) not in queued}
        queued |= zip(rest, map(Queued, self._insert(list(rest.values()))), strict=True)
        return [queued[_thing(parcel)] for parcel in parcels]

    def claim(
        self, worker: str, limit: int, lease: timedelta, *, but_not: Collection[str] = ()
    ) -> list[Delivery]:
        """Take due deliveries that nobody else has, for the time of the lease, oldest due first.

        ``but_not``: parties that are busy or out of reach.
        """
        now = self._tx.now
        free = (
            select(_d.id, _d.lease_owner)
            .where(
                _d.state == "pending",
                _d.ready,
                _d.due <= now,
                or_(_d.lease_until.is_(None), _d.lease_until <= now),
                _d.party.not_in(but_not),
            )
            .order_by(_d.due, _d.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        before = {row.id: row.lease_owner for row in self._tx.execute(free)}
        rows: list[Delivery] = []
        for part in slices(before):
            taken = (
                update(deliveries)
                .where(_d.id.in_(part))
                .values(lease_owner=worker, lease_until=now + lease, attempts=_d.attempts + 1)
                .returning(*_COLUMNS)
            )
            rows += (
                Delivery(*row)._replace(taken_from=before[row.id])
                for row in self._tx.execute(taken)
            )
        return sorted(rows, key=lambda row: (row.due, row.id))

    def holds(self, id: int, worker: str) -> bool:
        """Whether a worker still has it; nobody else can have it then before this one ends."""
        query = select(_d.id).where(*self._mine(id, worker)).with_for_update()
        return self._tx.execute(query).one_or_none() is not None

    def done(self, id: int, worker: str) -> bool:
        """It was delivered. False: the lease of this worker had ended, another has it."""
        return self._end(id, worker, "done", None)

    def dead(self, id: int, worker: str, error: str) -> bool:
        """It is given up."""
        return self._end(id, worker, "dead", error)

    def retry(self, id: int, worker: str, at: datetime, error: str) -> bool:
        """It failed and is due again later."""
        query = (
            update(deliveries)
            .where(*self._mine(id, worker))
            .values(due=at, error=error, lease_owner=None, lease_until=None)
        )
        return self._tx.execute(query).rowcount == 1

    def renew(self, worker: str, ids: Collection[int], lease: timedelta) -> set[int]:
        """Keep for another lease what a worker has and nobody has taken over; gives which."""
        kept: set[int] = set()
        for part in slices(ids):
            query = (
                update(deliveries)
                .where(_d.id.in_(part), _d.state == "pending", _d.lease_owner == worker)
                .values(lease_until=self._tx.now + lease)
                .returning(_d.id)
            )
            kept.update(self._tx.execute(query).scalars())
        return kept

    def holders(self) -> list[str]:
        """The workers that have something."""
        query = select(_d.lease_owner).where(_d.lease_until > self._tx.now).distinct()
        return sorted(self._tx.execute(query).scalars())

    def free(self, worker: str) -> int:
        """Let all that a worker has be claimed at once; gives how many that are.

        For one that is known to have ended; who claims them sees whose they were.
        """
        query = (
            update(deliveries)
            .where(_d.state == "pending", _d.lease_owner == worker)
            .where(_d.lease_until > self._tx.now)
            .values(lease_until=self._tx.now)
        )
        return self._tx.execute(query).rowcount

    def set_right(self, lease: timedelta, pause: timedelta, *, but_not: str) -> int:
        """Undo what a clock that was ahead has put too far off; gives how many that were.

        No lease is longer than ``lease``, no pause longer than ``pause``; party ``but_not`` is owed
        things at times of its own.
        """
        now = self._tx.now
        late = (_d.state == "pending", _d.party != but_not, _d.due > now + pause)
        held = (_d.state == "pending", _d.lease_until > now + 2 * lease)
        return (
            self._tx.execute(update(deliveries).where(*late).values(due=now)).rowcount
            + self._tx.execute(update(deliveries).where(*held).values(lease_until=now)).rowcount
        )

    def hurry(self, id: int) -> bool:
        """Make a waiting one due now; False when none of this id waits."""
        query = update(deliveries).where(_d.id == id, _d.state == "pending", _d.due > self._tx.now)
        return self._tx.execute(query.values(due=self._tx.now)).rowcount == 1

    def drop(self, id: int) -> Delivery | None:
        """Take out one that nobody is sending; gives what it was. The next of its line is free."""
        found = self.get(id)
        if found is None:
            return None
        if found.fifo:
            self._tx.lock("outbox", found.party)
        query = deliveries.delete().where(
            _d.id == id, or_(_d.lease_until.is_(None), _d.lease_until <= self._tx.now)
        )
        if self._tx.execute(query).rowcount != 1:
            return None
        if found.fifo and found.state == "pending":
            self._free_line(found.party, found.fifo)
        return found

    def revive(self, id: int) -> Queued | None:
        """Put a dead one in again, at the end of its line; None when it is not dead."""
        query = deliveries.delete().where(_d.id == id, _d.state == "dead").returning(*_COLUMNS[1:7])
        row = self._tx.execute(query).one_or_none()
        return None if row is None else self.enqueue(Parcel._make([*row, None]))

    def get(self, id: int) -> Delivery | None:
        """One delivery."""
        row = self._tx.execute(select(*_COLUMNS).where(_d.id == id)).one_or_none()
        return None if row is None else Delivery(*row)

    def find(
        self,
        state: State,
        *,
        party: str | None = None,
        correlation: str | None = None,
        limit: int = 100,
    ) -> list[Delivery]:
        """Deliveries in a state, oldest first."""
        query = select(*_COLUMNS).where(_d.state == state).order_by(_d.id).limit(limit)
        if party is not None:
            query = query.where(_d.party == party)
        if correlation is not None:
            query = query.where(_d.correlation == correlation)
        return [Delivery(*row) for row in self._tx.execute(query)]

    def counts(self) -> dict[tuple[str, State], int]:
        """How many there are, by party and state."""
        query = select(_d.party, _d.state, func.count()).group_by(_d.party, _d.state)
        return {(party, state): count for party, state, count in self._tx.execute(query)}

    def backlog(self) -> list[Backlog]:
        """What is not done, by party and state."""
        query = (
            select(_d.party, _d.state, func.count(), func.min(_d.created), func.min(_d.due))
            .where(_d.state.in_(("pending", "dead")))
            .group_by(_d.party, _d.state)
        )
        return [Backlog._make(row) for row in self._tx.execute(query)]

    def prune(self, before: datetime, limit: int = 1000, *, state: State = "done") -> int:
        """Drop at most ``limit`` ended ones put in before an instant; gives how many."""
        if state == "pending":
            raise ValueError("what is owed is not forgotten")
        old = select(_d.id).where(_d.state == state, _d.created < before).limit(limit)
        return self._tx.execute(deliveries.delete().where(_d.id.in_(old))).rowcount

    def _insert(self, parcels: Sequence[Parcel]) -> list[int]:
        busy = self._busy({(parcel.party, parcel.fifo) for parcel in parcels if parcel.fifo})
        rows = []
        for parcel in parcels:
            line = (parcel.party, parcel.fifo or "")
            rows.append(
                parcel._asdict()
                | {
                    "created": self._tx.now,
                    "due": parcel.due or self._tx.now,
                    "attempts": 0,
                    "state": "pending",
                    "ready": line not in busy,
                }
            )
            if parcel.fifo:
                busy.add(line)
        ids: list[int] = []
        for part in slices(rows):
            query = deliveries.insert().returning(_d.id, sort_by_parameter_order=True)
            ids += self._tx.execute(query, part).scalars()
        return ids

    def _take_places(self, parcels: dict[Thing, Parcel]) -> dict[Thing, Queued]:
        """Write parcels over the newest waiting ones about the same things.

        What somebody had and may have sent is left as it is, until it is known what became of it.
        """
        waiting: dict[Thing, Queued] = {}
        for part in slices(parcels):
            query = (
                select(_d.id, _d.correlation, _d.party, _d.kind, _d.object_key, _d.fifo)
                .where(_d.state == "pending", _d.lease_owner.is_(None))
                .where(_d.party.in_({thing[0] for thing in part}))
                .where(_d.object_key.in_({thing[2] for thing in part}))
                .order_by(_d.id)
                .with_for_update(skip_locked=True)
            )
            for id, correlation, *thing in self._tx.execute(query):
                waiting[tuple(thing)] = Queued(id, correlation)
        taken = {thing: waiting[thing] for thing in parcels if thing in waiting}
        rows = [
            {
                "at_id": queued.id,
                "message": parcels[thing].message,
                "correlation": parcels[thing].correlation,
                "due": parcels[thing].due or self._tx.now,
            }
            for thing, queued in taken.items()
        ]
        if rows:
            fresh = {"attempts": 0, "error": None}
            self._tx.execute(
                update(deliveries)
                .where(_d.id == bindparam("at_id"))
                .values(
                    message=bindparam("message"),
                    correlation=bindparam("correlation"),
                    due=bindparam("due"),
                    **fresh,
                ),
                rows,
            )
        return taken

    def _mine(self, id: int, worker: str) -> tuple[ColumnElement[bool], ...]:
        return (_d.id == id, _d.state == "pending", _d.lease_owner == worker)

    def _end(self, id: int, worker: str, state: State, error: str | None) -> bool:
        line = self._tx.execute(select(_d.party, _d.fifo).where(_d.id == id)).one_or_none()
        if line is not None and line.fifo:
            self._tx.lock("outbox", line.party)
        query = (
            update(deliveries)
            .where(*self._mine(id, worker))
            .values(state=state, error=error, lease_owner=None, lease_until=None)
        )
        ended = self._tx.execute(query).rowcount == 1
        if ended and line is not None and line.fifo:
            self._free_line(line.party, line.fifo)
        return ended

    def _free_line(self, party: str, fifo: str) -> None:
        following = self._first(party, fifo)
        self._tx.execute(update(deliveries).where(_d.id == following).values(ready=True))

    def _busy(self, lines: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """The lines in which something waits."""
        busy: set[tuple[str, str]] = set()
        for party in {party for party, _ in lines}:
            for part in slices(fifo for each, fifo in lines if each == party):
                there = {"party": party, **named("fifo", part)}
                rows = self._tx.execute(_waiting(width(len(part))), there)
                busy |= {(party, fifo) for (fifo,) in rows}
        return busy

    def _first(self, party: str, fifo: str) -> int | None:
        query = (
            select(_d.id)
            .where(_d.party == party, _d.fifo == fifo, _d.state == "pending")
            .order_by(_d.id)
            .limit(1)
        )
        found: int | None = self._tx.execute(query).scalar()
        return found
