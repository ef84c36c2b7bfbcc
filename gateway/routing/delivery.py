"""The outbox worker: what is owed is sent until it is taken, or given up with a reason.

Source: store and forward with strict order is asked for by hubs; OCPI itself knows no queue.
Rules: what may go better another time (out of reach, not trusted, an error at the partner's side)
is tried again after growing pauses, and a party out of reach is left alone as a whole; what the
partner refuses or cannot be said to it is given up, but for a CDR whose site may still be told. A
batch that cannot be said is sent one by one.
Limits: what is due is looked for every second, or at once after ``wake``. A delivery that was under
way when the process died is sent again: at once by the next process of the same place, elsewhere
when its lease ends. So partners may get it twice; the ledger says which attempt was lost.
"""

import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from twisted.internet.defer import CancelledError, Deferred

from gateway.errors import (
    Inexpressible,
    StoreUnavailable,
)
from gateway.model.message import CdrUpload, Message, ResultCode
from gateway.routing import ledger, sending, worker
from gateway.routing.attempt import Effort, Failed, attempt
from gateway.routing.exchange import Exchange
from gateway.routing.parties import Party
from gateway.routing.runtime import Cancel
from gateway.routing.transcript import Written, write_all
from gateway.routing.work import SELF
from gateway.store import Clock, Delivery, Parcel, Transaction

_log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
"""How long others leave alone what a process has that is heard of no more."""
IDLE = 1.0
AWAY = timedelta(minutes=5)
"""How long a process remembers what became of a delivery while the database is away."""
AT_ONCE = 4
"""Deliveries under way to one party."""
CLAIM = 16
"""Deliveries that are claimed in one go."""


class _LeaseLost(Exception):
    """This process stood still for so long that another one may have the delivery."""


_UNSAID = (Inexpressible.__name__, ResultCode.FORMAT.value)
"""Outcomes when a message, or a part of it, cannot be said to a partner."""


@dataclass
class _Line:
    """What is known of a party by trying."""

    waiting: deque[Delivery] = field(default_factory=deque)
    under_way: int = 0
    failures: int = 0
    rests_until: datetime | None = None


