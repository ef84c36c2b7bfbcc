"""The home-CSP's word at the moment of asking.

Source: OCPI 2.2.1, Tokens module, real-time authorisation; "Status codes" of a hub (4000, 4002,
4003).
Rules: who does not answer in time, or answers what cannot be read, has not given its word: the
store decides where the whitelist lets it, and else who asks is told that there is no word. A
refusal is a word.
Why: a "no" that the provider never said would keep a visited-CSO from its own rules for a provider
that is away.
"""

from gateway.adapter import Link
from gateway.errors import (
    BadAnswer,
    GatewayError,
    Inexpressible,
    Refused,
    TimedOut,
    UnknownId,
    Unreachable,
    Untrusted,
)
from gateway.model.message import AuthorisationReply
from gateway.model.token import Allowed
from gateway.routing import authorise, ledger
from gateway.routing.authorise import Case
from gateway.routing.parties import Party
from gateway.routing.runtime import Runtime

_SILENT = (Unreachable, BadAnswer, Untrusted)


async def ask(
    link: Link, runtime: Runtime, home: Party, case: Case, stored: AuthorisationReply, about: str
) -> tuple[AuthorisationReply | GatewayError, str]:
    """The home-CSP's answer within its time, else what the store allows, else why there is none;
    and the outcome.

    ``about``: the correlation id. Raises Inexpressible where only the home-CSP could have decided.
    """
    seconds = home.policy.answer_within.total_seconds()
    try:
        reply = await runtime.within(seconds, link.ask(case.query, about))
    except UnknownId:
        return authorise.unknown(), UnknownId.__name__
    except Refused as error:
        return authorise.refused(case), ledger.error_of(error)
    except _SILENT as error:
        return stored if case.offline else _no_word(error), ledger.error_of(error)
    except Inexpressible as error:
        if not case.offline or stored.allowed is not Allowed.ALLOWED:
            raise
        return stored, ledger.error_of(error)
    if not isinstance(reply, AuthorisationReply):
        return stored if case.offline else _no_word(BadAnswer()), BadAnswer.__name__
    return reply, ledger.outcome_of(reply)


def _no_word(error: GatewayError) -> GatewayError:
    """What who asks is told; addresses and details of the home-CSP are not its affair."""
    if isinstance(error, TimedOut):
        return TimedOut("the provider did not answer in time")
    if isinstance(error, Unreachable):
        return Unreachable("the provider cannot be reached")
    return BadAnswer("the provider gave no usable answer")
