"""Which role may ask what.

Source: IEC 63119-1 (visited-CSO, home-CSP, clearing house); OCHP 1.4, the operations of each
partner; OCPI 2.2.1, the roles of each module.
Limits: whose objects these are, and who may see them, is decided object by object (``work``).
Why: one table for all protocols; what an operation or a path is called cannot open another way.
"""

from collections.abc import Mapping

from gateway.errors import NotPermitted
from gateway.model import message as m
from gateway.routing.parties import CPO_SIDE, EMSP_SIDE, Party

_CPO = frozenset({"cpo", "hub"})
_EMSP = frozenset({"emsp", "hub"})

ASKED_BY: Mapping[type[m.Message], frozenset[str]] = {
    m.LocationUpload: _CPO,
    m.StatusUpload: CPO_SIDE,
    m.TariffUpload: _CPO,
    m.TariffRemoval: _CPO,
    m.SessionUpload: _CPO,
    m.CdrUpload: _CPO,
    m.TokenQuery: _CPO,
    m.AuthorisationQuery: _CPO,
    m.TokenUpload: _EMSP,
    m.CdrDecisions: _EMSP,
    m.CdrQuery: _EMSP,
    m.SessionQuery: _EMSP,
    m.LocationQuery: EMSP_SIDE,
    m.StatusQuery: EMSP_SIDE,
    m.TariffQuery: EMSP_SIDE,
}
"""By canonical request: the roles of which the caller has to have one."""
OWNED_BY: Mapping[type[m.Message], frozenset[str]] = {
    m.TokenQuery: _EMSP,
    m.CdrQuery: _CPO,
    m.SessionQuery: _CPO,
    m.LocationQuery: CPO_SIDE,
    m.StatusQuery: CPO_SIDE,
    m.TariffQuery: _CPO,
}
"""The roles that may ask a question about what they sent themselves."""


def check_role(party: Party, message: m.Message) -> None:
    """Raise ``NotPermitted`` when the party has no role that asks this."""
    kind = type(message)
    if kind not in ASKED_BY:
        return  # nothing that can be asked by anybody; the exchange says so
    roles, owning = ASKED_BY[kind], OWNED_BY.get(kind, frozenset())
    if getattr(message, "mine", False):
        roles = owning
    elif getattr(message, "owner", None) in party.codes:
        roles |= owning
    if not party.partner.roles & roles:
        own = ", ".join(sorted(party.partner.roles))
        raise NotPermitted(f"this request is not for {party.id} in the role {own}")
