"""The home-CSP's word at the moment of asking.

Source: OCPI 2.2.1, Tokens module, real-time authorisation.
Rules: who does not answer in time, or answers what cannot be read, has not given its word, and the
store decides; a refusal is a word.
"""

from gateway.adapter import Link
from gateway.errors import BadAnswer, Inexpressible, Refused, UnknownId, Unreachable, Untrusted
from gateway.model.message import AuthorisationReply
from gateway.model.token import Allowed
from gateway.routing import authorise, ledger
from gateway.routing.authorise import Case
from gateway.routing.parties import Party
from gateway.routing.runtime import Runtime

_SILENT = (Unreachable, BadAnswer, Untrusted)


async def ask(
    link: Link, runtime: Runtime, home: Party, case: Case, stored: AuthorisationReply, about: str
) -> tuple[AuthorisationReply, str]:
    """The home-CSP's answer within its time, else what the store allows; and the outcome.

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
        return stored if case.token else authorise.refused(case), ledger.error_of(error)
    except Inexpressible as error:
        if case.token is None or stored.allowed is not Allowed.ALLOWED:
            raise
        return stored, ledger.error_of(error)
    if not isinstance(reply, AuthorisationReply):
        return stored, BadAnswer.__name__
    return reply, ledger.outcome_of(reply)
