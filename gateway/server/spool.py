"""Where a request body is gathered: in memory, and in a file once it is long.

Limits: how long a body may be at all is bounded before; the file has no name and ends with the
request.
Why: a partner's whole list may be larger than the memory of this process; what reads it does so
from its start to its end and needs no more than a piece at a time.
"""

import tempfile
from typing import BinaryIO, cast

from gateway.server.wire import HttpError


class Body:
    """``keep``: bytes up to which it stays in memory."""

    def __init__(self, keep: float) -> None:
        self._keep, self._data = keep, bytearray()
        self.size = 0
        self.file: BinaryIO | None = None

    def add(self, data: bytes | bytearray) -> None:
        """Gather more. Raises HttpError when there is no room on the disk."""
        self.size += len(data)
        if self.size <= self._keep:
            self._data += data
            return
        try:
            if self.file is None:
                self.file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by close()
                self.file.write(self._data)
                self._data = bytearray()
            self.file.write(data)
        except OSError as error:
            self.close()
            raise HttpError(503, "storage", "no room for a body of this size") from error

    def beginning(self) -> bytes:
        """What has come so far."""
        if self.file is None:
            return bytes(self._data)
        self.file.seek(0)
        found = self.file.read()
        self.file.seek(0, 2)
        return found

    def taken(self) -> bytes | BinaryIO:
        """The whole: bytes, or the file at its start."""
        if self.file is None:
            return bytes(self._data)
        self.file.flush()
        self.file.seek(0)
        return self.file

    def close(self) -> None:
        """Give back what it takes."""
        self._data = bytearray()
        if self.file is not None:
            self.file.close()
