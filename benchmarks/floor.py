"""What HTTP alone takes: ``python -m benchmarks.floor KIND PORT [OTHER]``.

``echo`` answers every request with the same bytes, on a Twisted Protocol over httptools; ``web``
does so on twisted.web, ``listener`` on our own listener; ``proxy`` passes body and answer on over
kept connections; ``partner`` is the OCHP provider at the end of the full hop, which gives the
token that it is asked for.
"""

import sys
from collections import deque
from typing import Any, ClassVar

import httptools
from twisted.internet import reactor
from twisted.internet.protocol import ClientFactory, Factory, Protocol

from benchmarks import samples
from gateway.demo import data

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
_ANSWER = samples.envelope(
    f'<GetSingleRoamingAuthorisationResponse xmlns="{samples.NS}"><result><resultCode><resultCode>'
    "ok</resultCode></resultCode><resultDescription/></result><roamingAuthorisationInfo>"
    '<EmtId representation="plain"><instance>@</instance><tokenType>rfid</tokenType></EmtId>'
    f"<contractId>{data.contract('DE', 'HOM', 1)}</contractId><printedNumber>HOM 00001"
    "</printedNumber><expiryDate><DateTime>2033-01-31T22:59:59Z</DateTime></expiryDate>"
    "</roamingAuthorisationInfo></GetSingleRoamingAuthorisationResponse>"
)
_BEFORE, _AFTER = _ANSWER.split(b"@")
_JSON = b'{"data":{"allowed":"ALLOWED"},"status_code":1000,"timestamp":"2030-01-01T00:00:00Z"}'


class Http(Protocol):
    """Reads requests or answers with httptools; ``complete`` is called for each."""

    make: Any = httptools.HttpRequestParser

    def connectionMade(self) -> None:
        self.parser, self.body = self.make(self), b""
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        self.complete(body)

    def complete(self, body: bytes) -> None:
        raise NotImplementedError

    def say(self, kind: bytes, body: bytes) -> None:
        self.transport.write(_HEAD % (kind, len(body), body))


class Echo(Http):
    def complete(self, body: bytes) -> None:
        self.say(b"text/xml", _ANSWER)


class Partner(Http):
    def complete(self, body: bytes) -> None:
        uid = body.partition(b"instance>")[2].partition(b"<")[0]
        self.say(b"text/xml", b"".join((_BEFORE, uid, _AFTER)))


class Behind(Http):
    """A connection to the partner."""

    make = httptools.HttpResponseParser
    idle: ClassVar[deque["Behind"]] = deque()
    waiting: ClassVar[deque["Proxy"]] = deque()
    asked: "Proxy | None" = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self.free()

    def complete(self, body: bytes) -> None:
        asked, self.asked = self.asked, None
        assert asked is not None
        asked.say(b"application/json", _JSON)
        self.free()

    def free(self) -> None:
        if self.waiting:
            self.ask(self.waiting.popleft())
        else:
            self.idle.append(self)

    def ask(self, asked: "Proxy") -> None:
        self.asked = asked
        self.transport.write(_QUESTION)


class Proxy(Http):
    def complete(self, body: bytes) -> None:
        if Behind.idle:
            Behind.idle.pop().ask(self)
        else:
            Behind.waiting.append(self)


_QUESTION = samples.http(
    "/ochp/1.4",
    samples.envelope(samples.question(7), "roamgate", "bench-out"),
    "GetSingleRoamingAuthorisation",
)


def _web() -> Any:
    from twisted.web.resource import Resource
    from twisted.web.server import Site

    class Leaf(Resource):
        isLeaf = True

        def render_POST(self, request: Any) -> bytes:
            request.content.read()
            request.setHeader(b"Content-Type", b"text/xml")
            return _ANSWER

    return Site(Leaf())


def _listener(loop: Any, port: int) -> None:
    from gateway.http import Request, Response
    from gateway.server.http import HttpServer, Limits

    async def answer(request: Request) -> Response:
        return Response(headers={"Content-Type": "text/xml"}, body=_ANSWER)

    HttpServer(answer, Limits(), loop).listen(port)


def main(kind: str, port: int, other: int = 0) -> None:
    loop: Any = reactor
    if kind == "listener":
        _listener(loop, port)
        return loop.run()
    made = {"echo": Echo, "partner": Partner, "proxy": Proxy}.get(kind)
    if kind == "proxy":
        for _ in range(16):
            loop.connectTCP("127.0.0.1", other, ClientFactory.forProtocol(Behind))
    factory = Factory.forProtocol(made) if made else _web()
    loop.listenTCP(port, factory, interface="127.0.0.1")
    return loop.run()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
