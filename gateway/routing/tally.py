"""Counts of what was said: translations by protocol and message, findings by outcome and rule.

Limits: since the start of this process; fates that a table implies (exact, converted) are not
counted, those that depend on values are.
"""

import threading
from collections import Counter
from collections.abc import Sequence

from gateway.mapping.context import Note


class Tally:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.messages: Counter[str] = Counter()
        """Canonical requests answered, by class."""
        self.written: Counter[tuple[str, str]] = Counter()
        """Messages and objects written, by protocol and wire name."""
        self.findings: Counter[tuple[str, str, str]] = Counter()
        """By protocol written, outcome and rule."""

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
        """A message or object was written."""
        with self._lock:
            self.written[protocol, name] += 1
            for note in notes:
                self.findings[protocol, note.outcome, note.rule] += 1
