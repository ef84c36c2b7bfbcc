"""The chunked transfer coding of request bodies.

Source: RFC 9112, chapter 7.1.
Limits: chunk extensions and trailer fields are read, bounded and left out; no white space beside
a chunk size, no bare CR or LF. More framing than eight times the data is refused.
Why: a decoder of our own, so that it stops exactly where the body ends, and so that a byte of data
cannot cost a kilobyte of extensions.
"""

import re
from typing import BinaryIO

from gateway.server.spool import Body
from gateway.server.wire import HttpError

CHUNK_LINE = 256
"""Bytes of a chunk-size line with its extensions."""
TRAILERS = 8192
"""Bytes of all trailer fields of one body."""
FRAMING = 65536
"""Bytes of chunk framing that a body may always have, beside eight times its own length."""
AT_ONCE = 500
"""Lines and chunks that are read before others get their turn."""

_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,12}")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")


class Chunked:
    """Decodes a chunked body from a buffer that others fill; takes what it has understood."""

    def __init__(self, limit: int, body: Body | None = None) -> None:
        self.bound(limit, HttpError(413, "body-size", f"the body is over {limit} bytes"))
        self._body = body or Body(limit)
        self._rest = 0  # bytes of the current chunk that are still to come, with its CR LF
        self._framing = 0
        self.unfinished = False
        self._trailers = -1  # bytes of trailers so far; -1 before the last chunk

    def bound(self, limit: int, over: HttpError) -> None:
        """Take so many bytes; ``over``: what is said of more."""
        self._limit, self._over = limit, over

    def take(self, buffer: bytearray) -> bytes | BinaryIO | None:
        """Consume from what is there; the whole body once it is complete, else None.

        With ``unfinished`` there is more to consume already. Raises HttpError: bad chunking, or a
        body over the limit.
        """
        self.unfinished = False
        for _ in range(AT_ONCE):
            if not buffer:
                return None
            if self._rest:
                if not self._take_data(buffer):
                    return None
                continue
            end = buffer.find(b"\n", 0, CHUNK_LINE if self._trailers < 0 else TRAILERS)
            if end < 0:
                if len(buffer) >= (CHUNK_LINE if self._trailers < 0 else TRAILERS):
                    raise HttpError(400, "chunk", "a line of the chunked body is too long")
                return None
            line = bytes(buffer[: end + 1])
            del buffer[: end + 1]
            if line.count(b"\r") != 1 or not line.endswith(b"\r\n"):
                raise HttpError(400, "chunk", "a CR or LF stands alone in the chunked body")
            if self._trailers < 0:
                self._size_line(line[:-2])
            elif line == b"\r\n":
                return self._body.taken()
            else:
                self._trailer(line[:-2])
        self.unfinished = bool(buffer)
        return None

    def _take_data(self, buffer: bytearray) -> bool:
        """Move bytes of the current chunk; whether the chunk is complete."""
        if self._rest > 2:
            part = min(self._rest - 2, len(buffer))
            self._body.add(buffer[:part])
            del buffer[:part]
            self._rest -= part
        if self._rest > 2 or len(buffer) < 2:
            return False
        if not buffer.startswith(b"\r\n"):
            raise HttpError(400, "chunk", "a chunk is longer than its size says")
        del buffer[:2]
        self._rest = 0
        return True

    def _size_line(self, line: bytes) -> None:
        digits, _, extension = line.partition(b";")
        if not _CHUNK_SIZE.fullmatch(digits) or b"\0" in extension:
            raise HttpError(400, "chunk", "malformed chunk size")
        size = int(digits, 16)
        if self._body.size + size > self._limit:
            raise self._over
        self._framing += len(line) + 4
        if self._framing > FRAMING + 8 * self._body.size:
            raise HttpError(400, "chunk", "more chunk framing than data")
        if size:
            self._rest = size + 2
        else:
            self._trailers = 0

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line) + 2
        if self._trailers > TRAILERS:
            raise HttpError(431, "trailers", f"trailers are over {TRAILERS} bytes")
        if not _TRAILER.fullmatch(line):
            raise HttpError(400, "chunk", "malformed trailer field")
