"""Locks between the processes that share an SQLite file: whose turn it is to write, and by name.

Source: POSIX record locks; the kernel frees those of a process that dies.
Limits: processes of one machine, as SQLite itself. Between the threads of a process they hold
nobody back. Nobody is kept waiting by the lock alone for ever: SQLite decides who writes.
Why: SQLite's own waiting is a poll with pauses of up to a tenth of a second, so that a process
that is busy writing can keep another one out for seconds. Here who waits for the writer's lock
holds the turn meanwhile, so the one who has just written comes after it.
"""

import fcntl
import os
import time
from hashlib import blake2b
from pathlib import Path

from gateway.errors import StoreUnavailable

_TURN, _WRITER, _NAMES = 0, 1, 1 << 32
PAUSE = 0.0002
"""Seconds between two looks at a lock that another process has."""
PATIENCE = 1.0
"""For the turn; who holds it longer stands still, and is passed."""


class Turns:
    """The locks beside a database; the file holds nothing."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(f"{database.name}-turns")
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        except OSError as error:
            raise StoreUnavailable(f"database {path}: {error.strerror}") from None

    def begin(self, wait: float) -> bool:
        """Wait to be the only process that writes; False when time is over."""
        until = time.monotonic() + wait
        turn = self._waited(_TURN, min(until, time.monotonic() + PATIENCE))
        try:
            return self._waited(_WRITER, until)
        finally:
            if turn:
                self._give(_TURN)

    def begin_now(self) -> bool:
        """Be the only process that writes, if none does. Else it is this one's turn from now on,
        for whoever waits in ``begin``: ask again within a moment, or ``begin``."""
        turn = self._take(_TURN)
        begun = self._take(_WRITER)
        if begun and turn:
            self._give(_TURN)
        return begun

    def end(self) -> None:
        """Let others write."""
        self._give(_WRITER)

    def take(self, name: str) -> bool:
        """Hold a name alone; False while another process does."""
        return self._take(_place(name))

    def give(self, name: str) -> None:
        """Hold it no longer."""
        self._give(_place(name))

    def close(self) -> None:
        self._file.close()

    def _waited(self, place: int, until: float) -> bool:
        while not self._take(place):
            if time.monotonic() >= until:
                return False
            time.sleep(PAUSE)
        return True

    def _take(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # POSIX leaves open which
            return False
        except ValueError:
            raise StoreUnavailable("database: closed") from None
        return True

    def _give(self, place: int) -> None:
        if not self._file.closed:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)


def _place(name: str) -> int:
    """The byte that stands for a name."""
    return _NAMES + int.from_bytes(blake2b(name.encode(), digest_size=5).digest())
