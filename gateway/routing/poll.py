"""Asking by schedule: what partners do not send by themselves.

Source: OCHP 1.4, the download chapters (full list, updates since the last successful call, CDRs
until confirmed); OCPI 2.2.1, pull of the Sender interfaces.
Rules: the answer goes the way of an upload, with the partner as its sender. The next question asks
from the start of the last successful call, less a margin. A full list takes the place of what was
known; a list that the partner could not tell completely does not.
Limits: of several processes on one store one asks at a time; who has died is followed when its
lease ends.
"""

import logging
import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from twisted.internet.defer import CancelledError, Deferred

from gateway.adapter import Listing, Lists
from gateway.errors import GatewayError
from gateway.mapping.spool import Spools
from gateway.model.message import (
    CdrList,
    CdrQuery,
    Message,
    Receipt,
    ResultCode,
)
from gateway.routing import ledger
from gateway.routing.exchange import Exchange
from gateway.routing.parties import Party
from gateway.routing.poll_jobs import Job, decided, jobs_of, uploads
from gateway.routing.records import instant, moment
from gateway.routing.runtime import Cancel
from gateway.store import Clock, Transaction

_log = logging.getLogger(__name__)

MARGIN = timedelta(minutes=5)
LEASE = timedelta(seconds=60)
"""How long others leave a job alone whose process is heard of no more."""
LOOK = 1.0
"""Seconds between two looks at what is due."""
AT_ONCE = 4
_LEVEL = {ResultCode.PARTLY.value: logging.WARNING}


class Schedule(Protocol):
    """How often parties are asked; as in the configuration."""

    @property
    def status(self) -> timedelta: ...
    @property
    def locations(self) -> timedelta: ...
    @property
    def tokens(self) -> timedelta: ...
    @property
    def cdrs(self) -> timedelta: ...
    @property
    def full(self) -> time: ...


@dataclass
class _Turn:
    """One job of one party in this process."""

    party: Party
    job: Job
    due: datetime
    running: bool = False
    lease: bytes | None = None
    """What stands in the store while this process does it."""
    renewal: Cancel | None = None


