"""Bytes arrive whole and in order, whether they fit into the socket at once or not."""

from typing import Any

import pytest
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol

from gateway.server.sending import send
from tests.support.gate import until

reactor: Any = installed
LARGE = bytes(range(256)) * 40_000
"""More than the sockets' buffers take."""


class Sender(Protocol):
    def connectionMade(self) -> None:
        self.factory.waiting.callback(self)  # type: ignore[union-attr]


class Reader(Protocol):
    def __init__(self) -> None:
        self.got = bytearray()
        self.ended = False

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Any = None) -> None:
        self.ended = True


async def _both() -> tuple[Any, Any, Reader]:
    """A port, the transport at its end, and the reader at the other one."""
    factory = Factory.forProtocol(Sender)
    factory.waiting = Deferred()  # type: ignore[attr-defined]
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    reader: Reader = await connectProtocol(endpoint, Reader())
    sender = await factory.waiting  # type: ignore[attr-defined]
    return port, sender.transport, reader


@pytest.mark.parametrize(
    "pieces",
    [[b"a", b"b"], [LARGE, b"end"], [b"a", LARGE, LARGE, b"b"], [b"", b"a", b""]],
    ids=["small", "large", "mixed", "nothing"],
)
async def test_all_arrives_in_order(pieces: list[bytes]) -> None:
    port, transport, reader = await _both()
    for piece in pieces:
        send(transport, piece)
    transport.loseConnection()
    await until(lambda: reader.ended, "all is read")
    assert bytes(reader.got) == b"".join(pieces)
    await port.stopListening()


async def test_whoever_has_gone() -> None:
    """No error comes up; the loop closes the connection."""
    port, transport, reader = await _both()
    reader.transport.abortConnection()  # type: ignore[union-attr]
    await until(lambda: reader.ended, "it is cut off")
    send(transport, LARGE)
    send(transport, LARGE)
    await until(lambda: not transport.connected, "the other end knows")
    send(transport, LARGE)
    await port.stopListening()
