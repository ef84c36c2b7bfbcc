"""What the listener grants to one client and to all of them together.

Limits: every number has a default that is safe on the open network; sizes are bytes.
Why: each phase of a request has its own end, so that no client can hold a connection, memory or
the reactor for longer than its row says. The code in brackets is what the client is told.
"""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """One row per limit."""

    request_line: int = 8192
    """Request line (414 request-line)."""
    head: int = 32768
    """Request line and header fields together (431 head-size)."""
    fields: int = 100
    """Header fields (431 header-count)."""
    body: int = 16 * 1024 * 1024
    """Body of a route that has no limit of its own (413 body-size)."""
    held: int = 512 * 1024 * 1024
    """Bodies of all connections together (503 memory)."""
    held_of_one: int = 128 * 1024 * 1024
    """Of these the long ones of one known party (503 memory-of-one)."""
    spool: int = 1024 * 1024
    """A longer body goes into a file, on routes with a limit over ``body``."""
    spooled: int = 8 * 1024 * 1024 * 1024
    """Bodies in files, of all connections together (503 memory)."""
    spooled_of_one: int = 2 * 1024 * 1024 * 1024 + 64 * 1024 * 1024
    """Of these the ones of one known party (503 memory-of-one)."""
    unknown: int = 256 * 1024 * 1024
    """In memory and files together: long bodies of senders that are not known by their beginning
    (503 unknown-sender); one address gets half of it."""
    requests: int = 512
    """Requests with the handler (503, and the connection stays); more wait at their senders."""
    connections: int = 2000
    """Open connections (503 connections); a quarter more are told so, others just closed."""
    connections_of_one: int = 1000
    """Open connections from one address (503 connections)."""
    handshakes: float = 100
    """TLS handshakes a second from one address, in the long run (it is cut off: handshakes)."""
    handshakes_at_once: float = 1000
    """The same at once."""

    head_seconds: float = 10
    """From the first byte of a head, or from connecting, to its end (408 head-timeout). The TLS
    handshake is in it."""
    body_seconds: float = 30
    """For a body, and a second more for each ``body_rate`` bytes of it (408 body-timeout)."""
    body_rate: int = 65536
    answer_seconds: float = 120
    """For the handler, and a second more for each ``answer_rate`` bytes that it was sent (504
    answer-timeout)."""
    answer_rate: int = 256 * 1024
    write_seconds: float = 30
    """For the client to take what is buffered for it; then the connection is cut."""
    idle_seconds: float = 60
    """Between two requests; then the connection is closed."""
    linger_seconds: float = 2
    """For the client to close after an answer that ends the connection."""
    drain_seconds: float = 30
    """For everything in flight when the server stops."""

    @property
    def tick(self) -> float:
        """How often deadlines are looked at."""
        return min(
            1.0,
            min(
                self.head_seconds,
                self.body_seconds,
                self.answer_seconds,
                self.write_seconds,
                self.idle_seconds,
                self.linger_seconds,
                self.drain_seconds,
            )
            / 4,
        )
