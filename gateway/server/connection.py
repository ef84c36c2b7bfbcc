"""One connection of the listener: when to read, what to answer, how long to wait, when to close.

Source: RFC 9112, chapter 9 (persistence, pipelining, closing in two steps); RFC 9110, 10.1.1.
Limits: one request of a connection is with the handler at a time; what a client pipelines behind
it waits as bytes (about one read, then the socket is not read). A request that is with the handler
is finished even if its client has gone.
Why: answers in order then need no queue, and a client that sends but does not read stops itself:
while its answers are not taken, its requests are not either. Deadlines are plain numbers that the
server looks at once a tick; a timer per phase would cost as much as the request.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, BinaryIO

import structlog
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped]

from gateway.http import Begun, Request, Response, Welcome, correlation_id
from gateway.server.intake import Intake
from gateway.server.outgoing import INTERNAL, Outgoing, close_body
from gateway.server.sending import send
from gateway.server.wire import RETRY_AFTER, Head, HttpError, error_body, format_head
from gateway.step import STEP

if TYPE_CHECKING:
    from gateway.server.http import HttpServer

log = structlog.get_logger(__name__)

READ_AHEAD = 65536
"""Bytes kept for later while a request is answered."""

_NEVER = float("inf")


class Phase(enum.Enum):
    """What the connection waits for."""

    IDLE = "a request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    BEGUN = "the handler to say whether it wants the rest of a long body"
    ANSWER = "the handler"
    WRITE = "the client to take a streamed answer"
    CLOSING = "the client to close"
    CLOSED = "nothing"


_READING = (Phase.IDLE, Phase.HEAD, Phase.BODY)
_ENDING = (Phase.CLOSING, Phase.CLOSED)


@implementer(IPushProducer, IHalfCloseableProtocol)
class Connection(Protocol):
    """One client. ``transport`` is TCP, or TLS when ``secure``."""

    transport: Any

    def __init__(self, server: HttpServer, secure: bool) -> None:
        self._server, self._limits, self._now = server, server.limits, server.reactor.seconds
        self._secure, self._peer = secure, ""
        self._certificate: object | None = None
        self._chain: tuple[object, ...] = ()
        self._intake = Intake(server.limits, server.bound)
        self._phase = Phase.IDLE
        self._deadline = _NEVER  # of the phase
        self._stalled = _NEVER  # when the client must have read; _NEVER while it keeps up
        self._body_began, self._held, self._spooled = 0.0, 0, 0
        self._unknown: int | None = None  # what of these is of a sender that is not known
        self._sender = ""  # whose these are, once that is known
        self._serving: Deferred[None] | None = None
        self._turn: Deferred[None] | None = None
        self._advancing = self._advance_due = self._paused = self._eof = False

    @property
    def peer(self) -> str:
        """The client's address."""
        return self._peer

    # the transport calls these

    def connectionMade(self) -> None:
        self._peer = getattr(self.transport.getPeer(), "host", "")
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._wait_for(Phase.IDLE, self._limits.head_seconds)
        try:
            self._server.admit(self)
        except HttpError as error:
            self._refuse(error)

    def dataReceived(self, data: bytes) -> None:
        if self._phase in _ENDING:
            return  # read only so that no reset overtakes our last answer
        if self._phase is Phase.IDLE:
            self._wait_for(Phase.HEAD, self._limits.head_seconds)
        elif self._phase in (Phase.BODY, Phase.BEGUN):
            self._hold(len(data))
            if (error := self._no_room()) is not None:
                self._refuse(error)
                return
        self._intake.add(data)
        if self._advance_due:
            self._pace()
        else:
            self._advance()

    def readConnectionLost(self) -> None:
        """The client sends no more; what it has sent whole is still answered."""
        self._eof = True
        if self._phase is Phase.CLOSING:
            self.transport.loseConnection()
        else:
            self._advance()

    def writeConnectionLost(self) -> None:
        """The client has been sent everything; now it may close."""
        self._deadline = self._now() + self._limits.linger_seconds

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._phase = Phase.CLOSED
        self._intake.clear()
        self._release()
        self._take_turn()
        self._server.forget(self)
        if not isinstance(reason.value, (ConnectionDone, ConnectionLost, ConnectionAborted)):
            log.info("connection failed", peer=self._peer, reason=str(reason.value))

    def pauseProducing(self) -> None:
        """The client does not keep up: neither answers nor requests until it does."""
        self._stalled = self._now() + self._limits.write_seconds

    def resumeProducing(self) -> None:
        self._stalled = _NEVER
        self._take_turn()
        self._advance()

    def stopProducing(self) -> None:
        """The connection is lost; ``connectionLost`` says so too."""

    # the server calls these

    def check_deadline(self, now: float) -> None:
        """End what has lasted too long."""
        if now > self._stalled:
            log.info("client does not read", peer=self._peer)
            self.abort()
        elif now > self._deadline:
            self._expired(now)

    def finish(self) -> None:
        """The server stops: close now if nothing is under way, else after the next answer."""
        if self._phase is Phase.IDLE:
            self._close_quietly()

    def abort(self) -> None:
        """Cut the connection."""
        if self._phase is not Phase.CLOSED:
            self.transport.abortConnection()

    def _expired(self, now: float) -> None:
        if self._phase is Phase.IDLE:
            self._close_quietly()
        elif self._phase is Phase.HEAD:
            self._refuse(HttpError(408, "head-timeout", "the request head came too slowly"))
        elif self._phase is Phase.BODY:
            came = self._held + self._spooled
            granted = self._limits.body_seconds + came / self._limits.body_rate
            self._deadline = self._body_began + granted
            if now > self._deadline:
                self._refuse(HttpError(408, "body-timeout", "the request body came too slowly"))
        elif self._phase in (Phase.ANSWER, Phase.BEGUN):
            self._refuse(HttpError(504, "answer-timeout", "the gateway took too long"))
            if self._serving is not None:
                self._serving.cancel()
        else:
            self.abort()

    # requests

    def _advance(self) -> None:
        """Take a request, if one is due."""
        if self._advancing:
            return
        self._advancing = True
        try:
            self._take_request()
        except HttpError as error:
            self._refuse(error)
        finally:
            self._advancing = False
        self._pace()

    def _advance_later(self) -> None:
        """Go on when the other connections had their turn."""
        if not self._advance_due:
            self._advance_due = True
            self._server.reactor.callLater(0, self._advance_now)

    def _advance_now(self) -> None:
        self._advance_due = False
        self._advance()

    def _take_request(self) -> None:
        if self._phase not in _READING or self._stalled != _NEVER:
            return
        taken = self._intake.take()
        if taken is None:
            self._need_more()
        else:
            self._serve(*taken)

    def _need_more(self) -> None:
        """The request is not whole yet."""
        if self._eof and not self._intake.unfinished:
            self._close()
        elif self._intake.head is not None and self._phase is not Phase.BODY:
            self._body_began = self._now()
            self._wait_for(Phase.BODY, self._limits.body_seconds)
            self._hold(len(self._intake))
            if self._intake.continue_due:
                send(self.transport, b"HTTP/1.1 100 Continue\r\n\r\n")
        elif self._phase is Phase.HEAD and not self._intake:
            self._wait_for(Phase.IDLE, self._limits.idle_seconds)
        if self._intake.asks and self._server.begun is not None:
            self._ask_whether(self._server.begun)
        elif self._intake.unfinished:
            self._advance_later()

    def _ask_whether(self, begun: Begun) -> None:
        """Have it said whether the rest of a long body is wanted; until then none of it is read."""
        head = self._intake.head
        assert head is not None
        request = self._request(head, self._intake.beginning())
        self._wait_for(Phase.BEGUN, self._limits.answer_seconds)
        self._serving = self._server.cohort.start(self._begun(begun, head, request))

    async def _begun(self, begun: Begun, head: Head, request: Request) -> None:
        asked = self._now()
        try:
            said = await begun(request)
        except Exception as error:
            if self._phase is not Phase.BEGUN and isinstance(error, CancelledError):
                return  # by the deadline, which has been answered
            log.exception("handler failed", method=head.method, peer=self._peer)
            said = INTERNAL
        if self._phase is not Phase.BEGUN:
            return  # the client has gone
        if isinstance(said, Response):
            self._server.turned_away("sender")
            send(self.transport, self._outgoing(said, head, last=True).data)
            self._close()
            return
        self._wait_for(Phase.BODY, self._limits.body_seconds)
        self._body_began += self._now() - asked
        try:
            self._let_in(said)
        except HttpError as error:
            self._refuse(error)
        else:
            self._advance()

    def _let_in(self, said: Welcome) -> None:
        """Take the rest of a body, as far as was said. Raises HttpError."""
        if said.sender:
            self._sender = said.sender
            self._server.count(said.sender, self._held, self._spooled)
            self._intake.granted(said.most, "body-size", f"the body is over {said.most} bytes")
            if (error := self._no_room()) is not None:
                raise error
            return
        reason = f"over {said.most} bytes are taken of known senders only"
        self._intake.granted(said.most, "unknown-size", reason)
        self._unknown = 0
        self._count_unknown(self._held + self._spooled)
        if (error := self._no_room()) is not None:
            raise error

    def _serve(self, head: Head, body: bytes | BinaryIO) -> None:
        size = len(body) if isinstance(body, bytes) else self._spooled
        longer = size / self._limits.answer_rate
        self._wait_for(Phase.ANSWER, self._limits.answer_seconds + longer)
        self._serving = self._server.cohort.start(self._answer(head, self._request(head, body)))

    def _request(self, head: Head, body: bytes | BinaryIO) -> Request:
        if self._secure and self._certificate is None:
            shown = self.transport.getPeerCertificate()
            if shown is not None:
                self._certificate = shown.to_cryptography()
                chain = self.transport.getHandle().get_peer_cert_chain() or ()
                self._chain = tuple(each.to_cryptography() for each in chain)
        return Request(
            method=head.method,
            path=head.path,
            query=head.query,
            headers=head.headers,
            body=body if isinstance(body, bytes) else b"",
            file=None if isinstance(body, bytes) else body,
            peer=self._peer,
            secure=self._secure,
            client_certificate=self._certificate,
            client_chain=self._chain,
            gone=self._gone,
        )

    def _gone(self) -> bool:
        """Who sends no more may still read, but has hung up in most cases."""
        return self._eof or self._phase is Phase.CLOSED

    def _pace(self) -> None:
        """Read the socket only while there is room for what comes."""
        if self._phase is Phase.CLOSED:
            return
        taking = self._phase is Phase.CLOSING or (
            self._phase is Phase.BODY and self._stalled == _NEVER and not self._intake.unfinished
        )
        full = not taking and len(self._intake) >= max(READ_AHEAD, self._limits.head)
        if full != self._paused:
            self._paused = full
            if full:
                self.transport.pauseProducing()
            elif not self._eof:
                self.transport.resumeProducing()

    # answers

    async def _answer(self, head: Head, request: Request) -> None:
        """Ask the handler and write what it says. Unforeseen errors of handlers end here."""
        outgoing: Outgoing | None = None
        try:
            try:
                await STEP
                response = await self._server.answer(request)
            finally:
                if request.file is not None:
                    request.file.close()
            if self._phase is not Phase.ANSWER:
                close_body(response.body)  # the client has gone, or was told that it took too long
                return
            outgoing = self._outgoing(response, head)
            self._wait_for(Phase.WRITE, None)
            send(self.transport, outgoing.data)
            while not outgoing.ended:
                await self._next_turn()
                if self._phase in _ENDING:
                    outgoing.close()
                    return
                send(self.transport, outgoing.read())
        except Exception as error:
            if self._phase is Phase.CLOSING and isinstance(error, CancelledError):
                return  # by the deadline, which has been answered
            # the path may name a card
            log.exception("handler failed", method=head.method, peer=self._peer)
            if self._phase is not Phase.ANSWER:
                self.abort()  # a stream that stops short must not look complete
                return
            outgoing = self._outgoing(INTERNAL, head)
            send(self.transport, outgoing.data)
        self._answered(outgoing.keep_alive)

    def _outgoing(self, response: Response, head: Head, *, last: bool = False) -> Outgoing:
        last = last or self._server.draining or (self._eof and not self._intake)
        date_line = self._server.date_line()
        return Outgoing(response, head, keep_alive=not last, date_line=date_line, seconds=self._now)

    def _answered(self, keep_alive: bool) -> None:
        self._release()
        if not keep_alive or self._server.draining:
            self._close()
        elif self._phase not in _ENDING:
            if self._intake:
                self._wait_for(Phase.HEAD, self._limits.head_seconds)
            else:
                self._wait_for(Phase.IDLE, self._limits.idle_seconds)
            self._advance()

    def _next_turn(self) -> Deferred[None]:
        """Fires when the client has room again and the other connections had their turn."""
        turn = self._turn = Deferred()
        if self._phase is Phase.CLOSED or self._stalled == _NEVER:
            self._server.reactor.callLater(0, self._others_had_theirs)
        return turn

    def _others_had_theirs(self) -> None:
        if self._phase is Phase.CLOSED or self._stalled == _NEVER:
            self._take_turn()

    def _take_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.callback(None)

    # ends

    def _refuse(self, error: HttpError) -> None:
        """Answer with an error of this layer; the connection ends with it."""
        self._server.turned_away(error.code)
        headers, body = self._told(error)
        headers |= error.headers
        if error.status == 503:
            headers["Retry-After"] = RETRY_AFTER
        framing = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        framing = self._server.date_line() + framing
        send(self.transport, format_head(error.status, headers, framing) + body)
        self._close()

    def _told(self, error: HttpError) -> tuple[dict[str, str], bytes]:
        """What is answered, in the words of what the path belongs to; whoever writes it logs it."""
        head, page_for = self._intake.head, self._server.page_for
        if head is not None and page_for is not None:
            request = Request(
                method=head.method,
                path=head.path,
                headers=head.headers,
                peer=self._peer,
                sender=self._sender,
            )
            answer = page_for(head.path)(request, error.status, error.code, error.reason)
            return dict(answer.headers), answer.body if isinstance(answer.body, bytes) else b""
        about = {"peer": self._peer, "code": error.code, "reason": error.reason}
        if head is not None:
            about["correlation_id"] = correlation_id(head.headers)
        log.info("request refused", **about)
        return {"Content-Type": "application/json"}, error_body(error.code, error.reason)

    def _close(self) -> None:
        """Close once the client has what was written for it (RFC 9112, 9.6: in two steps)."""
        if self._phase in _ENDING:
            return
        self._release()
        self._intake.clear()
        self._stalled = _NEVER
        self._wait_for(Phase.CLOSING, self._limits.write_seconds)
        self.transport.unregisterProducer()
        if self._secure or self._eof:
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()
            self._pace()

    def _close_quietly(self) -> None:
        """Close a connection on which nothing is under way."""
        self._wait_for(Phase.CLOSING, self._limits.linger_seconds)
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _wait_for(self, phase: Phase, seconds: float | None) -> None:
        self._phase = phase
        self._deadline = _NEVER if seconds is None else self._now() + seconds

    def _hold(self, size: int) -> None:
        """Count memory, or disk, that a body takes."""
        held, spooled = (0, size) if self._intake.spooled else (size, 0)
        self._held += held
        self._spooled += spooled
        self._server.held += held
        self._server.spooled += spooled
        if self._sender:
            self._server.count(self._sender, held, spooled)
        if self._unknown is not None:
            self._count_unknown(size)

    def _count_unknown(self, size: int) -> None:
        assert self._unknown is not None
        self._unknown += size
        self._server.unknown[self._peer] += size

    def _no_room(self) -> HttpError | None:
        """Why no more of this body can be kept."""
        server, limits = self._server, self._limits
        if server.held > limits.held or server.spooled > limits.spooled:
            return HttpError(503, "memory", "too many large requests at once")
        if self._sender and (
            server.held_of[self._sender] > limits.held_of_one
            or server.spooled_of[self._sender] > limits.spooled_of_one
        ):
            return HttpError(503, "memory-of-one", "too many large requests of this party at once")
        if self._unknown is not None and (
            server.unknown[self._peer] > limits.unknown // 2
            or server.unknown.total() > limits.unknown
        ):
            reason = "too many large requests of senders that are not known"
            return HttpError(503, "unknown-sender", reason)
        return None

    def _release(self) -> None:
        """Give back the memory and the disk that the request was counted for."""
        self._server.held -= self._held
        self._server.spooled -= self._spooled
        if self._sender:
            self._server.count(self._sender, -self._held, -self._spooled)
            self._sender = ""
        self._held = self._spooled = 0
        if self._unknown is not None:
            self._server.unknown[self._peer] -= self._unknown
            if not self._server.unknown[self._peer]:
                del self._server.unknown[self._peer]
            self._unknown = None
