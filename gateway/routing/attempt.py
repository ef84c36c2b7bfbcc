"""One attempt to send a message: whether it was taken, and if not, whether to try again.

Rules: out of reach, not trusted or an error at the partner's side may go better another time; what
the partner refuses, or cannot be said to it, will not.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from gateway.adapter import Link
from gateway.errors import BadAnswer, GatewayError, StoreUnavailable, Unreachable, Untrusted
from gateway.model.message import Message, ResultCode
from gateway.routing import ledger, sending

_TEMPORARY = (Unreachable, Untrusted, BadAnswer, StoreUnavailable)
_TEMPORARY_CODES = frozenset({ResultCode.SERVER, ResultCode.NOT_AUTHORIZED})


@dataclass(frozen=True)
class Effort:
    """How often and for how long something is tried."""

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(minutes=15)
    give_up: timedelta = timedelta(days=2)

    def pause(self, failures: int, chance: float) -> timedelta:
        """The pause after so many failures; ``chance`` in [0, 1) spreads it over its last half."""
        doubled: timedelta = self.first * 2 ** min(max(failures, 1) - 1, 20)
        return min(self.longest, doubled) * (0.5 + chance / 2)


class Failed(NamedTuple):
    """Why a delivery was not taken, and whether it may be another time."""

    reason: str
    outcome: str
    again: bool
    away: bool = False
    """The party is out of reach."""
    wait: timedelta | None = None
    """For how long the party has asked to be left alone."""


async def attempt(link: Link, message: Message, correlation: str) -> tuple[Failed | None, str]:
    """Why a message was not taken, and the outcome for the ledger."""
    try:
        reply = await link.ask(message, correlation)
    except GatewayError as error:
        outcome = ledger.error_of(error)
        again = isinstance(error, _TEMPORARY)
        away = isinstance(error, Unreachable | Untrusted)
        return Failed(f"{outcome}: {error}", outcome, again, away), outcome
    outcome = ledger.outcome_of(reply)
    found = sending.refusal(reply)
    if found is None:
        return None, outcome
    return Failed(found[1], outcome, found[0] in _TEMPORARY_CODES), outcome
