"""What the decisions need of the world around: threads, time, locks. Without Twisted.

``Inline`` does everything at once in the calling thread: for tests and for commands.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from gateway.step import STEP

T = TypeVar("T")


class Cancel(Protocol):
    """A call that waits for its time."""

    def cancel(self) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """What came of one piece of work."""

    result: Any = None
    error: Exception | None = None

    def get(self) -> Any:
        """The result; raises the error."""
        if self.error is not None:
            raise self.error
        return self.result


Rest = Callable[[], Sequence[Outcome]]
Do = Callable[[Sequence[Any]], Sequence[Outcome] | Rest | None]
"""Does some pieces of work, in order; gives what came of it, or what is left to do in a thread, or
nothing: it is to be asked again soon."""
Where = Literal["reading", "writing", "here"]


class Runtime(Protocol):
    """The running process."""

    async def in_thread(self, work: Callable[[], T], *, writing: bool) -> T:
        """The result of blocking work done outside of the caller's thread."""
        ...

    def together(self, do: Do, where: Where) -> Callable[[Any], Awaitable[Any]]:
        """A way to have work done by ``do``, all that waits at once; gives the result of one
        piece. ``here`` is for what never waits, in the caller's thread; what ``do`` leaves is
        done in a thread of its own."""
        ...

    async def within(self, seconds: float, waiting: Awaitable[T]) -> T:
        """The result of something that is waited for; raises TimedOut when time is over."""
        ...

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        """One at a time per name."""
        ...

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something that nobody waits for; it handles its own errors."""
        ...

    def later(self, seconds: float, call: Callable[[], None]) -> Cancel:
        """Have something called in some seconds."""
        ...


class Inline:
    """Everything at once; nothing ever waits, and nothing is done later."""

    async def in_thread(self, work: Callable[[], T], *, writing: bool) -> T:
        return work()

    def together(self, do: Do, where: Where) -> Callable[[Any], Awaitable[Any]]:
        async def one(work: Any) -> Any:
            while (done := do([work])) is None:
                pass
            (outcome,) = done() if callable(done) else done
            return outcome.get()

        return one

    async def within(self, seconds: float, waiting: Awaitable[T]) -> T:
        return await waiting

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        yield

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        run(coroutine)

    def later(self, seconds: float, call: Callable[[], None]) -> Cancel:
        return _Never()


class _Never:
    def cancel(self) -> None:
        pass


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never really waits."""
    try:
        while coroutine.send(None) is STEP:
            pass
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("it waits for something that only a running process has")
