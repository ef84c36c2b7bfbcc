"""One HTTP request and one HTTP response, as the parts of the gateway hand them to each other.

Source: RFC 9110 for methods, statuses and header names.
Limits: the body of a request is whole (the listener has bounded it), in memory or in a file; a
response may be streamed.
Why: neither the listener nor the services should know each other's library.
"""

import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import BinaryIO

from msgspec import Struct

_SECONDS = re.compile(r"[0-9]{1,9}")
_CORRELATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def _stays() -> bool:
    return False


class Request(Struct, frozen=True, kw_only=True):
    """What a partner sent."""

    method: str
    path: str
    """The path as sent (percent-encoded), without the query; routers decode each segment."""
    query: str = ""
    """The raw query string, without ``?``."""
    headers: dict[str, str] = {}
    """Names in lower case; repeated headers joined by ``, ``."""
    body: bytes = b""
    file: BinaryIO | None = None
    """A body that was too long to be held; ``body`` is empty then. Closed after the answer."""
    peer: str = ""
    """Address of the other end, for logs."""
    sender: str = ""
    """The party that its beginning was found to be of, for logs."""
    secure: bool = False
    """It came over TLS."""
    client_certificate: object | None = None
    """The verified certificate of the other end, if it showed one."""
    client_chain: tuple[object, ...] = ()
    """Certificates that it showed with it."""
    gone: Callable[[], bool] = _stays
    """Whether whoever sent it has hung up since, as far as one can tell."""

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body) if self.file is None else self.file.seek(0, 2)


class Response(Struct, frozen=True, kw_only=True):
    """What it gets back. An iterator as body is sent piece by piece."""

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes | Iterator[bytes] = b""


class Welcome(Struct, frozen=True, kw_only=True):
    """What may still come of a long body, of which the beginning was looked at."""

    sender: str
    """The party that sends it; empty: that is not certain yet."""
    most: int
    """Bytes of the whole body."""


Begun = Callable[[Request], Awaitable[Welcome | Response]]
"""Asked about a request of whose body only the beginning is here: what may still come of it, or the
answer with which it ends."""
Handler = Callable[[Request], Awaitable[Response]]
"""Answers one request; run by ``Cohort.start``, so it may await Deferreds and ``STEP``."""


def media_type(headers: Mapping[str, str]) -> str:
    """The media type of a body in lower case, without its parameters; empty: none is given."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


class HttpCall(Struct, frozen=True, kw_only=True):
    """A request that we send to a partner. ``url`` is absolute; ``body`` empty means no body."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes = b""
    timeout: float | None = None
    """Total seconds for this call, when shorter than the client's own limit."""
    operation: str = ""
    """What the protocol calls it; for the ledger."""
    long: bool = False
    """Whether a long answer may come in a file."""


class HttpAnswer(Struct, frozen=True, kw_only=True):
    """What the partner answered; ``headers`` in lower case."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""
    file: BinaryIO | None = None
    """A body that is too long to be held; for whoever asked to close."""
    file_hash: bytes | None = None
    """Its SHA-256."""


def correlation_id(headers: Mapping[str, str]) -> str:
    """The ``X-Correlation-ID`` of a request, a new one where it is missing or no plain word."""
    given = headers.get("x-correlation-id", "")
    return given if _CORRELATION.fullmatch(given) else new_id()


def new_id() -> str:
    """A UUID of this moment (RFC 9562, version 7), made without the class for it.

    >>> len(new_id()), new_id()[14]
    (36, '7')
    """
    hex = ordered_hex()
    return f"{hex[:8]}-{hex[8:12]}-{hex[12:16]}-{hex[16:20]}-{hex[20:]}"


def ordered_hex() -> str:
    """The same as 32 hexadecimal digits. Those of one time stand together in an index: a database
    writes one page of it for many of them, where random ones take a page each. They tell apart and
    keep no secret, so the kernel is not asked for each."""
    digits = f"{random.getrandbits(72):018x}"
    return f"{time.time_ns() // 1_000_000:012x}7{digits[:3]}a{digits[3:]}"


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long an answer asks to wait (RFC 9110, 10.2.3: seconds or a date); None: it does not.

    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> retry_after({"retry-after": "120"}, now)
    datetime.timedelta(seconds=120)
    >>> retry_after({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, now)
    datetime.timedelta(seconds=30)
    >>> retry_after({"retry-after": "soon"}, now), retry_after({}, now)
    (None, None)
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return wait if wait > timedelta() else None
