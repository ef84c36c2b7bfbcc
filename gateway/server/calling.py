"""A connection to a partner: one request at a time, cut when it is of no more use.

Source: RFC 9112, chapter 9.
Limits: requests are not pipelined.
Why: Twisted's own client closes politely, which a partner that does not read can delay for ever,
puts no bound on header fields, and takes ten times as long as the rest of a call.
"""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer  # type: ignore[import-untyped]

from gateway.errors import BadAnswer, Unreachable
from gateway.http import HttpAnswer
from gateway.server.answers import Answers
from gateway.server.sending import send
from gateway.server.tls import Pins


@implementer(IHandshakeListener)
class Calling(Protocol):
    """One connection; it goes no further than the handshake with a certificate that is none of
    those pinned."""

    transport: Any

    def __init__(self, answers: Answers, pins: Pins) -> None:
        self._answers, self._pins = answers, pins
        self._waiting: Deferred[HttpAnswer] | None = None
        self._error: BaseException | None = None
        """Why it is of no more use."""
        self._gone = False
        self.since = 0.0
        """When it was put aside."""
        self.closed: Deferred[None] = Deferred()

    @property
    def usable(self) -> bool:
        """Whether the last answer leaves it open for another request."""
        return self._error is None and self._waiting is None and self._answers.reusable

    @property
    def silent(self) -> bool:
        """Nothing came for the last request: it may never have arrived."""
        return self._answers.silent

    def ask(self, method: str, request: bytes, *, long: bool = False) -> Deferred[HttpAnswer]:
        """Send a request; its answer, which may come in a file if it is ``long``. Fires with the
        error that ended the connection, else."""
        waiting = self._waiting = Deferred(lambda _: self.cut())
        self._answers.expect(method, long=long)
        if self._error is not None:
            self._fail(self._error)
        else:
            send(self.transport, request)
        return waiting

    def cut(self) -> None:
        """Close without waiting for the other end to read."""
        self._waiting, self._error = None, self._error or ConnectionAborted()
        self._answers.drop()
        if not self._gone:
            self.transport.abortConnection()

    def leave(self) -> None:
        """Close in order, while nothing is on its way: the other end reads an end, no reset."""
        self._error = self._error or ConnectionAborted()
        self.transport.loseConnection()

    # the transport calls these

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def handshakeCompleted(self) -> None:
        """TLS is up, and nothing has been sent yet."""
        shown = self.transport.getPeerCertificate
        if self._pins and not self._pins.fit(shown().to_cryptography()):
            self._fail(Unreachable("TLS: the certificate is none of those pinned"))
            self.cut()

    def dataReceived(self, data: bytes) -> None:
        if self._waiting is None:
            self.cut()  # nobody has asked
            return
        try:
            answer = self._answers.feed(data)
        except BadAnswer as error:
            self._fail(error)
            self.cut()
            return
        if answer is not None:
            self._end(answer)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._gone = True
        answer = self._answers.end() if self._waiting is not None else None
        error = reason.value or ConnectionAborted()
        if answer is not None:
            self._error = error
            self._end(answer)
        else:
            self._fail(error)
        self.closed.callback(None)

    def _end(self, answer: HttpAnswer) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        waiting.callback(answer)

    def _fail(self, error: BaseException) -> None:
        waiting, self._waiting = self._waiting, None
        self._answers.drop()
        self._error = self._error or error
        if waiting is not None:
            waiting.errback(Failure(error))


class CallingFactory(Factory):
    """Makes connections."""

    noisy = False

    def __init__(self, body: int, head: int, long: int, pins: Pins) -> None:
        self._limits, self._pins = (body, head, long), pins

    def buildProtocol(self, addr: Any) -> Calling:
        return Calling(Answers(*self._limits), self._pins)
