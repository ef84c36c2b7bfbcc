"""The HTTP/1.1 listener: connections in, requests to one handler, answers out.

Source: RFC 9110, RFC 9112. ``wire`` and ``chunked`` know the bytes, ``intake`` makes requests of
them, ``outgoing`` bytes of an answer, ``connection`` decides what happens when, ``limits`` what a
client is granted.
Limits: no HTTP/2, no upgrade, no compression; an absolute-form target is refused, proxies are
not served.
Why: SOAP and JSON partners send small requests, on which twisted.web spends ten times what the
rest of the gateway needs.
"""

import socket
import time
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Protocol, cast

import structlog
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory

from gateway.cohort import cohort_of
from gateway.http import Begun, Handler, Request, Response
from gateway.server import shared_port
from gateway.server.board import Board
from gateway.server.connection import Connection
from gateway.server.limits import Limits
from gateway.server.listeners import BACKLOG
from gateway.server.pace import Pace
from gateway.server.router import ErrorPage
from gateway.server.tls import ServerTls
from gateway.server.wire import BUSY, RETRY_AFTER, Head, HttpError, error_body

__all__ = ["HttpServer", "Limits"]


log = structlog.get_logger(__name__)

LATER_SECONDS = 1.0
"""Until a client is told that it should come again later."""
Tls = CertificateOptions | ServerTls


class Timer(Protocol):
    """A call that will be made later."""

    def active(self) -> bool: ...
    def cancel(self) -> None: ...


class Port(Protocol):
    """A socket that accepts clients."""

    def getHost(self) -> Any: ...
    def stopListening(self) -> Any: ...


class Reactor(Protocol):
    """What the listener needs of Twisted's reactor."""

    def seconds(self) -> float: ...
    def callLater(self, delay: float, callable: Callable[..., Any]) -> Timer: ...
    def listenTCP(self, port: int, factory: Any, backlog: int, interface: str) -> Port: ...


class _Connections(ServerFactory):
    """Makes a connection for each client of one port."""

    noisy = False

    def __init__(self, server: "HttpServer", secure: bool) -> None:
        self._server, self._secure = server, secure

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return Connection(self._server, self._secure)


class _TlsConnections(TLSMemoryBIOFactory):
    """The same over TLS. Who has begun too often is left before it costs an operation with our key;
    it cannot be told why."""

    noisy = False

    def __init__(self, server: "HttpServer", tls: Tls) -> None:
        super().__init__(cast(Any, tls), False, cast(Any, _Connections(server, True)))
        self._server = server

    def buildProtocol(self, addr: Any) -> Any:
        return super().buildProtocol(addr) if self._server.may_begin(addr) else None


async def _busy(request: Request) -> Response:
    """Where nobody knows better how to say it."""
    headers = {"Content-Type": "application/json", "Retry-After": RETRY_AFTER}
    return Response(status=503, headers=headers, body=error_body("busy", BUSY))


