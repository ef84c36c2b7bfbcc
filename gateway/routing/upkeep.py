"""What keeps the store in order: old messages and deliveries end, wrong times are mended.

Rules: each kind of message has its time, and the ledger a greatest number of messages. Little is
dropped at once, so that nobody waits for it. What is owed is never dropped.
Limits: processes on one store do it one after the other; who comes second finds little to do.
Why: a clock that jumps ahead must not make everything old: what counts as now goes on by at most a
day from one turn to the next, so that somebody notices before a year is gone.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Protocol

from gateway.errors import GatewayError
from gateway.routing.delivery import LEASE
from gateway.routing.exchange import Exchange
from gateway.routing.runtime import Cancel
from gateway.routing.work import SELF
from gateway.store import Transaction

_log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
STRIDE = timedelta(days=1)
"""How far the present may be ahead of the last turn."""
SLICE = 500
"""Rows that are dropped in one transaction."""
MOST = 200
"""Slices of one kind in one turn."""
_MARK = "upkeep"


class Kept(Protocol):
    """How long things are kept; as in the configuration."""

    @property
    def delivered(self) -> timedelta: ...
    @property
    def dead(self) -> timedelta: ...
    @property
    def messages(self) -> int: ...


class Upkeep:
    """``kinds``: how long messages of each kind are kept; ``pause``: the longest between attempts
    of a delivery."""

    def __init__(
        self, exchange: Exchange, kept: Kept, kinds: Mapping[Any, timedelta], pause: timedelta
    ) -> None:
        self._exchange = exchange
        self._kept, self._kinds, self._pause = kept, kinds, pause
        self._runtime = exchange.runtime
        self._stopped = False
        self._tick: Cancel | None = None

    def start(self) -> None:
        """Begin; the first turn is a moment later."""
        self._plan()

    def _plan(self) -> None:
        seconds = EVERY.total_seconds()
        self._tick = self._runtime.later(seconds, lambda: self._runtime.start(self.turn()))

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopped = True
        if self._tick:
            self._tick.cancel()

    async def turn(self) -> None:
        """Do all that is to be done now."""
        try:
            for step in self._steps():
                for _ in range(MOST):
                    if await self._run(step) < SLICE or self._stopped:
                        break
        except GatewayError as error:
            _log.warning("upkeep of the store: %s", error)
        finally:
            if not self._stopped:
                self._plan()

    async def _run(self, step: Callable[[Transaction], int]) -> int:
        done: Any = await self._runtime.in_thread(
            lambda: self._exchange.store.run(step), writing=True
        )
        return int(done)

    def _steps(self) -> Iterator[Callable[[Transaction], int]]:
        yield self._set_right
        yield self._stride
        for kind, span in self._kinds.items():
            yield lambda tx, kind=kind, span=span: tx.ledger.prune(  # type: ignore[misc]
                self._now(tx) - span, SLICE, kinds=[kind]
            )
        yield lambda tx: tx.ledger.keep(self._kept.messages, SLICE)
        yield lambda tx: tx.outbox.prune(self._now(tx) - self._kept.delivered, SLICE)
        yield lambda tx: tx.outbox.prune(self._now(tx) - self._kept.dead, SLICE, state="dead")

    def _set_right(self, tx: Transaction) -> int:
        mended = tx.outbox.set_right(LEASE, self._pause, but_not=SELF)
        if mended:
            _log.warning("a clock was ahead: deliveries are due again", extra=_keys(mended))
        return 0

    def _stride(self, tx: Transaction) -> int:
        """Bring what counts as now forward."""
        tx.lock(_MARK)
        before = tx.parties.watermark(SELF, _MARK)
        now = tx.now if before is None else min(tx.now, before + STRIDE)
        if now != before:
            tx.parties.set_watermark(SELF, _MARK, now)
        return 0

    @staticmethod
    def _now(tx: Transaction) -> Any:
        return tx.parties.watermark(SELF, _MARK) or tx.now


def _keys(count: int) -> dict[str, dict[str, int]]:
    return {"keys": {"deliveries": count}}
