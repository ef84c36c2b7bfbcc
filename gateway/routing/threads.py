"""The running process as Twisted sees it: thread pools, time limits, locks.

Limits: ``alone`` holds within this process; ``gateway.routing.alone`` holds in all.
Why: writing has a pool of its own, so that a queue of writers never keeps readers waiting. Threads
end with the process: one that waits for a dead database must not keep it alive.
"""

import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from threading import Thread
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from twisted.internet.defer import Deferred, DeferredLock, TimeoutError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from gateway.cohort import cohort_of
from gateway.errors import TimedOut
from gateway.routing.runtime import Cancel, Do, Outcome, Rest, Where

T = TypeVar("T")
READERS, WRITERS = 4, 2
SOON = 0.001
"""Seconds until work that could not be done at once is tried again."""
AT_ONCE = 64
"""Pieces of work in one transaction."""
STOP_SECONDS = 2.0
"""How long ``stop`` waits for what the threads are doing."""
_log = Logger()


class Threads:
    """``reactor`` runs; ``stop`` waits a while for what the threads are doing, and begins nothing
    that was planned for later."""

    def __init__(self, reactor: Any) -> None:
        self._reactor, self._cohort = reactor, cohort_of(reactor)
        self._stopped = False
        self._here: list[_Together] = []
        self._pools = {
            False: ThreadPool(1, READERS, "reading"),
            True: ThreadPool(1, WRITERS, "writing"),
        }
        # alone, because those that write may all be waiting for their turn
        self._committing = ThreadPool(1, 1, "committing")
        self._locks: WeakValueDictionary[str, DeferredLock] = WeakValueDictionary()
        for pool in self._every:
            pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
            pool.start()

    @property
    def _every(self) -> list[ThreadPool]:
        return [*self._pools.values(), self._committing]

    def stop(self) -> None:
        self._stopped = True
        stopping = [Thread(target=pool.stop, daemon=True) for pool in self._every]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join(STOP_SECONDS / len(stopping))

    async def in_thread(self, work: Callable[[], T], *, writing: bool) -> T:
        try:
            result: T = await deferToThreadPool(self._reactor, self._pools[writing], work)
        finally:
            if writing:
                for each in self._here:
                    each.again()
        return result

    def together(self, do: Do, where: Where) -> Callable[[Any], Awaitable[Any]]:
        pool = None if where == "here" else self._pools[where == "writing"]
        together = _Together(self._reactor, pool, self._committing, do)
        if pool is None:
            self._here.append(together)
        return together.add

    async def within(self, seconds: float, waiting: Awaitable[T]) -> T:
        async def whole() -> T:
            return await waiting

        deferred = self._cohort.start(whole())
        deferred.addTimeout(seconds, self._reactor)
        try:
            return await deferred
        except TimeoutError:
            raise TimedOut(f"no answer within {seconds:g} s") from None

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(name, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        deferred = self._cohort.start(coroutine)
        deferred.addErrback(lambda failure: _log.failure("unexpected", failure))

    def later(self, seconds: float, call: Callable[[], None]) -> Cancel:
        return _Call(self._reactor.callLater(seconds, self._unless_stopped, call))

    def _unless_stopped(self, call: Callable[[], None]) -> None:
        if not self._stopped:
            call()


_Waiting = tuple[Any, "Deferred[Any]"]


class _Together:
    """Work that waits for its thread, which takes at most ``AT_ONCE`` pieces of it at a time.

    Without a pool the reactor's own thread does it, but for what it leaves to ``rest``.
    """

    def __init__(self, reactor: Any, pool: ThreadPool | None, rest: ThreadPool, do: Do) -> None:
        self._reactor, self._pool, self._rest, self._do = reactor, pool, rest, do
        self._cohort = cohort_of(reactor)
        self._waiting: deque[_Waiting] = deque()
        self._busy = False
        self._again: Any = None
        """The call in which to try again."""
        self._next = 0.0
        """When to begin again, if anything comes until then."""

    def add(self, work: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self._waiting.append((work, done))
        if not self._busy:
            self._busy = True
            self._plan(self._next - self._reactor.seconds())
        return done

    def _plan(self, wait: float) -> None:
        """Begin later; what other connections have to say until then comes along."""
        if wait > 0:
            self._reactor.callLater(min(SOON, wait), self._cohort.last, self._begin)
        else:
            self._cohort.last(self._begin)

    def _begin(self) -> None:
        some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
        if self._pool is not None:
            self._pool.callInThread(self._in_thread, some, lambda: self._done(some))
            return
        done = self._tried(some, lambda: self._do([work for work, _ in some]))
        if done is None:
            self._waiting.extendleft(reversed(some))
            self._again = self._reactor.callLater(SOON, self._begin)
        elif callable(done):
            self._rest.callInThread(self._in_thread, some, done)
        else:
            self._end(some, done)

    def again(self) -> None:
        """Who was in the way may have gone: try now what could not be done at once."""
        if self._again is not None and self._again.active():
            self._again.cancel()
            self._begin()

    def _done(self, some: list[_Waiting]) -> Sequence[Outcome]:
        while (done := self._do([work for work, _ in some])) is None:
            time.sleep(SOON)
        return done() if callable(done) else done

    def _in_thread(self, some: list[_Waiting], do: Rest) -> None:
        self._reactor.callFromThread(self._ended, some, self._tried(some, do))

    def _ended(self, some: list[_Waiting], outcomes: Sequence[Outcome]) -> None:
        """Of what took a thread: those who are answered now ask again together, not one by one."""
        if self._pool is None:
            self._next = self._reactor.seconds() + SOON
        self._end(some, outcomes)

    def _tried(self, some: list[_Waiting], do: Callable[[], T]) -> T | Sequence[Outcome]:
        try:
            return do()
        except Exception as error:  # noqa: BLE001 - nobody waits for ever
            return [Outcome(error=error)] * len(some)

    def _end(self, some: list[_Waiting], outcomes: Sequence[Outcome]) -> None:
        self._busy = bool(self._waiting)
        if self._busy and self._pool is None:
            self._plan(SOON)
        elif self._busy:
            self._begin()
        for (_, done), outcome in zip(some, outcomes, strict=True):
            if outcome.error is None:
                done.callback(outcome.result)
            else:
                done.errback(outcome.error)


class _Call:
    def __init__(self, call: Any) -> None:
        self._call = call

    def cancel(self) -> None:
        if self._call.active():
            self._call.cancel()
