"""Requests out of the bytes of one connection.

Source: RFC 9112, chapters 2 to 7.
Limits: nothing is looked at before it is bounded: first the line, then the head, then the body as
its route allows. What the head tells of method, path, type and length is judged before the body.
Why: what waits behind a request stays bytes until it is its turn. Pure: no socket, no clock.
"""

from collections.abc import Callable
from typing import BinaryIO

from gateway.server.chunked import Chunked
from gateway.server.limits import Limits
from gateway.server.spool import Body
from gateway.server.wire import Head, HttpError, parse_head

FIRST = 64 * 1024
"""Bytes of a body that are taken of anybody; of who sends more it is asked who that is."""
REMEMBERED = 2048
"""Bytes of a head that is kept for the next request: most clients send the same one each time."""


class Intake:
    """Holds what a client has sent and gives it out request by request."""

    def __init__(self, limits: Limits, bound: Callable[[Head], int]) -> None:
        """``bound``: bytes that the body after a head may have; raises HttpError when the head
        alone is enough to refuse the request."""
        self._limits, self._bound = limits, bound
        self._buffer = bytearray()
        self._scanned = 0
        self._last: tuple[bytes, Head | None] = b"", None
        self._chunks: Chunked | None = None
        self._body: Body | None = None
        self.head: Head | None = None
        """Head of the request whose body is still coming."""
        self.continue_due = False
        """The client waits for ``100 Continue`` before it sends the body."""
        self._asked = False

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def unfinished(self) -> bool:
        """``take`` gave nothing yet, but would go on with what is here already."""
        return self._chunks is not None and self._chunks.unfinished

    @property
    def spooled(self) -> bool:
        """What comes goes into a file."""
        return self._body is not None and self._body.file is not None

    @property
    def asks(self) -> bool:
        """Before more is taken of this body, somebody has to say how much of it may come."""
        return not self._asked and self.head is not None and self._came > FIRST

    @property
    def _came(self) -> int:
        """Bytes of the body that are here."""
        return len(self._buffer) if self._body is None else self._body.size

    def beginning(self) -> bytes:
        """What is here of the body; short, because it is asked for as soon as ``asks``."""
        return bytes(self._buffer) if self._body is None else self._body.beginning()

    def granted(self, most: int, code: str, reason: str) -> None:
        """Take so much of this body and no more. Raises HttpError when more is announced."""
        self._asked = True
        assert self.head is not None
        if self.head.length > most or self._came > most:
            raise HttpError(413, code, reason)
        if self._chunks is not None:
            self._chunks.bound(most, HttpError(413, code, reason))

    def add(self, data: bytes) -> None:
        """Keep bytes that the client sent."""
        self._buffer += data

    def clear(self) -> None:
        """Forget everything; the connection ends."""
        self._buffer = bytearray()
        if self._body is not None:
            self._body.close()
        self._body = self._chunks = self.head = None

    def take(self) -> tuple[Head, bytes | BinaryIO] | None:
        """The next whole request, or None for want of bytes or of time. Raises HttpError."""
        if self.head is None:
            self.head = self._take_head()
            if self.head is None:
                return None
            self._begin_body(self.head)
        head = self.head
        body = self._take_body(head)
        if body is None:
            return None
        self.head, self._chunks, self._body, self.continue_due = None, None, None, False
        self._asked = False
        return head, body

    def _take_head(self) -> Head | None:
        buffer, limits = self._buffer, self._limits
        while buffer.startswith(b"\r\n"):  # RFC 9112, 2.2: empty lines before a request
            del buffer[:2]
        if not buffer or buffer == b"\r":
            return None
        if not b"A" <= buffer[:1] <= b"Z":
            raise HttpError(400, "head", "this is no HTTP request")
        end = buffer.find(b"\r\n\r\n", self._scanned)
        if end < 0:
            self._scanned = max(0, len(buffer) - 3)
            self._check_partial_head()
            return None
        self._scanned = 0
        if buffer.find(b"\r\n") > limits.request_line:
            raise HttpError(414, "request-line", f"over {limits.request_line} bytes")
        if end + 4 > limits.head:
            raise HttpError(431, "head-size", f"the request head is over {limits.head} bytes")
        data = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        if data != self._last[0]:
            head = parse_head(data, max_fields=limits.fields)
            if len(data) > REMEMBERED:
                return head
            self._last = data, head
        return self._last[1]

    def _check_partial_head(self) -> None:
        """Refuse at once what no further bytes can make a head."""
        buffer, limits = self._buffer, self._limits
        if buffer.count(b"\n") != buffer.count(b"\r\n"):
            raise HttpError(400, "line-ending", "an LF stands alone in the request head")
        line = buffer.find(b"\r\n")
        if (line if line >= 0 else len(buffer) - 1) > limits.request_line:
            raise HttpError(414, "request-line", f"over {limits.request_line} bytes")
        if len(buffer) > limits.head:
            raise HttpError(431, "head-size", f"the request head is over {limits.head} bytes")

    def _begin_body(self, head: Head) -> None:
        if not head.chunked and not head.length:
            return
        limit = self._bound(head)
        if head.length > limit:
            raise HttpError(413, "body-size", f"the body is over {limit} bytes")
        # only where bodies may be larger than is usual are they read from a file
        keep = self._limits.spool if limit > self._limits.body else float("inf")
        if head.chunked or head.length > keep:
            self._body = Body(keep)
        self._chunks = Chunked(limit, self._body) if head.chunked else None
        self.continue_due = head.expects_continue and not self._buffer

    def _take_body(self, head: Head) -> bytes | BinaryIO | None:
        if self._chunks is not None:
            return self._chunks.take(self._buffer)
        buffer, length = self._buffer, head.length
        if self._body is not None:
            piece = buffer[: length - self._body.size]
            del buffer[: len(piece)]
            self._body.add(piece)
            return self._body.taken() if self._body.size == length else None
        if len(buffer) < length:
            return None
        if len(buffer) == length:
            self._buffer = bytearray()
            return bytes(buffer)
        with memoryview(buffer) as view, view[:length] as part:
            body = bytes(part)
        del buffer[:length]
        return body
