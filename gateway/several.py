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
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MOST = 4
"""Processes at once: each takes memory, and whoever hands out the work is one beside them."""


def cores() -> int:
    """How many processes are worth it here; 1: none beside this one."""
    return min(len(os.sched_getaffinity(0)), MOST) if sys.platform == "linux" else 1


class Ended(Exception):
    """A process is gone, or its work failed."""


class Several:
    """Copies of this process, as it is now, that do ``work`` with what they are handed."""

    def __init__(self, work: Callable[[Any], Any], count: int) -> None:
        """Raises Ended when there cannot be as many."""
        from multiprocessing import get_context  # takes 5 ms of a command that mostly does without

        context = get_context("fork")
        self._ends: list[Connection] = []
        self._processes: list[Any] = []
        try:
            for _ in range(count):
                ours, theirs = context.Pipe()
                self._ends.append(ours)
                held = list(self._ends)
                process = context.Process(target=_serve, args=(theirs, held, work))
                process.start()
                self._processes.append(process)
                theirs.close()
        except OSError as error:
            self.close()
            raise Ended(error.strerror) from None

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
                yield _good(result)
            while waiting:
                yield _good(waiting.popleft().recv())
        except (EOFError, OSError):
            raise Ended("a process is gone") from None

    def close(self) -> None:
        """Let them end: at once, or when they notice that nobody wants what they do."""
        for end in self._ends:
            end.close()
        for process in self._processes:
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


def _good(result: tuple[bool, Any]) -> Any:
    if not result[0]:
        raise Ended("the work failed")
    return result[1]


def _serve(end: "Connection", held: "list[Connection]", work: Callable[[Any], Any]) -> None:
    """Until the parent closes its end or is gone; ``held``: the ends that came along with the copy,
    which would keep the others from noticing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent has it too, and ends this one
    for each in held:
        each.close()
    try:
        while True:
            piece = end.recv()
            try:
                result = True, work(piece)
            except Exception:  # noqa: BLE001 - whoever does it without others says what is wrong
                result = False, None
            end.send(result)
    except (EOFError, OSError):
        return
