"""Requests that come together go through the code together.

Source: Larus and Parkes, "Using Cohort Scheduling to Enhance Server Performance" (USENIX 2002).
Rules: a coroutine runs as far as its next ``await STEP``; then it is the turn of the next one that
has come to a step, in order of arrival. What many of them wait for together (``last``: a look into
the store, a transaction) begins when none of them can go on, or after a while (``LONGEST``): else
those who come would keep those who are there from ever being answered.
Limits: in the reactor's thread alone. Nobody waits for requests that are still to come: who is
alone goes on at once.
Why: a request needs more code than the processor keeps at hand. One request after the other, each
part of it is fetched anew for every request; part by part, it is fetched for the first one and is
there for the others. Reading a request off the wire takes 9 us when it is all that is done, and
42 us where the rest of the work comes between two of them.
"""

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.step import STEP

T = TypeVar("T")
Call = Callable[[], object]
LONGEST = 0.01
"""Seconds after which the sockets are looked at again, whatever there is to do."""


class Cohort:
    """What goes on in one reactor; ``cohort_of`` gives it."""

    def __init__(self, reactor: Any) -> None:
        self._later, self._now = reactor.callLater, reactor.seconds
        self._steps: deque[Call] = deque()
        self._last: deque[Call] = deque()
        self._planned = False

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "Deferred[T]":
        """The result of a coroutine, which runs as far as its first step at once. Who cancels the
        result cancels what the coroutine waits for."""
        return _Going(self, coroutine).result

    def step(self, call: Call) -> None:
        """Have something done when it is its turn."""
        self._steps.append(call)
        self._plan()

    def last(self, call: Call) -> None:
        """Have something done when nobody can go on."""
        self._last.append(call)
        self._plan()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._later(0, self._go)

    def _go(self) -> None:
        steps, last, now = self._steps, self._last, self._now
        until = now() + LONGEST
        try:
            while now() < until and (steps or last):
                (steps or last).popleft()()
            if last:
                last.popleft()()
        finally:
            self._planned = False
            if steps or last:
                self._plan()


_OF: dict[Any, Cohort] = {}


def cohort_of(reactor: Any) -> Cohort:
    """The cohort of a reactor; a process has one of each."""
    return _OF.setdefault(reactor, Cohort(reactor))


_CANCELLED = object()
"""What a promise brings that was cancelled: another one, of what the coroutine makes of it."""


class _Going(Generic[T]):
    """A coroutine on its way. It is cancelled as under Twisted's own driver, but never at a step:
    there the next thing that it waits for is cancelled, so that ``await STEP`` raises nothing."""

    __slots__ = ("_awaited", "_cancelled", "_cohort", "_coroutine", "_promise", "result")

    def __init__(self, cohort: Cohort, coroutine: Coroutine[Any, Any, T]) -> None:
        self._cohort, self._coroutine = cohort, coroutine
        self._awaited: Deferred[Any] | None = None
        self._cancelled = False
        self.result: Deferred[T] = self._promised()
        self._go_on()

    def _go_on(self, came: object = None) -> None:
        """A Deferred hands its result to the coroutine itself, but for errors."""
        if isinstance(came, Failure):
            self._run(came.throwExceptionIntoGenerator, self._coroutine)
        else:
            self._run(self._coroutine.send, None)

    def _run(self, move: Callable[[Any], Any], what: Any) -> None:
        self._awaited = None
        end: Any
        try:
            awaited = move(what)
        except StopIteration as stopped:
            end = stopped.value
        except BaseException:  # noqa: BLE001 - who waits for the result is told
            end = Failure()
        else:
            self._wait(awaited)
            return
        # not while the exception is handled: it would stand in the story of every later error
        self._promise.callback(end)

    def _wait(self, awaited: Any) -> None:
        if awaited is STEP:
            self._cohort.step(self._go_on)
        elif isinstance(awaited, Deferred):
            if self._cancelled:
                self._cancelled = False
                awaited.cancel()
            self._awaited = awaited
            awaited.addBoth(self._go_on)
        else:
            self._run(self._coroutine.throw, TypeError(f"{awaited!r} cannot be awaited here"))

    # cancelling

    def _promised(self) -> "Deferred[Any]":
        """A promise of the coroutine's end."""
        self._promise: Deferred[Any] = Deferred(self._cancel)
        return self._promise.addBoth(self._kept)

    def _kept(self, end: Any) -> Any:
        return self._promise if end is _CANCELLED else end

    def _cancel(self, promise: "Deferred[Any]") -> None:
        self._promised()
        promise.callback(_CANCELLED)
        if self._awaited is not None:
            self._awaited.cancel()
        else:
            self._cancelled = True
