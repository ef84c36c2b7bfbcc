"""How often something may happen, for each of many who do it.

Rules: a bucket of ``burst`` for each key fills at ``rate`` a second.
Limits: as many keys as ``_KEYS`` are told apart; when there are more, whoever has a full bucket is
forgotten, and all are when nobody has one.
Why: what has to be refused before anything is known of who asks can go by an address alone.
"""

from collections.abc import Callable

_KEYS = 10_000


class Bucket:
    """Full at first; holds ``burst`` and fills at ``rate`` a second."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at = float(burst), now

    def left(self, now: float) -> float:
        """How much is in it."""
        return min(self._burst, self._left + (now - self._at) * self._rate)

    def take(self, now: float) -> float:
        """Take one out of it; else the seconds after which there is one."""
        self._left, self._at = self.left(now), now
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0.0


class Pace:
    """Safe to use from one thread."""

    def __init__(self, rate: float, burst: float, seconds: Callable[[], float]) -> None:
        self._rate, self._burst, self._seconds = rate, burst, seconds
        self._buckets: dict[str, Bucket] = {}

    def take(self, key: str) -> bool:
        """Whether once more is in time."""
        now = self._seconds()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _KEYS:
                self._forget(now)
            bucket = self._buckets[key] = Bucket(self._rate, self._burst, now)
        return not bucket.take(now)

    def _forget(self, now: float) -> None:
        some = {key: of for key, of in self._buckets.items() if of.left(now) < self._burst}
        self._buckets = some if len(some) < _KEYS else {}
