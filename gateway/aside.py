"""Long work beside short: it leaves the processor to the requests that are under way meanwhile.

Limits: within one process; ``begin`` and ``end`` are for the reactor's thread alone. Long work
rests at most ``SHARE`` times as long as it has worked: who answers slowly does not stop it.
Why: threads of one interpreter take turns, and a small request gives its turn away at each step (a
socket, a file, a statement): beside a list of a hundred thousand items it would have to wait for
its next turn a dozen times. Where they share a core, too, the kernel lets whoever runs go on for
milliseconds, unless it says that it can wait.
"""

import os
import time
from threading import Event

SHARE = 4
"""Seconds of rest for one of work, while something short is under way all the time."""
LONGEST = 0.05
"""Seconds of one rest."""
LEAST = 0.0005
"""Seconds of a rest that are worth it."""
SOON = 0.0003
"""Seconds after which it is the turn of another thread on this core, if one waits."""
QUIET = 1.0
"""Seconds after which nobody is taken to want something short."""

_under_way = 0
_ended = 0.0
_free = Event()
_free.set()


def begin() -> None:
    """Something short is wanted now."""
    global _under_way
    _under_way += 1
    _free.clear()


def end() -> None:
    """It is done."""
    global _under_way, _ended
    _under_way -= 1
    if not _under_way:
        _ended = time.monotonic()
        _free.set()


def is_quiet() -> bool:
    """Whether long work may be done in larger pieces, because nobody waits for their end."""
    return not _under_way and time.monotonic() - _ended > QUIET


def give_way() -> None:
    """Let another thread on this core go first, if one waits."""
    os.sched_yield()


class Aside:
    """Work in pieces, with a rest between two of them while something short is under way."""

    def __init__(self) -> None:
        self._since = self._gave_way = time.monotonic()
        self._due = 0.0
        """Seconds of rest that it owes."""

    def pause(self) -> None:
        """Rest until nothing short is under way, or as long as it owes. Blocks."""
        now = time.monotonic()
        if _free.is_set():
            if now - self._gave_way > SOON:
                give_way()
                self._gave_way = now
            return
        self._due = min(self._due + SHARE * (now - self._since), LONGEST)
        self._since = now
        if self._due >= LEAST:
            _free.wait(self._due)
            self._since = time.monotonic()
            self._due -= self._since - now
