"""How many clients each worker has, seen by all of them.

Limits: numbers in shared memory without a lock, each written by its own worker alone (by the
supervisor once that has ended); one that is read a moment too old costs nothing but balance.
Why: clients keep their connections, so whoever accepts more of them works more for hours.
"""

import mmap
from typing import IO

WORKERS = 256
_NOBODY = 2**32 - 1
_SIZE = 4 * WORKERS


class Board:
    """One number for each worker; ``file`` is a descriptor that all of them have."""

    def __init__(self, file: int) -> None:
        self._counts = memoryview(mmap.mmap(file, _SIZE)).cast("I")

    def say(self, worker: int, clients: int) -> None:
        """So many clients are connected to a worker."""
        self._counts[worker] = clients

    def leave(self, worker: int) -> None:
        """This worker takes no more."""
        self._counts[worker] = _NOBODY

    def has_fewest(self, worker: int) -> bool:
        """Whether no other worker has clearly fewer clients than this one."""
        return self._counts[worker] <= min(self._counts) + 1


def new(file: IO[bytes]) -> Board:
    """A board in an empty file, with nobody on it."""
    file.write(b"\xff" * _SIZE)
    file.flush()
    return Board(file.fileno())
