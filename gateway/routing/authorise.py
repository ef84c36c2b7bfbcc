"""May this driver charge? From the stored token, or from the home-CSP at the moment of asking.

Source: OCPI 2.2.1, Tokens module, whitelist (ALWAYS, ALLOWED, ALLOWED_OFFLINE, NEVER) and real-time
authorisation; OCHP 1.4, GetSingleRoamingAuthorisation (the stored list).
Rules: where the whitelist leaves the choice, the stored token decides; where it does not, the
home-CSP is asked within its time; if it does not answer, the stored token decides when the
whitelist allows that offline, else there is no answer.
Limits: who presents a token that nobody has stored and whose provider is not named gets
``unknown``; nobody is asked.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from gateway.model.ids import contract_owner
from gateway.model.location import Text
from gateway.model.message import AuthorisationQuery, AuthorisationReply, Result, ResultCode
from gateway.model.token import Allowed, Token, Whitelist
from gateway.routing.home import candidates, plain
from gateway.routing.ledger import of_token
from gateway.routing.parties import Party
from gateway.routing.records import clean, is_hashed, party_of, unpack
from gateway.routing.work import Work

_MUST_ASK = frozenset({Whitelist.ALLOWED_OFFLINE, Whitelist.NEVER})
UNASKED = Text(text="the provider cannot be asked", language="eng")
REFUSED = Text(text="the provider refused the question", language="eng")


@dataclass(frozen=True)
class Case:
    """What the store says: the token, the home-CSP to be asked, and the question to ask it."""

    query: AuthorisationQuery
    token: Token | None = None
    ask: Party | None = None

    @property
    def offline(self) -> bool:
        """Whether the store may decide when the home-CSP does not."""
        return self.token is not None and self.token.whitelist is not Whitelist.NEVER


def look_up(work: Work, query: AuthorisationQuery) -> Case:
    """Find the token and who decides."""
    work.about_all(of_token(query.token))
    for row in candidates(work, query.token):
        code = party_of(row.owner)
        home = work.directory.provider_of(code, row.source)
        wanted = query.token.owner is None or clean(query.token.owner) == code
        if not (home and wanted and _may(work, home, row.owner)):
            continue
        token = unpack(Token, row.body)
        work.about_all(of_token(token))
        if is_hashed(token) and not is_hashed(query.token):
            # it is this one: who has presented the uid is answered with it
            shown = query.token
            token = replace(token, uid=shown.uid, representation=shown.representation)
        must = token.whitelist in _MUST_ASK and _answers(work, home)
        ref = replace(plain(work, query.token), contract_id=token.contract_id, owner=code)
        return Case(replace(query, token=ref), token, home if must else None)
    return _unlisted(work, query)


def _unlisted(work: Work, query: AuthorisationQuery) -> Case:
    """Nobody has listed the token; its provider may know it all the same."""
    ref = query.token
    named = clean(ref.owner) if ref.owner else None
    code = named or (contract_owner(ref.contract_id) if ref.contract_id else None)
    home = work.directory.provider_of(code)
    if code is None or home is None or not _may(work, home, str(code)):
        return Case(query)
    return Case(replace(query, token=replace(ref, owner=code)), None, home)


def _may(work: Work, home: Party, owner: str) -> bool:
    return work.directory.may(work.asker, home, "authorise", work.now, emsp_code=party_of(owner))


def _answers(work: Work, home: Party) -> bool:
    return home.habits.asked_live and work.linked(home)


def from_store(work: Work, case: Case) -> AuthorisationReply:
    """The answer when nobody is asked, or when who was asked did not answer."""
    token = case.token
    if token is None:
        return unknown()
    if not case.offline:
        return answer(case, Allowed.NOT_ALLOWED, token, UNASKED)
    return answer(case, _word(work, token), token)


def _word(work: Work, token: Token) -> Allowed:
    if token.valid is False:
        return Allowed.BLOCKED
    if token.expires is not None and token.expires <= work.now:
        return Allowed.EXPIRED
    return Allowed.ALLOWED


def answer(
    case: Case, allowed: Allowed, token: Token | None, info: Text | None = None
) -> AuthorisationReply:
    """An answer; the place is repeated only where charging is allowed there."""
    here = case.query if allowed is Allowed.ALLOWED else AuthorisationQuery(token=case.query.token)
    return AuthorisationReply(
        allowed=allowed,
        token=token,
        location_id=here.location_id,
        evse_uids=here.evse_uids,
        info=info,
    )


def unknown() -> AuthorisationReply:
    """Nobody knows this token."""
    result = Result(code=ResultCode.INVALID_ID, text="the token is not known")
    return AuthorisationReply(result=result, allowed=Allowed.UNKNOWN_TOKEN)


def refused(case: Case) -> AuthorisationReply:
    """The home-CSP declined the question itself."""
    return answer(case, Allowed.NOT_ALLOWED, case.token, REFUSED)
