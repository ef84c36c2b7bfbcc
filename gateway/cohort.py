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

from twisted.internet.defer import CancelledError, Deferred
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

    def forget(self, call: Call) -> bool:
        """Not to have it done any more; says whether it was going to be."""
        waits = call in self._steps
        if waits:
            self._steps.remove(call)
        return waits

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._later(0, self._go)

    def _go(self) -> None:
        steps, last, now = self._steps, self._last, self._now
        until = now() + LONGEST
        try:
            while True:
                if steps and now() < until:
                    steps.popleft()()
                elif last:
                    last.popleft()()
                else:
                    break
        finally:
            self._planned = False
            if steps or last:
                self._plan()


_OF: dict[Any, Cohort] = {}


def cohort_of(reactor: Any) -> Cohort:
    """The cohort of a reactor; a process has one of each."""
    return _OF.setdefault(reactor, Cohort(reactor))


class _Going(Generic[T]):
    """A coroutine on its way."""

    __slots__ = ("_awaited", "_cohort", "_coroutine", "_next", "result")

    def __init__(self, cohort: Cohort, coroutine: Coroutine[Any, Any, T]) -> None:
        self._cohort, self._coroutine = cohort, coroutine
        self._awaited: Deferred[Any] | None = None
        self._next = self._go_on
        self.result: Deferred[T] = Deferred(self._cancel)
        self._go_on()

    def _go_on(self, came: object = None) -> None:
        """A Deferred hands its result to the coroutine itself, but for errors."""
        if isinstance(came, Failure):
            self._run(came.throwExceptionIntoGenerator, self._coroutine)
        else:
            self._run(self._coroutine.send, None)

    def _run(self, move: Callable[[Any], Any], what: Any) -> None:
        self._awaited = None
        try:
            awaited = move(what)
        except StopIteration as end:
            if not self.result.called:
                self.result.callback(end.value)
        except BaseException:  # noqa: BLE001 - who waits for the result is told
            if not self.result.called:
                self.result.errback(Failure())
        else:
            if awaited is STEP:
                self._cohort.step(self._next)
            else:
                self._awaited = awaited
                awaited.addBoth(self._next)

    def _cancel(self, result: "Deferred[T]") -> None:
        if self._awaited is not None:
            self._awaited.cancel()
        elif self._cohort.forget(self._next):
            self._run(self._coroutine.throw, CancelledError())
