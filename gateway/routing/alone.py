"""One at a time per name: in this process, and in all that share the store.

Why: a partner's changes to one object may come over several connections, so to several processes;
each reads the object, changes it and stores the whole.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from twisted.internet.defer import Deferred

from gateway.errors import StoreUnavailable
from gateway.routing.runtime import Runtime
from gateway.store import Store

T = TypeVar("T")
PAUSE = 0.01
"""Seconds between two looks at a name that another process holds."""
PATIENCE = 10.0


class Alone:
    """Names that are held while something is done."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._store, self._runtime = store, runtime

    @asynccontextmanager
    async def holding(self, name: str) -> AsyncIterator[None]:
        """Nobody else holds the name meanwhile. Raises StoreUnavailable after a long wait."""
        async with self._runtime.alone(name):
            await self._take(name)
            try:
                yield
            finally:
                await self._done(lambda: self._store.give(name))

    async def _take(self, name: str) -> None:
        waited = 0.0
        while not await self._done(lambda: self._store.take(name)):
            if waited >= PATIENCE:
                raise StoreUnavailable("another process holds this object for too long")
            pause: Deferred[None] = Deferred()
            self._runtime.later(PAUSE, lambda: pause.callback(None))  # noqa: B023 - awaited here
            await pause
            waited += PAUSE

    async def _done(self, step: Callable[[], T]) -> T:
        """Here where that costs nothing (SQLite); in a thread where it is a question."""
        if self._store.one_writer:
            return step()
        return await self._runtime.in_thread(step, writing=False)
