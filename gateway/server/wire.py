"""HTTP/1.x as bytes: the head of a request, the head of an answer.

Source: RFC 9112 (framing), RFC 9110 (fields, Expect, statuses).
Limits: stricter than the RFC where leniency only helps to smuggle: no obs-fold, no bare CR or LF,
no absolute-form target, no transfer coding but ``chunked``, no repeated field that carries
meaning once.
Why: httptools reads the tokens; where a message ends is decided here, from the checked head, so
nothing behind a message is parsed before the message is answered. Pure: no sockets, no clock.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

import httptools
import msgspec
from msgspec import Struct

_ONCE = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "content-type",
        "content-encoding",
        "authorization",
        "soapaction",
        "expect",
    }
)
_HOST = re.compile(r"[A-Za-z0-9._~\-]+(:\d{0,5})?|\[[0-9A-Fa-f:.]+\](:\d{0,5})?")
_VERSION = re.compile(rb"[!-~]+ [!-~]+ HTTP/\d\.\d")
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*")
_FRAMING_FIELDS = frozenset({"content-length", "transfer-encoding", "connection", "date"})
_REASONS = {status.value: status.phrase for status in HTTPStatus}


BUSY = "too much to do at the moment; try again a little later"
RETRY_AFTER = "5"
"""Seconds after which who was turned away may come again."""


class HttpError(Exception):
    """The request is refused at this layer: status, a code for programs, a reason for people."""

    def __init__(
        self, status: int, code: str, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {reason}")
        self.status, self.code, self.reason = status, code, reason
        self.headers = headers or {}


def error_body(code: str, reason: str) -> bytes:
    """The small JSON object that every error of this layer is answered with."""
    return msgspec.json.encode({"error": code, "reason": reason})


class Head(Struct, frozen=True):
    """A checked request head."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int
    """Bytes of the body; 0 when it is chunked."""
    chunked: bool
    keep_alive: bool
    http_1_0: bool
    expects_continue: bool


class _Fields:
    """What httptools calls back."""

    __slots__ = ("pairs", "url")

    def __init__(self) -> None:
        self.url = b""
        self.pairs: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))


def parse_head(data: bytes, *, max_fields: int) -> Head:
    """Read one request head; ``data`` ends with its empty line.

    Raises HttpError: the status says which rule was broken.
    """
    if not data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
        raise HttpError(400, "line-ending", "a CR or LF stands alone in the request head")
    line = data[: data.index(b"\r\n")]
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # an offer that RFC 9110, 7.8 lets us ignore; Java's client sends one by default
    except httptools.HttpParserInvalidMethodError:
        raise HttpError(501, "method", "unknown method") from None
    except httptools.HttpParserInvalidURLError:
        raise HttpError(400, "target", "the request target is malformed") from None
    except httptools.HttpParserError as error:
        if _VERSION.fullmatch(line) and not line.endswith((b"HTTP/1.1", b"HTTP/1.0")):
            raise HttpError(505, "version", "only HTTP/1.1 and HTTP/1.0 are spoken") from None
        raise HttpError(400, "head", f"malformed request head: {error}") from None
    method, target = parser.get_method().decode("ascii"), fields.url
    version = parser.get_http_version()
    if line != b"%b %b HTTP/%b" % (method.encode(), target, version.encode()):
        raise HttpError(400, "request-line", "malformed request line")
    if version not in ("1.1", "1.0"):
        raise HttpError(505, "version", "only HTTP/1.1 and HTTP/1.0 are spoken")
    if method == "CONNECT":
        raise HttpError(501, "method", "no tunnels are opened here")
    if not target.startswith(b"/") or b"#" in target:
        raise HttpError(400, "target", "the request target must be a path with an optional query")
    path, _, query = target.decode("ascii").partition("?")
    return _head(method, path, query, _joined(fields.pairs, max_fields), version == "1.0")


def _joined(pairs: list[tuple[bytes, bytes]], max_fields: int) -> dict[str, str]:
    """Fields by lower-case name; repeated ones joined as RFC 9110, 5.3 says."""
    if len(pairs) > max_fields:
        raise HttpError(431, "header-count", f"more than {max_fields} header fields")
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("ascii").lower()
        value = raw_value.decode("latin-1").strip(" \t")
        if name in headers:
            if name in _ONCE:
                raise HttpError(400, "repeated-header", f"header field {name} is repeated")
            value = headers[name] + ("; " if name == "cookie" else ", ") + value
        headers[name] = value
    return headers


def _head(method: str, path: str, query: str, headers: dict[str, str], http_1_0: bool) -> Head:
    """Check the fields that steer the connection and decide how long the body is."""
    host = headers.get("host")
    if host is None:
        if not http_1_0:
            raise HttpError(400, "host", "header field host is missing")
    elif not _HOST.fullmatch(host):
        raise HttpError(400, "host", "header field host is malformed")
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if length is not None:
            raise HttpError(400, "framing", "both content-length and transfer-encoding")
        if http_1_0:
            raise HttpError(400, "framing", "transfer-encoding in HTTP/1.0")
        if coding.lower() != "chunked":
            raise HttpError(501, "transfer-encoding", "the only transfer coding is chunked")
    if length is not None and not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise HttpError(400, "content-length", "content-length is no number of bytes")
    expect = None if http_1_0 else headers.get("expect")
    if expect is not None and expect.lower() != "100-continue":
        raise HttpError(417, "expect", "the only expectation is 100-continue")
    options = headers.get("connection")
    if options is None:
        keep_alive = not http_1_0
    else:
        tokens = {token.strip().lower() for token in options.split(",")}
        keep_alive = "close" not in tokens and (not http_1_0 or "keep-alive" in tokens)
    return Head(
        method,
        path,
        query,
        headers,
        int(length or 0),
        coding is not None,
        keep_alive,
        http_1_0,
        expect is not None,
    )


def format_head(status: int, headers: dict[str, str], framing: str) -> bytes:
    """The head of an answer. ``framing`` holds finished lines: length or coding, connection, date.

    The framing fields are the listener's alone; a handler's are left out. Raises ValueError on a
    field that would break out of its line, or a status outside 200-599.
    """
    if not 200 <= status <= 599:
        raise ValueError(f"status {status}")
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}"]
    for name, value in headers.items():
        if name.lower() in _FRAMING_FIELDS:
            continue
        field = f"{name}: {value}"
        if not _FIELD.fullmatch(field):
            raise ValueError(f"header field {name!r} holds a character that HTTP does not allow")
        lines.append(field)
    lines.append(framing)
    return "\r\n".join(lines).encode("latin-1")
