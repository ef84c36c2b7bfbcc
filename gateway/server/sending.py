"""Bytes that go to the socket at once.

Limits: plain TCP. TLS has bytes of its own before and around these.
Why: Twisted's ``write`` waits for the loop to say that there is room, which there nearly always is:
three calls of the kernel and a turn of the loop, a tenth of what a small request costs.
"""

from typing import Any

from twisted.internet.tcp import Connection


def send(transport: Any, data: bytes) -> None:
    """As ``transport.write``."""
    plain = isinstance(transport, Connection) and not transport.TLS
    if plain and transport.connected and not _ends(transport) and not _waits(transport):
        sent = transport.writeSomeData(data)
        if sent == len(data):
            return
        if isinstance(sent, int):  # else the connection is lost, which the loop finds out
            data = data[sent:]
    transport.write(data)


def _ends(transport: Any) -> bool:
    """Whether it was told to close or to be cut off."""
    return bool(transport.disconnecting or transport._aborting)


def _waits(transport: Connection) -> bool:
    """Whether something written before is still to go."""
    return bool(transport.dataBuffer or transport._tempDataBuffer)
