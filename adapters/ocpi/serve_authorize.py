"""Real-time authorisation: may this token charge (here)?

Source: OCPI 2.2.1, Tokens module, POST of the Sender interface; 2002, 2004.
Answers: a known token is 1000 with ``allowed``, whatever that says; an unknown one HTTP 404 with
2004; a question that cannot be put to the home-CSP without a location 2002.
Limits: where the home-CSP's protocol answers without the token's record, the record is looked up,
and else made of what was asked, with ``#NA`` for what nobody knows.
"""

from typing import Any

from msgspec.structs import replace

from adapters.ocpi.envelope import Declined, Reply
from adapters.ocpi.merge import same
from adapters.ocpi.serve_objects import asked_type
from adapters.ocpi.serving import Asked, missing
from gateway.errors import Inexpressible, UnknownId
from gateway.model.base import PartyId
from gateway.model.message import (
    AuthorisationQuery,
    AuthorisationReply,
    ResultCode,
    TokenQuery,
)
from gateway.model.token import Allowed, Token, Whitelist


async def authorize(asked: Asked) -> Reply:
    uid = asked.params["token"]
    question: dict[str, Any] = {"token_uid": uid, "type": asked_type(asked.query) or "RFID"}
    if asked.body:
        question["location"] = asked.content()
    query: AuthorisationQuery = asked.codec.decode("question", question)
    query = replace(query, token=replace(query.token, owner=asked.directed))
    try:
        answer: AuthorisationReply = await asked.ask(query)
    except UnknownId as error:
        raise Declined(2004, error.problems, 404) from None
    except Inexpressible as error:
        if query.location_id is None:
            raise Declined(2002, f"the location is needed: {error}") from None
        raise
    if answer.allowed is Allowed.UNKNOWN_TOKEN or answer.result.code is ResultCode.INVALID_ID:
        raise missing("token", f"token {uid!r}")
    if answer.token is None:
        answer = replace(answer, token=await _record(asked, query, answer))
    return Reply(data=asked.json("authorisation", answer))


async def _record(asked: Asked, query: AuthorisationQuery, answer: AuthorisationReply) -> Token:
    found = await asked.ask(TokenQuery(uid=query.token.uid, owner=asked.directed))
    for token in found.tokens:
        if same(token.uid, query.token.uid) and token.kind is query.token.kind:
            return token  # type: ignore[no-any-return]
    return Token(
        uid=query.token.uid,
        kind=query.token.kind,
        contract_id=query.token.contract_id or "#NA",
        owner=query.token.owner or _home(asked),
        issuer="#NA",
        valid=answer.allowed is Allowed.ALLOWED,
        whitelist=Whitelist.NEVER,
        updated=asked.facts.now().replace(microsecond=0),
    )


def _home(asked: Asked) -> PartyId | None:
    """Who speaks as home-CSP towards this partner."""
    roles = [own for own in asked.options.we if own.role == "EMSP"] or list(asked.options.we)
    return roles[0].party if roles else None