class Polls:
    """Asks partners by schedule. ``chance`` gives numbers in [0, 1) and spreads the first calls."""

    def __init__(
        self,
        exchange: Exchange,
        schedule: Schedule,
        clock: Clock,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._runtime = exchange.runtime
        self._schedule = schedule
        self._stopped = True
        self._tick: Cancel | None = None
        self._drained: Deferred[None] | None = None
        now = clock()
        self._turns = [
            _Turn(party, job, now + self._first(job) * chance())
            for party in exchange.directory.parties.values()
            for job in jobs_of(exchange, party)
        ]

    def _first(self, job: Job) -> timedelta:
        """Within which time after the start a job is done first; the store knows if it was."""
        if job.every is None:
            return timedelta()
        every: timedelta = getattr(self._schedule, job.every)
        return min(every, timedelta(minutes=1))

    def start(self) -> None:
        """Begin to ask."""
        self._stopped = False
        self.look()

    async def stop(self) -> None:
        """Begin nothing more; what is being asked ends. When this is cancelled, it is asked again
        by whoever starts next."""
        self._stopped = True
        if self._tick:
            self._tick.cancel()
        if any(turn.running for turn in self._turns):
            self._drained = Deferred()
            try:
                await self._drained
            except CancelledError:
                for turn in self._turns:
                    if turn.running:
                        turn.due = self._clock()
                        await self._give_back(turn, None)

    def look(self) -> None:
        """Start what is due."""
        if self._stopped:
            return
        now = self._clock()
        for turn in self._turns:
            turn.due = min(turn.due, self._next(turn, now))  # a clock may be set back
        busy = sum(turn.running for turn in self._turns)
        for turn in sorted(self._turns, key=lambda turn: turn.due):
            if busy < AT_ONCE and not turn.running and turn.due <= now:
                turn.running = True
                busy += 1
                self._runtime.start(self._take(turn))
        if self._tick:
            self._tick.cancel()
        self._tick = self._runtime.later(LOOK, self.look)

    async def _take(self, turn: _Turn) -> None:
        try:
            await self._turn(turn)
        except GatewayError as error:
            keys = {"party": turn.party.id, "what": turn.job.what, "error": type(error).__name__}
            _log.warning("poll failed", extra={"keys": keys})
        finally:
            turn.running = False
            if self._drained and not any(each.running for each in self._turns):
                self._drained.callback(None)
                self._drained = None

    async def _turn(self, turn: _Turn) -> None:
        started = self._clock()
        turn.due = self._next(turn, started)
        first_due = await self._runtime.in_thread(
            lambda: self._exchange.store.run(lambda tx: self._claim(tx, turn)), writing=True
        )
        if first_due is not None:
            turn.due = first_due
            return
        done = False
        self._renew_later(turn)
        try:
            await self._fetch(turn, started)
            done = True
        finally:
            if turn.renewal:
                turn.renewal.cancel()
                turn.renewal = None
            await self._give_back(turn, started - MARGIN if done else None)

    def _renew_later(self, turn: _Turn) -> None:
        seconds = LEASE.total_seconds() / 3
        turn.renewal = self._runtime.later(seconds, lambda: self._runtime.start(self._renew(turn)))

    async def _renew(self, turn: _Turn) -> None:
        """Keep a job for another lease, as long as it is being done."""

        def renew(tx: Transaction) -> None:
            if self._has(tx, turn):
                self._hold(tx, turn)

        try:
            await self._runtime.in_thread(lambda: self._exchange.store.run(renew), writing=True)
        except GatewayError as error:
            _log.warning("lease of a poll not renewed: %s", error)
        if turn.running and turn.renewal:
            self._renew_later(turn)

    async def _give_back(self, turn: _Turn, mark: datetime | None) -> None:
        await self._runtime.in_thread(
            lambda: self._exchange.store.run(lambda tx: self._release(tx, turn, mark)),
            writing=True,
        )

    async def _fetch(self, turn: _Turn, started: datetime) -> None:
        """Ask, and put the answer in as the partner's upload."""
        with ExitStack() as aside:
            await self._fetch_with(aside, turn, started)

    async def _fetch_with(self, aside: ExitStack, turn: _Turn, started: datetime) -> None:
        """The same; ``aside`` is closed when it is done."""
        party, job, exchange = turn.party, turn.job, self._exchange
        way = exchange.said_to(party)
        if way is None:
            return
        link, said = way
        since = None
        if job.windowed and job.every is not None:
            since = await self._runtime.in_thread(lambda: self._mark(turn), writing=False)
        full = job.windowed and since is None and job.module != "status"
        correlation = exchange.new_id()
        question, outcome, reason = job.ask(since), "ok", None
        lists: Spools | None = None
        try:
            if isinstance(link, Listing):
                reply, lists = await link.ask_lists(question, correlation)
                if lists is not None:
                    aside.callback(lists.close)
            else:
                reply = await link.ask(question, correlation)
            outcome, reason = ledger.outcome_of(reply), ledger.text_of(reply)
        except GatewayError as error:
            outcome, reason = ledger.error_of(error), ledger.reason_of(error)
            raise
        finally:
            written = ledger.entry(
                exchange.new_id(),
                started,
                self._clock(),
                "out",
                party,
                question,
                correlation,
                outcome,
                reason=reason,
            )
            keys = {"party": party.id, "operation": type(question).__name__, "outcome": outcome}
            keys["correlation_id"] = correlation
            # the reasons stay in the ledger: they may name a card
            _log.log(_LEVEL.get(outcome, logging.INFO), "poll", extra={"keys": keys})
            exchange.tally.polled(party.id, job.what, outcome)
            findings = exchange.findings(party.id, correlation)
            entries = said.entries(written._replace(findings=findings), (), question)
            await self._runtime.in_thread(lambda: exchange.record(*entries), writing=True)
        await self._put_in(party, question, reply, lists or (), full=full, keys=keys)

    async def _put_in(
        self,
        party: Party,
        question: Message,
        reply: Message,
        lists: Lists,
        *,
        full: bool,
        keys: dict[str, str],
    ) -> None:
        """The answer as the partner's upload; ``lists``: those of it that are long."""
        exchange, correlation = self._exchange, keys["correlation_id"]
        if isinstance(question, CdrQuery) and question.mine:
            for found in decided(reply, lists) if isinstance(reply, CdrList) else ():
                await exchange.ask(party.partner, found, correlation)
            return
        for upload, long in uploads(reply, lists, full=full):
            if long:
                receipt = await exchange.ask_lists(party.partner, upload, long, correlation)
            else:
                receipt = await exchange.ask(party.partner, upload, correlation)
            if isinstance(receipt, Receipt) and receipt.reasons:
                refused = {**keys, "refused": len(receipt.reasons)}
                _log.warning("poll not taken whole", extra={"keys": refused})

    # -- turns in the store --------------------------------------------------------------------

    def _mark(self, turn: _Turn) -> datetime | None:
        """From where to ask; None: from the beginning. What is in the future was put there by a
        clock that was ahead, and nobody knows what has changed since."""
        with self._exchange.store.read() as tx:
            mark = tx.parties.watermark(turn.party.id, turn.job.what)
            return None if mark is None or mark > tx.now else mark

    def _claim(self, tx: Transaction, turn: _Turn) -> datetime | None:
        """Take a job for this process; else when it is due, because another one has done it."""
        name = f"poll {turn.job.what}"
        tx.lock(name, turn.party.id)
        value = tx.parties.value(turn.party.id, name)
        if value is not None:
            due = instant(value.decode())
            # what is further off than it can be was put there by a clock that was ahead
            if due and tx.now < due <= max(self._next(turn, tx.now), tx.now + LEASE):
                return due
        elif turn.job.every is None:
            # what changed since never is the whole list too: the first time nobody is asked twice
            due = self._next(turn, tx.now)
            tx.parties.set_value(turn.party.id, name, moment(due).encode())
            return due
        self._hold(tx, turn)
        return None

    def _hold(self, tx: Transaction, turn: _Turn) -> None:
        turn.lease = moment(tx.now + LEASE).encode()
        tx.parties.set_value(turn.party.id, f"poll {turn.job.what}", turn.lease)

    def _has(self, tx: Transaction, turn: _Turn) -> bool:
        """Whether nobody else has taken the job over."""
        name = f"poll {turn.job.what}"
        tx.lock(name, turn.party.id)
        return tx.parties.value(turn.party.id, name) == turn.lease

    def _release(self, tx: Transaction, turn: _Turn, mark: datetime | None) -> None:
        """Give a job back; ``mark``: from where the next question asks."""
        if not self._has(tx, turn):
            return
        name = f"poll {turn.job.what}"
        tx.parties.set_value(turn.party.id, name, moment(turn.due).encode())
        if mark is None or not turn.job.windowed:
            return
        tx.parties.set_watermark(turn.party.id, turn.job.what.removeprefix("all "), mark)

    def _next(self, turn: _Turn, now: datetime) -> datetime:
        """When a job is due again."""
        if turn.job.every is not None:
            every: timedelta = getattr(self._schedule, turn.job.every)
            return now + every
        zone = ZoneInfo(turn.party.policy.time_zone or "UTC")
        local = now.astimezone(zone)
        at = datetime.combine(local.date(), self._schedule.full, zone)
        if at <= local:
            at = datetime.combine(local.date() + timedelta(days=1), self._schedule.full, zone)
        return at.astimezone(UTC)
