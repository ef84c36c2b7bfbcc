"""SQLite's log, brought to the disk after its writer has let others write.

Source: SQLite "Write-Ahead Logging" 2.2 and 2.3, "PRAGMA synchronous" (NORMAL), fsync(2).
Rules: with ``synchronous=NORMAL`` a commit stands at the end of the log, but does not wait for the
disk; SQLite itself brings the log to the disk before it moves anything from there to the database.
What is synced here covers all that was committed before, by whichever process. An error of the disk
is told once to each open file, so the file is open before the commit that it vouches for. What the
disk did not take may be missing in the midst of the log, and what stands behind it would be lost
with it: nothing more is written until the log was moved.
Limits: what the disk did not take is moved from the kernel's memory, at once. Ext4 and XFS keep it
there for a while; where it is gone by then, as with Btrfs, SQLite moves what the disk has instead,
and the database may be broken: after such an error look at it (``PRAGMA integrity_check``). Others
see a commit before it is on the disk, as with a soft one. Who answers for what they saw commits
something of their own first, and waits for that.
Why: SQLite would wait for the disk while it holds the lock of its only writer, so that every
process of the machine waits for the disk of every other one, one after the other.
"""

import os
import threading
from pathlib import Path

from gateway.errors import StoreUnavailable


class Log:
    """The log of a database, which is no link; threads may share it."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}-wal")
        self._syncing = threading.Lock()
        self._file, self._which = -1, (0, 0)
        self.lost = ""
        """Why the log does not count: the disk did not take some of it."""

    def watch(self) -> None:
        """Before a commit that ``sync`` shall bring to the disk. Raises StoreUnavailable."""
        try:
            found = os.stat(self._path)
            if (found.st_dev, found.st_ino) != self._which:
                file = os.open(self._path, os.O_RDONLY)
                with self._syncing:
                    self._close()
                    self._file, self._which = file, (found.st_dev, found.st_ino)
        except OSError as error:
            raise StoreUnavailable(f"database: {self._path}: {error.strerror}") from None

    def sync(self) -> None:
        """Wait until all that was committed is on the disk. Raises StoreUnavailable."""
        with self._syncing:
            if self._file < 0:
                return  # nothing was committed
            try:
                os.fdatasync(self._file)
            except OSError as error:
                self.lost = f"database: not on the disk: {self._path}: {error.strerror}"
        if self.lost:
            raise StoreUnavailable(self.lost)

    def moved(self) -> None:
        """All of it is in the database, and on the disk."""
        with self._syncing:
            self._close()
            self.lost = ""

    def close(self) -> None:
        with self._syncing:
            self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._which = -1, (0, 0)