class HttpServer:
    """Serves ``handler`` on any number of ports; ``bound`` says how long the body after a head may
    be (or refuses it: HttpError), ``begun`` how much of a long one may still come, given its
    beginning; ``page_for(path)`` writes what is wrong with a request before the handler has it."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        reactor: Reactor,
        *,
        bound: Callable[[Head], int] | None = None,
        begun: Begun | None = None,
        page_for: Callable[[str], ErrorPage] | None = None,
        busy: Handler | None = None,
        turned_away: Callable[[str], None] = lambda code: None,
    ) -> None:
        """``busy`` answers instead of ``handler`` when there are too many requests already;
        ``turned_away`` is told the code of each request that the handler does not get."""
        self.page_for = page_for
        self.handler, self.limits, self.reactor = handler, limits, reactor
        self.cohort = cohort_of(reactor)
        self._busy, self.turned_away = busy or _busy, turned_away
        self.under_way = 0
        """Requests that are with the handler."""
        self.bound = bound or (lambda head: limits.body)
        self.begun = begun
        self.held = 0
        """Bytes of request bodies in memory."""
        self.spooled = 0
        """The same in files."""
        self.held_of: Counter[str] = Counter()
        self.spooled_of: Counter[str] = Counter()
        """Of both, what is long and of a party that is known by its beginning."""
        self.unknown: Counter[str] = Counter()
        """Of both, what is long and of a sender that nobody knows yet, by its address."""
        self.draining = False
        self._connections: set[Connection] = set()
        self._of: Counter[str] = Counter()
        """Connections by the address of the client."""
        self._handshakes = Pace(limits.handshakes, limits.handshakes_at_once, reactor.seconds)
        self._ports: list[Port] = []
        self._board: tuple[Board, int] | None = None
        self._tick: Timer | None = None
        self._drain_until = float("inf")
        self._drained: list[Deferred[None]] = []
        self._date = (0, "")

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._connections)

    def listen(self, port: int, interface: str = "127.0.0.1", tls: Tls | None = None) -> int:
        """Accept clients; the port in use (``port`` may be 0). Raises CannotListenError."""
        return self._started(self.reactor.listenTCP(port, self._factory(tls), BACKLOG, interface))

    def adopt(
        self,
        listening: socket.socket,
        tls: Tls | None = None,
        board: tuple[Board, int] | None = None,
    ) -> int:
        """Accept clients on a socket that listens already, for other processes too.

        ``board``: where they say how many they have, and the number of this one there.
        """
        self._board = board
        self._say()
        factory = self._factory(tls)
        return self._started(shared_port.listen(self.reactor, listening, factory, self._is_next))

    def _is_next(self) -> bool:
        """Whether the next client should be taken by this process."""
        return self._board is None or self._board[0].has_fewest(self._board[1])

    def _say(self) -> None:
        if self._board is not None and not self.draining:
            self._board[0].say(self._board[1], len(self._connections))

    def _factory(self, tls: Tls | None) -> Any:
        return _Connections(self, False) if tls is None else _TlsConnections(self, tls)

    def _started(self, port: Port) -> int:
        self._ports.append(port)
        if self._tick is None:
            self._tick = self.reactor.callLater(self.limits.tick, self._check_deadlines)
        return int(port.getHost().port)

    def drain(self, idle_seconds: float = 0) -> Deferred[None]:
        """Accept no more, finish what is in flight, close the rest; fires when all are closed.

        Clients that ask nothing now may do so for ``idle_seconds``; the answer tells them to go.
        """
        self.draining = True
        if self._board is not None:
            self._board[0].leave(self._board[1])
        self._drain_until = self.reactor.seconds() + self.limits.drain_seconds
        ports, self._ports = self._ports, []
        closed = DeferredList([maybeDeferred(port.stopListening) for port in ports])
        if idle_seconds:
            self.reactor.callLater(idle_seconds, self._finish)
        else:
            self._finish()
        return closed.addCallback(self._wait_for_connections)

    def _finish(self) -> None:
        for connection in list(self._connections):
            connection.finish()

    def _wait_for_connections(self, _: object) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._drained.append(waiting)
        if not self._connections:
            self._stop()
        return waiting

    # connections call these

    async def answer(self, request: Request) -> Response:
        """What the handler says, unless it has too much to do already.

        Who is told to come again later is told so a moment later: who asks again at once would
        have more refusals than the gateway has time for, and others no answers.
        """
        if self.under_way >= self.limits.requests:
            self.turned_away("busy")
            response = await self._busy(request)
        else:
            self.under_way += 1
            try:
                response = await self.handler(request)
            finally:
                self.under_way -= 1
        if "Retry-After" in response.headers and not self.draining:
            await self._moment()
        return response

    def _moment(self) -> Deferred[None]:
        over: Deferred[None] = Deferred(lambda _: late.cancel())
        late = self.reactor.callLater(LATER_SECONDS, lambda: over.callback(None))
        return over

    def may_begin(self, addr: IAddress | None) -> bool:
        """Whether there is a TLS handshake with another connection from this address."""
        peer = getattr(addr, "host", "")
        if self._handshakes.take(peer):
            return True
        self.turned_away("handshakes")
        log.info("connection refused", code="handshakes", peer=peer)
        return False

    def admit(self, connection: Connection) -> None:
        """Count a client in. Raises HttpError when there are too many."""
        self._connections.add(connection)
        self._say()
        most, now = self.limits.connections, len(self._connections)
        self._of[connection.peer] += 1
        own, of_one = self.limits.connections_of_one, self._of[connection.peer]
        if now > most + most // 4 + 1 or of_one > own + own // 4 + 1:
            connection.abort()
        elif of_one > own:
            raise HttpError(503, "connections-of-one", "too many connections from this address")
        elif now > most:
            raise HttpError(503, "connections", "too many connections at once")
        elif self.draining:
            raise HttpError(503, "stopping", "the gateway is being stopped")

    def count(self, sender: str, held: int, spooled: int) -> None:
        """Count bytes of a party's long bodies in, or out again."""
        for counter, size in ((self.held_of, held), (self.spooled_of, spooled)):
            counter[sender] += size
            if not counter[sender]:
                del counter[sender]

    def forget(self, connection: Connection) -> None:
        """Count a client out."""
        if connection in self._connections:
            self._of[connection.peer] -= 1
            if not self._of[connection.peer]:
                del self._of[connection.peer]
        self._connections.discard(connection)
        self._say()
        if self.draining and not self._connections:
            self._stop()

    def date_line(self) -> str:
        """The ``Date`` field, made once a second."""
        second = int(time.time())  # the reactor's seconds are no time of day
        if self._date[0] != second:
            self._date = (second, f"Date: {formatdate(second, usegmt=True)}\r\n")
        return self._date[1]

    def _check_deadlines(self) -> None:
        now = self.reactor.seconds()
        for connection in list(self._connections):
            if now > self._drain_until:
                connection.abort()
            else:
                connection.check_deadline(now)
        self._tick = self.reactor.callLater(self.limits.tick, self._check_deadlines)

    def _stop(self) -> None:
        if self._tick is not None and self._tick.active():
            self._tick.cancel()
        self._tick = None
        waiting, self._drained = self._drained, []
        for deferred in waiting:
            deferred.callback(None)
