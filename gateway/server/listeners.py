"""The sockets of the gateway, bound once for all processes that accept on them.

Why: whoever dies takes no client with it that has not been accepted yet; those wait in the socket
for the next process that takes one.
"""

import socket
from typing import NamedTuple

from gateway.server.board import Board
from gateway.server.options.values import Listen

BACKLOG = 511
"""Clients that wait to be accepted."""


class Listeners(NamedTuple):
    """Where partners connect, and where operators do."""

    public: socket.socket
    admin: socket.socket
    board: tuple[Board, int] | None = None
    """Where the processes say how many partners' clients they have; and the number of this one."""
    workers: int = 1
    """How many processes there are."""

    @classmethod
    def bound(cls, public: Listen, admin: Listen) -> "Listeners":
        """Listen on both addresses. Raises CannotListen."""
        first = _bound(public)
        try:
            return cls(first, _bound(admin))
        except CannotListen:
            first.close()
            raise

    @classmethod
    def inherited(
        cls, public: int, admin: int, board: int, number: int, workers: int
    ) -> "Listeners":
        """What another process has bound, for worker ``number`` of so many."""
        sockets = socket.socket(fileno=public), socket.socket(fileno=admin)
        return cls(*sockets, (Board(board), number), workers)


class CannotListen(Exception):
    """An address is taken or is none of this machine."""


def _bound(where: Listen) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(BACKLOG)
            found.setblocking(False)
        except OSError:
            found.close()
            raise
    except OSError as error:
        why = f"cannot listen on {where.host}:{where.port}: {error.strerror or error}"
        raise CannotListen(why) from None
    return found
