"""How often something may happen, for each of many who do it.

Rules: a bucket of ``burst`` for each key fills at ``rate`` a second.
Limits: as many keys as ``_KEYS`` are told apart; when there are more, whoever has a full bucket is
forgotten, and all are when nobody has one.
Why: what has to be refused before anything is known of who asks can go by an address alone.
"""

from collections.abc import Callable

_KEYS = 10_000


class Pace:
    """Safe to use from one thread."""

    def __init__(self, rate: float, burst: float, seconds: Callable[[], float]) -> None:
        self._rate, self._burst, self._seconds = rate, burst, seconds
        self._left: dict[str, tuple[float, float]] = {}
        """What is left in a bucket, and when that was."""

    def take(self, key: str) -> bool:
        """Whether once more is in time."""
        now = self._seconds()
        left = self._now(key, now)
        if left < 1:
            return False
        if len(self._left) >= _KEYS and key not in self._left:
            self._forget(now)
        self._left[key] = left - 1, now
        return True

    def _now(self, key: str, now: float) -> float:
        left, at = self._left.get(key, (self._burst, now))
        return min(self._burst, left + (now - at) * self._rate)

    def _forget(self, now: float) -> None:
        some = {key: of for key, of in self._left.items() if self._now(key, now) < self._burst}
        self._left = some if len(some) < _KEYS else {}