class Deliveries:
    """Sends what the outbox holds. ``chance`` gives numbers in [0, 1)."""

    def __init__(
        self,
        exchange: Exchange,
        clock: Clock,
        *,
        chance: Callable[[], float] = random.random,
        effort: Effort | None = None,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._runtime = exchange.runtime
        self._store = exchange.store
        self._chance = chance
        self._effort = effort or Effort()
        self._worker = worker.new_name()
        self._lines: dict[str, _Line] = {}
        self._sending: dict[int, Delivery] = {}
        self._gone: set[int] = set()
        """Of those, what somebody else has by now."""
        self.looked: datetime | None = None
        """When the outbox was last looked into."""
        self._claiming = False
        self._again = False
        self._stopped = True
        self._tick: Cancel | None = None
        self._drained: Deferred[None] | None = None
        self._renewed: datetime | None = None
        """Since when the leases of this process hold."""

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to send."""
        self._stopped = False
        self._exchange.wake = self.wake
        self._runtime.start(self._take_over())
        self.wake()

    async def _take_over(self) -> None:
        """Free what processes held that have ended, or what a wrong clock has put off."""

        def free(tx: Transaction) -> int:
            tx.outbox.set_right(LEASE, self._effort.longest, but_not=SELF)
            ended = (h for h in tx.outbox.holders() if worker.has_ended(h, self._worker))
            return sum(map(tx.outbox.free, ended))

        try:
            await self._runtime.in_thread(lambda: self._store.run(free), writing=True)
        except StoreUnavailable as error:
            _log.error("outbox: %s", error)  # the leases end by themselves

    async def stop(self) -> None:
        """Claim nothing more, leave what waits here to the next worker, end what is under way.

        When this is cancelled, what is still under way is left to the next worker too.
        """
        self._stopped = True
        if self._tick:
            self._tick.cancel()
        left = [row for line in self._lines.values() for row in line.waiting]
        for line in self._lines.values():
            line.waiting.clear()
        for row in left:
            await self._give_back(row)
        if self.under_way or self._claiming:
            self._drained = Deferred()
            try:
                await self._drained
            except CancelledError:
                for row in list(self._sending.values()):
                    await self._give_back(row, self._clock(), "broken off by a stop")

    @property
    def under_way(self) -> int:
        """How many deliveries are being sent now."""
        return sum(line.under_way for line in self._lines.values())

    def wake(self) -> None:
        """Something was put in: look at once."""
        if self._stopped:
            return
        if self._claiming:
            self._again = True
            return
        self._claiming = True
        self._runtime.start(self._pump())

    async def _pump(self) -> None:
        try:
            while not self._stopped:
                self._again = False
                found = await self._claim()
                self.looked = self._clock()
                if self._stopped:
                    for row in found:
                        await self._give_back(row)
                    break
                for row in found:
                    self._line(row.party).waiting.append(row)
                for party in {row.party for row in found}:
                    self._send_next(party)
                if not found and not self._again:
                    break
        except StoreUnavailable as error:
            _log.error("outbox: %s", error)
        finally:
            self._claiming = False
            self._look_whether_drained()
            if not self._stopped:
                if self._tick:
                    self._tick.cancel()
                self._tick = self._runtime.later(IDLE, self.wake)

    async def _claim(self) -> list[Delivery]:
        now = self._clock()
        but_not = [
            party
            for party, line in self._lines.items()
            if line.waiting or line.under_way >= AT_ONCE or self._rests(line, now)
        ]
        held = [*self._sending, *(row.id for line in self._lines.values() for row in line.waiting)]
        renewing = not held or not self._holds(now, LEASE / 3)

        def claim(tx: Transaction) -> tuple[list[Delivery], set[int]]:
            kept = tx.outbox.renew(self._worker, held, LEASE) if renewing else set(held)
            found = tx.outbox.claim(self._worker, CLAIM, LEASE, but_not=but_not)
            for row in found:
                if row.taken_from and row.party != SELF:
                    party = self._exchange.directory.parties.get(row.party)
                    tx.ledger.write(*ledger.lost(self._exchange.new_id(), tx.now, party, row))
            return found, kept

        found, kept = await self._exchange.together.write(claim, locking=True)
        if renewing:
            self._renewed = now
            self._let_go(set(held) - kept)
        return found

    def _let_go(self, gone: set[int]) -> None:
        """Forget what others have taken over, because this process stood still."""
        for line in self._lines.values():
            line.waiting = deque(row for row in line.waiting if row.id not in gone)
        self._gone |= gone & self._sending.keys()

    def _holds(self, now: datetime, span: timedelta) -> bool:
        """Whether leases were renewed within a span; not when a clock was set back meanwhile."""
        return self._renewed is not None and timedelta() <= now - self._renewed < span

    def _rests(self, line: _Line, now: datetime) -> bool:
        """Whether a party out of reach is left alone."""
        until = line.rests_until
        return until is not None and now < until <= now + self._effort.longest

    def resting(self) -> list[str]:
        """The parties out of reach that are left alone now."""
        now = self._clock()
        return [party for party, line in self._lines.items() if self._rests(line, now)]

    def busy(self) -> list[str]:
        """The parties to which as much is under way as may be."""
        return [party for party, line in self._lines.items() if line.under_way >= AT_ONCE]

    def _line(self, party: str) -> _Line:
        return self._lines.setdefault(party, _Line())

    def _send_next(self, party: str) -> None:
        line = self._line(party)
        while line.waiting and line.under_way < AT_ONCE and not self._stopped:
            line.under_way += 1
            self._runtime.start(self._deliver(line.waiting.popleft()))

    # -- one delivery --------------------------------------------------------------------------

    async def _deliver(self, row: Delivery) -> None:
        line = self._line(row.party)
        self._sending[row.id] = row
        try:
            now = self._clock()
            if self._rests(line, now):
                await self._give_back(row, line.rests_until)
            else:
                await self._do(row, line)
        except StoreUnavailable as error:
            # the lease ends and somebody takes it again
            _log.error("delivery %s: %s", row.id, error)
        except _LeaseLost:
            _log.warning("lease lost before sending", extra={"keys": {"delivery": row.id}})
        finally:
            del self._sending[row.id]
            self._gone.discard(row.id)
            line.under_way -= 1
            self._send_next(row.party)
            if not line.waiting:
                self.wake()
            self._look_whether_drained()

    def _look_whether_drained(self) -> None:
        if self._drained and not (self.under_way or self._claiming):
            drained, self._drained = self._drained, None
            drained.callback(None)

    async def _do(self, row: Delivery, line: _Line) -> None:
        entries: list[Written] = []
        try:
            if row.party == SELF:
                await self._runtime.in_thread(lambda: self._do_due(row), writing=True)
                return
            failed = await self._send(row, entries)
        except (StoreUnavailable, _LeaseLost):
            raise
        except Exception as error:  # noqa: BLE001 - a delivery must not take the worker with it
            _log.exception("internal error in delivery %s to %s", row.id, row.party)
            failed = Failed(f"internal error: {type(error).__name__}", "InternalError", True)
        if failed is None:
            line.failures, line.rests_until = 0, None
            waited = (self._clock() - row.created).total_seconds()
            self._exchange.tally.taken(row.party, max(0.0, waited))
            await self._settle(entries, lambda tx: self._taken(tx, row))
        elif failed.again:
            await self._try_again(row, line, failed, entries)
        elif failed.outcome == Inexpressible.__name__ and _is_batch(row):
            await self._settle(entries, lambda tx: self._split(tx, row))
        else:
            await self._give_up(row, failed.reason, entries)

    def _do_due(self, row: Delivery) -> None:
        def work_in(tx: Transaction) -> None:
            work = self._exchange.work(tx, None, row.correlation)
            sending.do_due(work, row)
            work.finish()
            tx.outbox.done(row.id, self._worker)

        self._store.run(work_in)

    async def _send(self, row: Delivery, entries: list[Written]) -> Failed | None:
        """Send what a delivery says now; None when all of it was taken."""
        party = self._exchange.directory.parties.get(row.party)
        if party is None or not self._exchange.linked(party):
            return Failed(f"there is no way to {row.party}", "NoRoute", False)
        for message in await self._messages(party, row):
            way = self._exchange.said_to(party)
            assert way is not None
            link, said = way
            said.guard = lambda: self._check_lease(row)
            started = self._clock()
            failed, outcome = await attempt(link, message, row.correlation)
            unsaid = outcome in _UNSAID and said.silent
            if failed and unsaid and self._site_may_come(party, message):
                failed = failed._replace(again=True)
            if failed and failed.again:
                failed = failed._replace(wait=said.wait(self._clock()))
            _tell(row, message, outcome, failed is None, self._clock() - started)
            self._exchange.tally.sent(row.party, type(message).__name__, outcome)
            written = ledger.entry(
                self._exchange.new_id(),
                started,
                self._clock(),
                "out",
                party,
                message,
                row.correlation,
                outcome,
                reason=failed.reason if failed else None,
                delivery=row.id,
                attempt=row.attempts,
            )
            findings = self._exchange.findings(party.id, row.correlation)
            named = ledger.identifiers(message)
            entries += said.entries(written._replace(findings=findings), named, message)
            if failed:
                return failed
        return None

    def _site_may_come(self, party: Party, message: Message) -> bool:
        """Whether a CDR is of a site that nobody has told yet: what cannot be said without it (its
        coordinates, its time zone) may be said later."""
        facts = self._exchange.facts(party.partner)
        cdrs = message.cdrs if isinstance(message, CdrUpload) else ()
        return any(facts.evse(cdr.evse_id) is None for cdr in cdrs)

    def _check_lease(self, row: Delivery) -> None:
        """Called right before something goes out: another process may have it by now."""
        if row.id in self._gone or not self._holds(self._clock(), LEASE):
            raise _LeaseLost

    async def _messages(self, party: Party, row: Delivery) -> list[Message]:
        def look(tx: Transaction) -> list[Message]:
            work = self._exchange.work(tx, party, row.correlation)
            found = sending.messages(work, party, row)
            for message in found:
                self._exchange.gather(tx, message)
            return found

        def look_at_many() -> list[Message]:
            with self._store.read() as tx:
                return look(tx)

        if _is_batch(row):
            return await self._runtime.in_thread(look_at_many, writing=False)
        return await self._exchange.together.read(look)

    # -- what became of it ---------------------------------------------------------------------

    async def _settle(self, entries: list[Written], step: Callable[[Transaction], object]) -> None:
        """Keep what was sent and what became of it, in one transaction."""

        def work_in(tx: Transaction) -> None:
            write_all(tx, entries)
            step(tx)

        since = self._clock()
        while True:
            try:
                await self._exchange.together.write(work_in, locking=True)
                return
            except StoreUnavailable as error:
                late = self._clock() - since
                if self._stopped or not timedelta() <= late < AWAY:
                    raise
                _log.error("outcome of a delivery waits for the database: %s", error)
            await self._pause()

    async def _pause(self) -> None:
        over: Deferred[None] = Deferred()
        self._runtime.later(IDLE, lambda: over.callback(None))
        await over

    def _taken(self, tx: Transaction, row: Delivery) -> None:
        if tx.outbox.holds(row.id, self._worker):
            work = self._exchange.work(tx, None, row.correlation)
            sending.was_taken(work, row)
            work.finish(row.party)
            tx.outbox.done(row.id, self._worker)

    async def _try_again(
        self, row: Delivery, line: _Line, failed: Failed, entries: list[Written]
    ) -> None:
        now = self._clock()
        if now - row.created >= self._effort.give_up:
            reason = f"given up after {now - row.created}: {failed.reason}"
            await self._give_up(row, reason, entries)
            return
        wait = min(failed.wait or timedelta(), self._effort.longest)
        if not (failed.away or failed.wait):
            due = now + self._effort.pause(row.attempts, self._chance())
        elif line.rests_until and self._rests(line, now):
            due = line.rests_until = max(line.rests_until, now + wait)
        else:
            # several may fail at the same time; that is one failure of the party
            line.failures += 1
            pause = self._effort.pause(line.failures, self._chance())
            due = line.rests_until = now + max(pause, wait)
        await self._give_back(row, due, failed.reason, entries)

    def _split(self, tx: Transaction, row: Delivery) -> None:
        """Put the parts of a batch in, one by one, at the end of the line."""
        refs = sending.references(row)
        assert refs is not None
        parcels = [
            Parcel(
                row.party,
                row.kind,
                f"{refs.owner}/{id}",
                sending.packed(refs, id),
                row.correlation,
                row.fifo,
            )
            for id in refs.ids
        ]
        if tx.outbox.done(row.id, self._worker):
            tx.outbox.enqueue_many(parcels, coalesce=True)

    async def _give_up(self, row: Delivery, reason: str, entries: list[Written]) -> None:
        keys = {"delivery": row.id, "party": row.party, "correlation_id": row.correlation}
        _log.warning("delivery given up", extra={"keys": keys})
        await self._settle(entries, lambda tx: tx.outbox.dead(row.id, self._worker, reason))

    async def _give_back(
        self,
        row: Delivery,
        due: datetime | None = None,
        reason: str = "not sent yet",
        entries: list[Written] | None = None,
    ) -> None:
        at = due or row.due
        await self._settle(
            entries or [], lambda tx: tx.outbox.retry(row.id, self._worker, at, reason)
        )


def _tell(row: Delivery, message: Message, outcome: str, taken: bool, took: timedelta) -> None:
    """The log line of an attempt. Reasons stay in the store: they may name a card."""
    keys = {
        "delivery": row.id,
        "party": row.party,
        "operation": type(message).__name__,
        "outcome": outcome,
        "attempt": row.attempts,
        "duration_ms": took / timedelta(milliseconds=1),
        "correlation_id": row.correlation,
    }
    _log.log(logging.INFO if taken else logging.WARNING, "delivery", extra={"keys": keys})


def _is_batch(row: Delivery) -> bool:
    refs = sending.references(row)
    return refs is not None and len(refs.ids) > 1
