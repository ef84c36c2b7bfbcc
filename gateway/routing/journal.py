"""What is written to the store a moment later, many at once.

Limits: only what may be lost with the process: the answers in the ledger, not what they answer.
Why: a transaction of its own for every answer would cost as much as the request did.
"""

import logging
from collections import deque
from collections.abc import Callable

from gateway.errors import StoreUnavailable
from gateway.routing.runtime import Runtime
from gateway.routing.together import Together
from gateway.store import Transaction

_log = logging.getLogger(__name__)

Step = Callable[[Transaction], object]
SOON = 0.1
"""Seconds until the next writing."""
LATER = 2.0
"""Seconds until it is tried again, when the database is away."""
AT_ONCE = 50
MOST = 5000
"""Steps that wait at most; while the database is away the oldest go first."""


class Journal:
    """Steps that wait to be written, in order."""

    def __init__(self, together: Together, runtime: Runtime) -> None:
        self._together = together
        self._runtime = runtime
        self._waiting: deque[Step] = deque()
        self._planned = False
        self._writing = False
        self.lost = 0
        """Steps that were never written."""

    def add(self, step: Step) -> None:
        """Have it written soon."""
        self._waiting.append(step)
        while len(self._waiting) > MOST:
            self._waiting.popleft()
            self.lost += 1
        if len(self._waiting) >= AT_ONCE and not self._writing:
            self._runtime.start(self.flush())
        elif not self._planned:
            self._plan(SOON)

    def _plan(self, seconds: float) -> None:
        self._planned = True
        self._runtime.later(seconds, self._due)

    def _due(self) -> None:
        self._planned = False
        if not self._writing:
            self._runtime.start(self.flush())

    async def flush(self) -> None:
        """Write all that waits; what cannot be written now is tried again."""
        async with self._runtime.alone("journal"):  # who asks waits for what is under way, too
            await self._flush()

    async def _flush(self) -> None:
        self._writing = True
        try:
            while self._waiting:
                steps = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                try:
                    await self._write(steps)
                except StoreUnavailable as error:
                    self._waiting.extendleft(reversed(steps))
                    _log.error("%d answers wait for the ledger: %s", len(self._waiting), error)
                    break
        finally:
            self._writing = False
        if self._waiting and not self._planned:
            self._plan(LATER)

    async def _write(self, steps: list[Step]) -> None:
        def all_of_them(tx: Transaction) -> None:
            for step in steps:
                step(tx)

        try:
            await self._together.write(all_of_them)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - one that fails must not take the others along
            for step in steps:
                await self._alone(step)

    async def _alone(self, step: Step) -> None:
        try:
            await self._together.write(step)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - it is told, and the next one is written
            self.lost += 1
            _log.exception("not written to the ledger")
