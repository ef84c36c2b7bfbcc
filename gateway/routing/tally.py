"""Counts of what was said: translations by protocol and message, findings by outcome and rule.

Limits: since the start of this process; fates that a table implies (exact, converted) are not
counted, those that depend on values are.
"""

import threading
from collections import Counter, deque
from collections.abc import Sequence

from gateway.mapping.context import Note

_MANY = 100


class Tally:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.messages: Counter[str] = Counter()
        """Canonical requests answered, by class."""
        self._written: Counter[tuple[str, str]] = Counter()
        self._findings: Counter[tuple[str, str, str]] = Counter()
        self._noted: deque[tuple[str, str, Sequence[Note]]] = deque()

    @property
    def written(self) -> Counter[tuple[str, str]]:
        """Messages and objects written, by protocol and wire name."""
        self.count()
        return self._written

    @property
    def findings(self) -> Counter[tuple[str, str, str]]:
        """By protocol written, outcome and rule."""
        self.count()
        return self._findings

    def asked(self, name: str) -> None:
        """A request was answered."""
        with self._lock:
            self.messages[name] += 1

    def answered(
        self, protocol: str, operation: str, party: str, outcome: str, seconds: float
    ) -> None:
        """A request of a partner was answered; ``party`` is empty when nobody knows whose it was.

        For who keeps figures; like the ones below. All words are of tables or the configuration.
        """

    def sent(self, party: str, operation: str, outcome: str) -> None:
        """An attempt to deliver has ended."""

    def taken(self, party: str, seconds: float) -> None:
        """A delivery was taken, so long after it was owed."""

    def polled(self, party: str, what: str, outcome: str) -> None:
        """A partner was asked by schedule."""

    def noted(self, protocol: str, name: str, notes: Sequence[Note]) -> None:
        """A message or object was written. Counted when somebody looks, or when many were."""
        self._noted.append((protocol, name, notes))
        if len(self._noted) >= _MANY:
            self.count()

    def count(self) -> None:
        """Count what was noted since the last time."""
        with self._lock:
            fresh = [self._noted.popleft() for _ in range(len(self._noted))]
            written = Counter((protocol, name) for protocol, name, _ in fresh)
            findings = Counter[tuple[str, str, str]](
                (protocol, note.outcome, note.rule)
                for protocol, _, notes in fresh
                for note in notes
            )
            self._written += written
            self._findings += findings
            self._counted(written, findings)

    def _counted(
        self, written: Counter[tuple[str, str]], findings: Counter[tuple[str, str, str]]
    ) -> None:
        """What was counted just now."""
