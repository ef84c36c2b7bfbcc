"""The same work on several cores: what comes is handed to other processes, results keep the order.

Limits: where a process can be copied as it is (fork), on Linux; what is handed over can be pickled.
Why not a pool of the standard library: its processes outlive a parent that is killed, and it needs
threads. Here each has one piece of work at a time, over a pipe of its own, whose end it notices.
"""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MOST = 4
"""Processes at once: each takes memory, and whoever hands out the work is one beside them."""


def cores() -> int:
    """How many processes are worth it here, by the cores that this one may use (a quota of time is
    not seen); 1: none beside it."""
    return min(len(os.sched_getaffinity(0)), MOST) if sys.platform == "linux" else 1


class Ended(Exception):
    """A process is gone: it was ended, or its work failed."""


class Several:
    """Copies of this process, as it is now, that do ``work`` with what they are handed."""

    def __init__(self, work: Callable[[Any], Any], count: int) -> None:
        """Raises Ended when there cannot be as many."""
        from multiprocessing import get_context  # takes 5 ms of a command that mostly does without

        context = get_context("fork")
        self._ends: list[Connection] = []
        self._processes: list[Any] = []
        try:
            # who interrupts this one does not mean a copy that is half made
            masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                for _ in range(count):
                    self._add(context, work)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, masked)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | MemoryError):
                raise Ended(str(error)) from None
            raise

    def _add(self, context: Any, work: Callable[[Any], Any]) -> None:
        ours, theirs = context.Pipe()
        self._ends.append(ours)
        process = context.Process(target=_serve, args=(theirs, list(self._ends), work), daemon=True)
        process.start()
        self._processes.append(process)
        theirs.close()

    def done(self, pieces: Iterable[Any]) -> Iterator[Any]:
        """The results in the order of the pieces; raises Ended."""
        waiting: deque[Connection] = deque()
        free = deque(self._ends)
        try:
            for piece in pieces:
                if free:
                    end = free.popleft()
                    end.send(piece)
                    waiting.append(end)
                    continue
                end = waiting.popleft()
                result = end.recv()
                end.send(piece)
                waiting.append(end)
                yield result
            while waiting:
                yield waiting.popleft().recv()
        except (EOFError, OSError):
            raise Ended("a process is gone") from None

    def close(self) -> None:
        """End them: they hold nothing, and one that was stopped would not notice anything else."""
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.kill()
            process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _serve(end: "Connection", held: "list[Connection]", work: Callable[[Any], Any]) -> None:
    """Until the parent ends it or is gone; ``held``: the ends that came along with the copy, which
    would keep the others from noticing. SIGINT is for the parent, and blocked here.

    Whatever goes wrong, this one ends: whoever does the work without others says what it is.
    """
    with suppress(Exception):
        for each in held:
            each.close()
        while True:
            end.send(work(end.recv()))
