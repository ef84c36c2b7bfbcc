"""The HTTP client: calls to partners, over connections that are kept.

Source: RFC 9110; redirects 15.4.8 and 15.4.9 (307, 308 keep method and body).
Limits: HTTP/1.1, no proxy, no cookies, no compression; only 307 and 308 to the same origin are
followed. Every call ends within its total time, every answer is bounded before it is kept. The
guard sees every URL before it is called, and every address before it is connected to.
Why: a partner that is slow, silent, endless or hostile costs one failed call and nothing else; the
error says what it did. ``server/calling.py`` holds one connection, ``server/answers.py`` its bytes.
"""

from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from msgspec import Struct
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout

from gateway.cohort import cohort_of
from gateway.errors import BadAnswer, GatewayError, Refused, TimedOut, Unreachable
from gateway.http import HttpAnswer, HttpCall
from gateway.server.calling import Calling, CallingFactory
from gateway.server.endpoints import ANYWHERE, Guard, GuardedEndpoints
from gateway.server.tls import ClientTls, client_tls
from gateway.step import STEP

__all__ = ["ANYWHERE", "Guard", "HttpAnswer", "HttpCall", "HttpClient", "Limits", "Timeouts"]

REDIRECTS = 3
_FOLLOWS = 2
"""Seconds within which the other end closes a connection that was closed in order."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""What may be asked again when a kept connection turns out to be closed."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_PORTS = {"http": 80, "https": 443}


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds. There is no way to wait for ever."""

    connect: float = 5
    total: float = 30
    """For the whole call, redirects and the last byte of the answer included."""
    idle: float = 15
    """How long an unused connection is kept."""


class Limits(Struct, frozen=True, kw_only=True):
    """Bytes and numbers that one partner may cost."""

    body: int = 16 * 1024 * 1024
    long: int = 2 * 1024 * 1024 * 1024
    """The same of a body that may come in a file."""
    head: int = 65536
    """Status line and header fields, interim answers included."""
    kept: int = 32
    """Unused connections kept for one origin."""


