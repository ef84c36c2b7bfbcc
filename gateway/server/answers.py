"""Answers out of the bytes of one connection to a partner.

Source: RFC 9112, chapters 4 to 7; RFC 9110, 15.2 (interim answers).
Limits: one answer for each request; what follows it unasked makes the connection useless. No
transfer coding but ``chunked``, no change of protocol.
Why: httptools reads the tokens and refuses what two readers could read in two ways; how much an
answer may be is counted here. No socket, no clock.
"""

import hashlib
import tempfile
from typing import Any, BinaryIO, cast

import httptools

from gateway.errors import BadAnswer
from gateway.http import HttpAnswer

FRAMING = 65536
"""Bytes that the chunks of a well-meant answer may cost besides its data, and as much again."""
HELD = 1024 * 1024
"""Bytes of a body up to which it is held, also where it may come in a file."""


class Answers:
    """Reads the answer to one request after the other."""

    def __init__(self, body: int, head: int, long: int) -> None:
        """The most bytes that a body, a head with the interim answers before it, and a body that
        may come in a file may have."""
        self._limits, self._head_limit = (body, long), head
        self._file: BinaryIO | None = None

    def expect(self, method: str, *, long: bool = False) -> None:
        """Begin with the answer to a request of this method; ``long``: it may come in a file."""
        self.drop()
        self._long, self._hash = long, hashlib.sha256()
        self._body_limit = self._limits[long]
        self._parser: Any = httptools.HttpResponseParser(self)
        self._of_head = method == "HEAD"
        self._fields: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._problem = ""
        self._received = self._size = 0
        self._most = self._head_limit
        self._headed = self._whole = self._excess = False

    @property
    def silent(self) -> bool:
        """Nothing has come yet."""
        return not self._received

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        said = self._fields.get("connection", "").lower()
        return (
            self._whole
            and not (self._excess or self._of_head or self._until_close)
            and self._parser.get_http_version() == "1.1"
            and "close" not in said
        )

    def feed(self, data: bytes) -> HttpAnswer | None:
        """The answer when these bytes end it. Raises BadAnswer."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._excess = True
            if not self._whole:
                raise BadAnswer("that is no answer in HTTP") from None
        if self._problem:
            raise BadAnswer(self._problem)
        if self._whole:
            return self._answer()
        if self._received > self._most:
            raise BadAnswer("the head of the answer, or its framing, is too large")
        return None

    def drop(self) -> None:
        """Forget what has come of an answer that does not end."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def end(self) -> HttpAnswer | None:
        """The answer, if it is one that ends with the connection."""
        return self._answer() if self._headed and self._until_close else None

    @property
    def _until_close(self) -> bool:
        framed = "content-length" in self._fields or "transfer-encoding" in self._fields
        bodiless = self._of_head or self._parser.get_status_code() in (204, 304)
        return not framed and not bodiless

    def _answer(self) -> HttpAnswer:
        status: int = self._parser.get_status_code()
        file, self._file = self._file, None
        if file is not None:
            hashed = self._hash.digest()
            return HttpAnswer(status=status, headers=self._fields, file=file, file_hash=hashed)
        return HttpAnswer(status=status, headers=self._fields, body=b"".join(self._parts))

    # httptools calls these

    def on_message_begin(self) -> None:
        self._excess = self._whole

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._whole:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")
        self._fields[key] = f"{self._fields[key]}, {text}" if key in self._fields else text

    def on_headers_complete(self) -> None:
        if self._whole:
            return
        if self._parser.get_status_code() < 200:
            self._fields = {}
            return
        self._headed = True
        self._most = self._head_limit + 2 * self._body_limit + FRAMING
        coding = self._fields.get("transfer-encoding", "chunked")
        if coding.lower() != "chunked":
            self._problem = f"the transfer coding {coding[:40]!r} is not known"
        self._whole = self._of_head

    def on_body(self, data: bytes) -> None:
        if self._whole:
            return
        self._size += len(data)
        if self._size > self._body_limit:
            self._parts.clear()
            self._problem = f"the answer has over {self._body_limit} bytes"
            return
        self._parts.append(data)
        if self._long and self._size > HELD:
            self._put_aside()

    def _put_aside(self) -> None:
        """What has come so far into the file."""
        try:
            if self._file is None:
                self._file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - kept
            for part in self._parts:
                self._file.write(part)
                self._hash.update(part)
        except OSError as error:
            self._problem = f"the answer cannot be put aside: {error.strerror}"
        self._parts.clear()

    def on_message_complete(self) -> None:
        self._whole = self._whole or self._headed
