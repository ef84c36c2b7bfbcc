"""What one partner gets of the gateway: requests a second, requests at a time, requests that wait.

Source: RFC 6585, 4 (429); RFC 9110, 10.2.3 (Retry-After).
Rules: a bucket of ``burst`` requests fills at ``rate`` a second; of what is let in, ``concurrent``
are worked on and ``waiting`` wait for their turn in order of arrival. What is over is refused with
the time after which to come back; so is one whose client has hung up when its turn comes.
Limits: counted in each process by itself, of several each has its equal part of what is configured
(rounded up); asked once it is certain who the partner is, so that nobody can use up the share of
another.
Why: threads, database and reactor serve in order of arrival: without places of its own each partner
waits behind all that the busiest one has sent.
"""

from collections import deque
from collections.abc import Callable, Mapping
from math import ceil
from typing import NamedTuple

from msgspec import Struct
from twisted.internet.defer import Deferred

from gateway.adapter import Partner
from gateway.errors import Busy
from gateway.server.pace import Bucket


class Share(Struct, frozen=True, kw_only=True):
    """The limits of one partner."""

    rate: int
    """Requests a second, in the long run."""
    burst: int
    """Requests that may come at once."""
    concurrent: int
    """Requests that are worked on at the same time."""
    waiting: int
    """Requests that wait for their turn."""


class _Waits(NamedTuple):
    """A request that waits for its turn."""

    turn: "Deferred[None]"
    gone: Callable[[], bool]


class _Used:
    """What a partner has taken of its share."""

    def __init__(self, share: Share, now: float) -> None:
        self.share, self._bucket = share, Bucket(share.rate, share.burst, now)
        self.working = 0
        self.queue: deque[_Waits] = deque()

    def take(self, now: float) -> None:
        """Take a request out of the bucket; raises Busy."""
        if after := self._bucket.take(now):
            raise Busy("more requests a second than agreed", "rate", ceil(after))


class Shares:
    """The shares of all partners. ``own``: of those that have another than ``usual``."""

    def __init__(
        self, usual: Share, own: Mapping[str, Share], seconds: Callable[[], float]
    ) -> None:
        self._usual, self._own, self._seconds = usual, own, seconds
        self._used: dict[str, _Used] = {}

    def turn(self, gone: Callable[[], bool] = lambda: False) -> "Turn":
        """For one request; ``gone``: whether its client has hung up."""
        return Turn(self, gone)

    def used(self, partner: Partner) -> _Used:
        """The state of a partner; there are as many as configured parties."""
        found = self._used.get(partner.id)
        if found is None:
            share = self._own.get(partner.id, self._usual)
            found = self._used[partner.id] = _Used(share, self._seconds())
        return found

    async def enter(self, partner: Partner, gone: Callable[[], bool]) -> _Used:
        """Returns when it is the partner's turn; raises Busy."""
        used = self.used(partner)
        used.take(self._seconds())
        if used.working < used.share.concurrent:
            used.working += 1
            return used
        if len(used.queue) >= used.share.waiting:
            raise Busy("too many requests at once", "queue", 1)
        waits = _Waits(Deferred(lambda turn: used.queue.remove(waits)), gone)
        used.queue.append(waits)
        await waits.turn
        return used

    @staticmethod
    def leave(used: _Used) -> None:
        """Give the place to who waits longest."""
        while used.queue:
            next_one = used.queue.popleft()
            if not next_one.gone():
                next_one.turn.callback(None)
                return
            next_one.turn.errback(Busy("its client has hung up", "queue", 1))
        used.working -= 1


class Turn:
    """One request: let in at most once, and out again in any case."""

    def __init__(self, shares: Shares, gone: Callable[[], bool]) -> None:
        self._shares, self._gone = shares, gone
        self._used: _Used | None = None

    async def enter(self, partner: Partner) -> None:
        """Returns when it is this request's turn; raises Busy."""
        if self._used is None:
            self._used = await self._shares.enter(partner, self._gone)

    def leave(self) -> None:
        """The request is answered."""
        used, self._used = self._used, None
        if used is not None:
            self._shares.leave(used)
