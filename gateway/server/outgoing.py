"""An answer as the bytes that go out, at once or piece by piece.

Source: RFC 9112, chapter 6 (which framing an answer has) and 7.1 (chunked); RFC 9110, 9.3.2 (HEAD).
Limits: an iterator is sent chunked, to HTTP/1.0 until the connection closes. ``Content-Length``,
``Transfer-Encoding``, ``Connection`` and ``Date`` are the listener's; a handler's are left out.
Why: an iterator may do work for every item, so it is read in slices of time as well as of size.
"""

from collections.abc import Callable, Iterator

from gateway.http import Response
from gateway.server.wire import Head, error_body, format_head

PIECE = 65536
"""Bytes of a streamed answer that are gathered into one write."""
SLICE_SECONDS = 0.002
"""How long gathering may hold the reactor before others get their turn."""

INTERNAL = Response(
    status=500,
    headers={"Content-Type": "application/json"},
    body=error_body("internal", "the gateway failed to answer this request"),
)


class Outgoing:
    """One answer. ``data`` is what to write first; while not ``ended``, ``read`` gives more.

    Raises, before anything is written, what a wrong answer or the first items of its body raise.
    """

    def __init__(
        self,
        response: Response,
        head: Head,
        *,
        keep_alive: bool,
        date_line: str,
        seconds: Callable[[], float],
    ) -> None:
        body, bodiless = response.body, response.status in (204, 304)
        self._seconds = seconds
        self._body = body if isinstance(body, bytes) else iter(body)
        self._chunked = not isinstance(body, bytes) and not head.http_1_0
        self.ended = True
        streamed_1_0 = head.http_1_0 and not isinstance(body, bytes)
        self.keep_alive = keep_alive and head.keep_alive and not streamed_1_0
        framing = date_line
        if isinstance(body, bytes) and not bodiless:
            framing += f"Content-Length: {len(body)}\r\n"
        elif self._chunked and not bodiless and head.method != "HEAD":
            framing += "Transfer-Encoding: chunked\r\n"
        if not self.keep_alive:
            framing += "Connection: close\r\n"
        elif head.http_1_0:
            framing += "Connection: keep-alive\r\n"
        self.data = format_head(response.status, response.headers, framing + "\r\n")
        if bodiless or head.method == "HEAD":
            self.close()
        elif isinstance(body, bytes) and len(body) <= PIECE:
            self.data += body
        else:
            if isinstance(body, bytes):
                self._body = _slices(body)
            self.ended = False
            self.data += self.read()

    def read(self) -> bytes:
        """What the body gives within one slice of time, coded as the wire wants it."""
        assert not isinstance(self._body, bytes)
        pieces: list[bytes] = []
        size, until = 0, self._seconds() + SLICE_SECONDS
        for piece in self._body:
            pieces.append(piece)
            size += len(piece)
            if size >= PIECE or self._seconds() > until:
                break
        else:
            self.ended = True
        data = b"".join(pieces)
        if self._chunked:
            if data:
                data = b"%x\r\n%b\r\n" % (size, data)
            if self.ended:
                data += b"0\r\n\r\n"
        return data

    def close(self) -> None:
        """Let a generator that will not be read to its end clean up."""
        close_body(self._body)


def close_body(body: bytes | Iterator[bytes]) -> None:
    """Close a generator; other bodies need none of it."""
    close: Callable[[], None] | None = getattr(body, "close", None)
    if close is not None:
        close()


def _slices(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]
