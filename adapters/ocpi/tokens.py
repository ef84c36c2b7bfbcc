"""Tokens, and the question whether a token may charge.

Source: OCPI 2.2.1 Tokens module (Token, LocationReferences, AuthorizationInfo); CDRs module
(CdrToken).
Wire: an authorize question has no object of its own; ``AUTHORIZE_QUESTION`` describes the call
``POST /tokens/{token_uid}/authorize?type=`` with its body under ``location``.
Limits: a uid that is only known as a hash cannot be sent: 40 and 64 hexadecimal digits exceed 36,
and nobody could match it. A token that has an expiry date and no word of now is valid until then.
"""

from typing import Any

from adapters.ocpi import fates
from adapters.ocpi.kinds import (
    ALLOWED_TYPE,
    PROFILE_TYPE,
    TOKEN_TYPE,
    UTC,
    WHITELIST_TYPE,
    WIRE,
    ci,
    key,
    listed,
    string,
)
from adapters.ocpi.languages import LANGUAGE
from adapters.ocpi.parts import DISPLAY_TEXT, OWNER
from gateway.mapping.context import Context
from gateway.mapping.kinds import BOOLEAN
from gateway.mapping.record import Record, inline, one, opt
from gateway.model.base import PartyId
from gateway.model.ids import contract_owner
from gateway.model.message import (
    AuthorisationQuery,
    AuthorisationReply,
    ResultCode,
)
from gateway.model.token import (
    Allowed,
    EnergyContract,
    Representation,
    Token,
    TokenKind,
    TokenRef,
    Whitelist,
)

NEAREST_TYPE = {
    TokenKind.REMOTE: TokenKind.APP_USER,
    TokenKind.ISO_15118: TokenKind.OTHER,
}


def owner(obj: Token | TokenRef, ctx: Context) -> PartyId | None:
    """The home-CSP: as said, else the provider that the contract id names."""
    if obj.owner is not None:
        return obj.owner
    party = contract_owner(obj.contract_id) if obj.contract_id else None
    if party is None:
        raise fates.cannot(ctx, "party_id", f"contract {obj.contract_id!r} names no provider")
    fates.party_of("contract_id", ctx)
    return party


def _is_plain(obj: Token | TokenRef, ctx: Context, path: str = "", target: str = "uid") -> bool:
    """Whether the uid is one that can be compared, not a hash."""
    if obj.representation is Representation.PLAIN:
        ctx.carried(f"{path}representation", target, "plain-uid", "a uid of OCPI is plain")
    return obj.representation in (None, Representation.PLAIN)


def plain_uid(obj: Token, ctx: Context) -> str:
    """A token's uid, if it is not a hash."""
    if not _is_plain(obj, ctx):
        raise fates.cannot(ctx, "uid", f"only the {obj.representation} hash of the uid is known")
    return obj.uid


def _valid(obj: Token, ctx: Context) -> bool | None:
    if obj.valid is not None or obj.expires is None:
        return obj.valid
    ctx.approximated("expires", "valid", "expiry-as-valid", "the date itself is not said")
    return ctx.facts.now() < obj.expires


def _issuer(obj: Token, ctx: Context) -> str | None:
    party = owner(obj, ctx)
    ctx.carried("owner/code" if obj.owner else "contract_id", "issuer", "issuer-of-owner")
    return (ctx.facts.party_name(party) or party.code)[:64] if party else None


ENERGY_CONTRACT = Record(
    "EnergyContract",
    EnergyContract,
    WIRE,
    "OCPI 2.2.1 Tokens, EnergyContract class",
    (
        one("supplier_name", "supplier_name", string(64)),
        opt("contract_id", "contract_id", string(64)),
    ),
)

TOKEN = Record(
    "Token",
    Token,
    WIRE,
    "OCPI 2.2.1 Tokens, Token object",
    (
        inline("owner", OWNER, write=owner, uses=("contract_id",)),
        one("uid", "uid", key(36), write=plain_uid, uses=("representation",)),
        one(
            "type",
            "kind",
            TOKEN_TYPE,
            write=fates.near("kind", "type", NEAREST_TYPE, "nearest-token-type"),
        ),
        one("contract_id", "contract_id", ci(36)),
        opt(
            "visual_number",
            "visual_number",
            string(64),
            write=fates.clipped("visual_number", "visual_number", 64),
        ),
        one("issuer", "issuer", string(64), default=_issuer, rule="issuer-of-owner"),
        opt("group_id", "group_id", ci(36)),
        one(
            "valid",
            "valid",
            BOOLEAN,
            write=_valid,
            uses=("expires",),
            default=lambda obj, ctx: True,
            rule="listed-is-valid",
        ),
        one(
            "whitelist",
            "whitelist",
            WHITELIST_TYPE,
            default=lambda obj, ctx: Whitelist.ALLOWED,
            rule="whitelist-allowed",
        ),
        opt("language", "language", LANGUAGE, write=fates.optional_language),
        opt("default_profile_type", "default_profile", PROFILE_TYPE),
        opt("energy_contract", "energy_contract", ENERGY_CONTRACT),
        one("last_updated", "updated", UTC, default=fates.now, rule=fates.RECEIPT),
    ),
)


