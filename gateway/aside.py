"""Long work beside short: it leaves the processor to those who ask meanwhile.

Limits: within one process. Nobody is held up for longer than ``LONGEST`` at a time.
Why: threads of one interpreter take turns, so a list of a hundred thousand items would make every
small request take many times as long for as long as it is read and stored.
"""

import time

LONGEST = 0.05
"""Seconds of one pause."""

QUIET = 1.0
"""Seconds after which nobody is taken to want something short."""

_asked = 0.0


def ask() -> None:
    """Something short is wanted now."""
    global _asked
    _asked = time.monotonic()


def is_quiet() -> bool:
    """Whether long work may be done in larger pieces, because nobody waits for their end."""
    return time.monotonic() - _asked > QUIET


class Aside:
    """Work in pieces, with a pause after each."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def pause(self) -> None:
        """Wait as long as the piece took, if something short was wanted meanwhile. Blocks."""
        now = time.monotonic()
        if _asked > self._begun:
            time.sleep(min(now - self._begun, LONGEST))
        self._begun = time.monotonic()
