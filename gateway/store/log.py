"""SQLite's log, brought to the disk after its writer has let others write.

Source: SQLite "Write-Ahead Logging" 2.2 and 2.3, "PRAGMA synchronous" (NORMAL), fdatasync(2).
Rules: with ``synchronous=NORMAL`` a commit stands at the end of the log, but does not wait for the
disk; SQLite itself brings the log to the disk before it moves anything from there to the database.
What is synced here covers all that was committed before, by whichever process.
Limits: others see a commit before it is on the disk, as with a soft one. Who answers for what they
saw commits something of their own first, and waits for that.
Why: SQLite would wait for the disk while it holds the lock of its only writer, so that every
process of the machine waits for the disk of every other one, one after the other.
"""

import os
from pathlib import Path

from gateway.errors import StoreUnavailable


class Log:
    """The log of a database; threads may share it."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}-wal")
        self._lost = ""

    def sync(self) -> None:
        """Wait until all that was committed is on the disk. Raises StoreUnavailable; always, once
        the disk did not take it: the kernel has forgotten what that was (fsync(2), errors)."""
        if self._lost:
            raise StoreUnavailable(self._lost)
        try:
            # anew each time: the last one who leaves a database takes the log away
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return  # all of it is in the database
        except OSError as error:
            raise StoreUnavailable(f"database: {self._path}: {error.strerror}") from None
        try:
            os.fdatasync(file)
        except OSError as error:
            self._lost = f"database: not on the disk, start anew: {self._path}: {error.strerror}"
            raise StoreUnavailable(self._lost) from None
        finally:
            os.close(file)