def _uid_of_use(obj: TokenRef, ctx: Context) -> str:
    plain = _is_plain(obj, ctx)
    if plain and len(obj.uid) <= 36:
        return obj.uid
    rule = "uid-too-long" if plain else "uid-is-hash"
    ctx.dropped("uid", rule, "the contract id tells the customer")
    if not plain:
        ctx.dropped("representation", rule)
    ctx.defaulted("uid", "not-available")
    return "#NA"


CDR_TOKEN = Record(
    "CdrToken",
    TokenRef,
    WIRE,
    "OCPI 2.2.1 CDRs, CdrToken class",
    (
        inline("owner", OWNER, write=owner, uses=("contract_id",)),
        one("uid", "uid", key(36), write=_uid_of_use, uses=("representation",)),
        one(
            "type",
            "kind",
            TOKEN_TYPE,
            write=fates.near("kind", "type", NEAREST_TYPE, "nearest-token-type"),
        ),
        one("contract_id", "contract_id", ci(36)),
    ),
)

# -- authorize -------------------------------------------------------------------------------

_LOCATION = (
    opt(
        "location/location_id",
        "location_id",
        key(36),
        write=fates.agreed_id("location", "location_id"),
    ),
    opt(
        "location/evse_uids",
        "evse_uids",
        listed(key(36)),
        write=lambda obj, ctx: obj.evse_uids or None,
    ),
)


def _allowed(obj: AuthorisationReply, ctx: Context) -> Allowed | None:
    """The answer; where only a token came back, its presence and its expiry are the answer."""
    if obj.allowed is not None or obj.token is None:
        return obj.allowed
    expires, valid = obj.token.expires, obj.token.valid
    for field in ("result/code", "token/expires", "token/valid"):
        ctx.approximated(field, "allowed", "answer-of-token")
    if obj.result.code is not ResultCode.OK:
        return Allowed.NOT_ALLOWED
    if valid is False:
        return Allowed.BLOCKED
    if expires is not None and expires <= ctx.facts.now():
        return Allowed.EXPIRED
    return Allowed.ALLOWED


AUTHORIZATION_INFO = Record(
    "AuthorizationInfo",
    AuthorisationReply,
    WIRE,
    "OCPI 2.2.1 Tokens, AuthorizationInfo object",
    (
        one("allowed", "allowed", ALLOWED_TYPE, write=_allowed, uses=("result", "token")),
        one("token", "token", TOKEN),
        *_LOCATION,
        opt("authorization_reference", "authorization_reference", ci(36)),
        opt("info", "info", DISPLAY_TEXT),
    ),
)


def _asked_uid(obj: AuthorisationQuery, ctx: Context) -> Any:
    token = obj.token
    if not _is_plain(token, ctx, "token/", "token_uid"):
        raise fates.cannot(
            ctx, "token_uid", f"only the {token.representation} hash of the uid is known"
        )
    return token.uid


def _asked_type(obj: AuthorisationQuery, ctx: Context) -> TokenKind:
    kind = obj.token.kind
    if kind not in NEAREST_TYPE:
        return kind
    ctx.approximated("token/kind", "type", "nearest-token-type")
    return NEAREST_TYPE[kind]


AUTHORIZE_QUESTION = Record(
    "authorize",
    AuthorisationQuery,
    WIRE,
    "OCPI 2.2.1 Tokens, POST method of the Sender interface",
    (
        one("token_uid", "token/uid", key(36), write=_asked_uid, uses=("token/representation",)),
        one("type", "token/kind", TOKEN_TYPE, write=_asked_type),
        *_LOCATION,
    ),
    parts={"token": TokenRef},
    lost={
        "token/contract_id": "the home-CSP finds the contract by the token",
        "token/owner": "the call goes to the owner",
    },
)
