"""A listening socket on which several processes accept clients.

Limits: one client at a time, so that a burst of them does not stay with whoever is first.
Why: a client is left to the others for a moment when one of them should have it. When nobody takes
it, somebody hangs; then clients are taken as they come for a while.
"""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import tcp

LOOK, LOOKS = 0.005, 10
"""Seconds between two looks at whether another process has taken a client, and how many looks."""
FREE = 1.0
"""Seconds for which nobody is waited for after that."""


class SharedPort(tcp.Port):
    """``is_next`` says whether this process should take the next client."""

    numberAccepts = property(lambda self: 1, lambda self, most: None)
    is_next: Callable[[], bool]
    _looks, _free_until = 0, 0.0

    def doRead(self) -> None:
        port: Any = super()
        now = self.reactor.seconds()
        if now < self._free_until or self.is_next():
            self._looks = 0
            port.doRead()
        elif self._looks < LOOKS:
            self._looks += 1
            port.stopReading()
            self.reactor.callLater(LOOK, self._look_again)
        else:
            self._looks, self._free_until = 0, now + FREE
            port.doRead()

    def _look_again(self) -> None:
        port: Any = self
        if port.connected and not port.disconnecting:
            port.startReading()


def listen(
    reactor: Any, listening: socket.socket, factory: Any, is_next: Callable[[], bool]
) -> Any:
    """Begin to accept on a socket that listens already."""
    make: Any = SharedPort
    port = make._fromListeningDescriptor(reactor, listening.fileno(), listening.family, factory)
    port.is_next = is_next
    port.startListening()
    return port
