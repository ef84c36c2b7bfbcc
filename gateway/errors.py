"""The error types of the gateway: whose fault it is, every problem at once, no wire code.

An adapter turns these into its protocol's codes in one table (``results.py``).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong: where (in the words of the message that came in) and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class GatewayError(Exception):
    """Something the gateway refuses or cannot do; carries every problem found, not only one."""

    def __init__(self, problems: str | Problem | Iterable[Problem] = ()) -> None:
        if isinstance(problems, str):
            problems = Problem("", problems)
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        super().__init__("; ".join(map(str, self.problems)))


def forget_frames(error: BaseException | None) -> None:
    """Forget where an error, and what led to it, was raised: who keeps an error keeps the locals of
    all that it went through."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def reason_code(error: Exception) -> str:
    """The rule that an error is about, for programs: its own ``rule`` or ``code``, else its class.

    >>> reason_code(NotPermitted("no"))
    'not-permitted'
    """
    for name in ("rule", "code"):
        own = getattr(error, name, None)
        if own and isinstance(own, str):
            return own
    return _HUMP.sub("-", type(error).__name__).lower()


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Malformed(GatewayError):
    """The partner's message breaks its own protocol."""


class TooLarge(Malformed):
    """The message is over a configured limit."""


class UnknownOperation(Malformed):
    """The message is none that this endpoint knows."""


class Inexpressible(GatewayError):
    """The message is right, but the target protocol cannot say it."""


class Untrusted(GatewayError):
    """Identity or signature does not hold."""


class Refused(GatewayError):
    """Understood and declined."""


class UnknownId(Refused):
    """An EVSE, contract, token, record or party that nobody here knows, or not the caller's own."""


class NotPermitted(Refused):
    """The caller has no role that may ask this."""


class NoRoute(Refused):
    """Nobody is connected who could receive this."""


class Busy(GatewayError):
    """There is more to do than can be done now; ``after`` so many seconds it may be asked again."""

    def __init__(self, reason: str, code: str = "busy", after: int = 1) -> None:
        self.code, self.after = code, after
        super().__init__(reason)


class Unreachable(GatewayError):
    """The other partner did not answer in time, or not at all."""


class TimedOut(Unreachable):
    """It was asked, and did not answer in time."""


class BadAnswer(GatewayError):
    """The other partner answered something that its protocol does not allow, or an error."""


class ConfigError(GatewayError):
    """The configuration cannot be used."""


class StoreUnavailable(GatewayError):
    """The database is full, locked, gone or damaged; nothing of the transaction was kept."""