class HttpClient:
    """Makes calls over kept connections. ``guard`` refuses what must not be called.

    It sees every URL before it is called, redirects too, and every address that a name turns into.
    """

    def __init__(
        self,
        reactor: Any,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        tls: ClientTls | None = None,
        guard: Guard = ANYWHERE,
    ) -> None:
        self._reactor, self._guard = reactor, guard
        self._cohort = cohort_of(reactor)
        self._timeouts, self._limits = timeouts or Timeouts(), limits or Limits()
        self._tls = tls or client_tls()
        self._endpoints = GuardedEndpoints(reactor, self._tls, guard, self._timeouts.connect)
        self._kept: dict[str, list[Calling]] = {}
        self._sweep: Any = None

    async def fetch(self, call: HttpCall) -> HttpAnswer:
        """Ask, and wait for the whole answer.

        Raises Unreachable (no answer: no connection, TLS fails, too slow, broken off), BadAnswer
        (no HTTP, too large, a redirect that is not followed) or Refused (by the guard).
        """
        total = min(self._timeouts.total, call.timeout or self._timeouts.total)

        def too_slow(result: object, seconds: float) -> None:
            raise TimedOut(f"{_address(call.url).where} did not answer within {total:g} s")

        asked = self._cohort.start(self._follow(call))
        asked.addTimeout(total, self._reactor, onTimeoutCancel=too_slow)
        return await asked

    def close(self) -> Deferred[Any]:
        """Close the connections that are kept."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        kept = [each for some in self._kept.values() for each in some]
        self._kept.clear()
        for each in kept:
            each.cut()
        return DeferredList([each.closed for each in kept])

    async def _follow(self, call: HttpCall) -> HttpAnswer:
        url = call.url
        for _ in range(REDIRECTS + 1):
            answer = await self._once(call, _address(url))
            if answer.status not in (307, 308):
                return answer
            if answer.file is not None:
                answer.file.close()
            url = _redirected(url, answer.headers.get("location", ""))
        raise BadAnswer(f"{_address(url).where} redirected more than {REDIRECTS} times")

    async def _once(self, call: HttpCall, address: "_Address") -> HttpAnswer:
        self._guard.url(address.url)
        request = _request(call, address)
        kept = self._take(address.where)
        try:
            connection = kept or await self._connect(address)
            try:
                answer = await connection.ask(call.method, request, long=call.long)
            except ConnectionClosed:
                if kept is None or not kept.silent or call.method not in _SAFE or call.body:
                    raise
                connection = await self._connect(address)
                answer = await connection.ask(call.method, request, long=call.long)
        except (GatewayError, ConnectError, ConnectionClosed, DNSLookupError, SSL.Error) as error:
            raise _translated(error, address.where) from None
        except (VerificationError, CertificateError) as error:
            raise _translated(error, address.where) from None
        self._keep(address.where, connection)
        await STEP
        coding = answer.headers.get("content-encoding", "identity")
        if coding != "identity" and (answer.body or answer.file):
            if answer.file is not None:
                answer.file.close()
            raise BadAnswer(
                f"{address.where} answered in the coding {coding!r}, which was not asked for"
            )
        return answer

    # -- connections ---------------------------------------------------------------------------

    async def _connect(self, address: "_Address") -> Calling:
        limits = self._limits
        factory = CallingFactory(limits.body, limits.head, limits.long, self._tls.pins)
        connected: Calling = await self._endpoints.endpointForURI(address).connect(factory)
        return connected

    def _take(self, where: str) -> Calling | None:
        """A connection that is kept; the one that was used last, it is the least likely to end."""
        kept = self._kept.get(where)
        while kept:
            connection = kept.pop()
            if connection.usable:
                return connection
        return None

    def _keep(self, where: str, connection: Calling) -> None:
        kept = self._kept.setdefault(where, [])
        if not connection.usable or len(kept) >= self._limits.kept:
            self._leave(connection)
            return
        connection.since = self._reactor.seconds()
        kept.append(connection)
        if self._sweep is None:
            self._sweep = self._reactor.callLater(self._timeouts.idle, self._drop_idle)

    def _drop_idle(self) -> None:
        """Close what nobody has used for a while."""
        self._sweep = None
        before = self._reactor.seconds() - self._timeouts.idle
        for where, kept in list(self._kept.items()):
            for connection in kept:
                if connection.since <= before or not connection.usable:
                    self._leave(connection)
            self._kept[where] = [each for each in kept if each.usable]
            if not self._kept[where]:
                del self._kept[where]
        if self._kept:
            self._sweep = self._reactor.callLater(self._timeouts.idle / 2, self._drop_idle)

    def _leave(self, connection: Calling) -> None:
        """Close in order; cut it when the other end does not follow."""
        connection.leave()
        late = self._reactor.callLater(_FOLLOWS, connection.cut)
        connection.closed.addBoth(lambda _: late.cancel() if late.active() else None)


class _Address(Struct, frozen=True):
    """A URL taken apart."""

    url: str
    where: str
    """Its origin, which is what errors name."""
    scheme: bytes
    host: bytes
    port: int
    host_line: str
    target: str
    """Path and query."""


@lru_cache(4096)
def _address(url: str) -> _Address:
    """Raises Refused for a URL without an origin."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError:
        raise Refused("the URL is malformed") from None
    if not url.isascii() or not url.isprintable() or " " in url or not name:
        raise Refused("the URL is malformed")
    if "@" in parts.netloc:
        raise Refused("the URL holds a user name")
    usual = _PORTS.get(parts.scheme, 0)
    host = f"[{name}]" if ":" in name else name
    return _Address(
        url,
        f"{parts.scheme}://{host}:{port or usual}",
        parts.scheme.encode(),
        name.encode(),
        port or usual,
        host if port in (None, usual) else f"{host}:{port}",
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def _request(call: HttpCall, address: _Address) -> bytes:
    """The bytes of a request. Raises Refused."""
    lines = [
        f"{call.method} {address.target} HTTP/1.1",
        f"Host: {address.host_line}",
        "User-Agent: roamgate",
        *(f"{name}: {value}" for name, value in call.headers.items()),
    ]
    if call.body or call.method in _WITH_BODY:
        lines.append(f"Content-Length: {len(call.body)}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1 or "\0" in head:
        raise Refused("a header field holds a line break or NUL")
    return f"{head}\r\n\r\n".encode() + call.body


def _redirected(url: str, location: str) -> str:
    """Where a 307 or 308 leads. Raises BadAnswer unless that is the same origin."""
    try:
        target = urljoin(url, location)
        if location and _address(target).where == _address(url).where:
            return target
    except (Refused, ValueError):
        pass
    raise BadAnswer(f"{_address(url).where} redirected to another origin or nowhere")


def _translated(error: BaseException, where: str) -> Exception:
    """What went wrong, in our words."""
    if isinstance(error, GatewayError):
        return type(error)(f"{where}: {error}")
    if isinstance(error, ConnectTimeout):
        return Unreachable(f"{where} does not accept a connection in time")
    if isinstance(error, DNSLookupError):
        return Unreachable(f"{where}: the host name is not known")
    if isinstance(error, (VerificationError, CertificateError)):
        return Unreachable(f"{where}: TLS: the certificate is for another name")
    if isinstance(error, SSL.Error):
        reasons = [one[2] for one in error.args[0]] if error.args else []
        return Unreachable(f"{where}: TLS: {', '.join(reasons) or 'the connection was broken off'}")
    if isinstance(error, ConnectionClosed):
        return Unreachable(f"{where} closed the connection before its answer was complete")
    return Unreachable(f"{where}: {error}")
