"""Tokens of OCHP 1.4: RoamingAuthorisationInfo and EmtId.

Source: OCHP 1.4, chapter on the exchange of authorisation data; EmtId and RoamingAuthorisationInfo
classes.
Wire: the element is ``EmtId`` here and ``emtId`` elsewhere; an absent representation means plain.
Limits: OCHP knows until when a token is good, OCPI whether it is good now; a valid token is
exported for a year (option ``token_days``) and has to be exported again before that.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.ochp.kinds import (
    CONTRACT_ID,
    DATE_TIME,
    REPRESENTATION,
    TOKEN_SUBTYPE,
    TOKEN_TYPE,
    WIRE,
    fits,
)
from adapters.ochp.shape import (
    contract_text,
    owner_noted,
    shortened,
    whole,
)
from gateway.mapping.context import Context
from gateway.mapping.kinds import text
from gateway.mapping.listed import Candidate, Listed
from gateway.mapping.record import Record, Write, one, opt, value_at
from gateway.model.ids import contract_owner
from gateway.model.token import Representation, Token, TokenKind, TokenRef, Whitelist

_HEX = re.compile(r"[0-9A-Fa-f]+")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANCE = text(1, 512)


def spoken(token: Token) -> bool:
    """The token is in OCHP's shape: it has an expiry date."""
    return token.expires is not None


def uid(token: Any, ctx: Context) -> str:
    """A UID of hexadecimal digits in upper case, where the token came with its owner."""
    if token.owner is not None and _HEX.fullmatch(token.uid):
        return str(token.uid.upper())
    return str(token.uid)


def representation(token: Any, ctx: Context) -> Representation | None:
    """Written out for tokens of other protocols, which are plain."""
    if token.representation is None and token.owner is not None:
        return Representation.PLAIN
    return token.representation  # type: ignore[no-any-return]


def kind(field: str, target: str) -> Write:
    """The ``write`` of a token's kind: of no kind that OCHP knows, but with a contract id as uid,
    it is one of ISO 15118."""
    part = field.rpartition("/")[0]

    def write(obj: Any, ctx: Context) -> TokenKind:
        token = value_at(obj, part) if part else obj
        if token.kind is TokenKind.OTHER and fits(CONTRACT_ID, contract_text(token.uid, ctx)):
            ctx.approximated(field, target, "contract-as-15118")
            return TokenKind.ISO_15118
        return token.kind  # type: ignore[no-any-return]

    return write


def contract(token: Token, ctx: Context) -> str:
    """The contract id; in upper case where the token came with its owner."""
    if token.owner is None:
        return contract_text(token.contract_id, ctx)
    owner_noted(token.owner, contract_owner(token.contract_id), ctx, "owner", "contractId")
    return contract_text(token.contract_id, ctx).upper()


def expiry(token: Token, ctx: Context) -> datetime | None:
    """The expiry date; of a token that is merely valid or not: far ahead, or the epoch."""
    if token.expires is not None:
        return whole("expires", "expiryDate/DateTime")(token, ctx)  # type: ignore[no-any-return]
    if token.valid is None:
        return None
    ctx.approximated("valid", "expiryDate/DateTime", "expiry-of-valid")
    if not token.valid:
        return EPOCH
    days = int(ctx.options.get("token_days", 365))
    return ctx.facts.now().replace(microsecond=0) + timedelta(days=days)


def printed(token: Token, ctx: Context) -> str | None:
    """The number on the card. Being on the list says whitelist ALLOWED; other words are lost."""
    if token.whitelist is Whitelist.ALLOWED:
        ctx.carried("whitelist", "expiryDate", "on-the-list")
    elif token.whitelist is not None:
        ctx.dropped("whitelist", "on-the-list", "a token on the list may charge without a question")
    return _cut_number(token, ctx)  # type: ignore[no-any-return]


_cut_number = shortened("visual_number", "printedNumber", 150)


ROAMING_AUTHORISATION_INFO = Record(
    "RoamingAuthorisationInfo",
    Token,
    WIRE,
    "OCHP 1.4 RoamingAuthorisationInfo",
    (
        opt(
            "EmtId/@representation",
            "representation",
            REPRESENTATION,
            write=representation,
            rule="plain-representation",
        ),
        one("EmtId/instance", "uid", INSTANCE, write=uid, rule="upper-case"),
        one(
            "EmtId/tokenType",
            "kind",
            TOKEN_TYPE,
            write=kind("kind", "EmtId/tokenType"),
        ),
        opt("EmtId/tokenSubType", "rfid_kind", TOKEN_SUBTYPE),
        one(
            "contractId",
            "contract_id",
            CONTRACT_ID,
            write=contract,
            uses=("owner",),
            rule="contract-id-style",
        ),
        opt(
            "printedNumber",
            "visual_number",
            text(1, 150),
            write=printed,
            uses=("whitelist",),
        ),
        one(
            "expiryDate/DateTime",
            "expires",
            DATE_TIME,
            write=expiry,
            uses=("valid",),
            rule="expiry-of-valid",
        ),
    ),
)

EMT_ID = Record(
    "EmtId",
    TokenRef,
    WIRE,
    "OCHP 1.4 EmtId",
    (
        opt("@representation", "representation", REPRESENTATION, write=representation),
        one("instance", "uid", INSTANCE, write=uid, rule="upper-case"),
        one("tokenType", "kind", TOKEN_TYPE, write=kind("kind", "tokenType")),
        opt("tokenSubType", "rfid_kind", TOKEN_SUBTYPE),
    ),
    lost={"contract_id": "the question names the token alone"},
)


def tokens(*, needed: bool = False) -> Listed:
    """The tokens of a message that can stand in a roaming list."""

    def candidates(message: Any, ctx: Context) -> Iterator[Candidate]:
        for place, token in enumerate(message.tokens):
            yield Candidate(token, (f"tokens/{place}",), spoken(token), _skip(token))

    return Listed(ROAMING_AUTHORISATION_INFO, candidates, needed=needed)


def _skip(token: Token) -> tuple[str, str] | None:
    if token.whitelist is Whitelist.NEVER:
        return "never-on-a-list", "whitelist NEVER: the home-CSP is to be asked"
    if token.kind in (TokenKind.APP_USER, TokenKind.AD_HOC_USER):
        return "never-on-a-list", f"a token of kind {token.kind} is not on the list"
    return None
