"""What parties say to each other, in any protocol: uploads, queries, decisions and their replies.

A request is answered by the reply class named in ``REPLIES``. These classes are the whole interface
between an adapter and the exchange, and between the exchange and a partner: ``ask(message) ->
reply``.
"""

from datetime import datetime
from enum import StrEnum

from gateway.model.base import Canonical, PartyId
from gateway.model.charging import Cdr, CdrState, Session
from gateway.model.location import Location, Text
from gateway.model.status import EvseStatus, ParkingStatus
from gateway.model.tariff import Tariff
from gateway.model.token import Allowed, Token, TokenRef


class Message(Canonical, frozen=True, kw_only=True):
    """Base of all messages."""


class ResultCode(StrEnum):
    """How a request ended (the canonical form of OCHP Result and OCPI status_code)."""

    OK = "ok"
    PARTLY = "partly"
    NOT_AUTHORIZED = "not-authorized"
    INVALID_ID = "invalid-id"
    SERVER = "server"
    FORMAT = "format"
    ROAMING = "roaming"


class Result(Canonical, frozen=True, kw_only=True):
    """The result of a request; ``at`` is when it was answered, where the protocol says so."""

    code: ResultCode
    text: str | None = None
    at: datetime | None = None


OK = Result(code=ResultCode.OK)


# -- uploads ---------------------------------------------------------------------------------


class LocationUpload(Message, frozen=True, kw_only=True):
    """Sites, new or changed; ``full``: these are all of the sender's sites."""

    locations: tuple[Location, ...]
    full: bool = False


class StatusUpload(Message, frozen=True, kw_only=True):
    """Live status; ``ttl`` holds for entries without their own."""

    evses: tuple[EvseStatus, ...] = ()
    parkings: tuple[ParkingStatus, ...] = ()
    ttl: datetime | None = None


class TariffUpload(Message, frozen=True, kw_only=True):
    tariffs: tuple[Tariff, ...]
    full: bool = False


class TariffRemoval(Message, frozen=True, kw_only=True):
    """Tariffs that hold no longer (OCPI DELETE)."""

    owner: PartyId
    ids: tuple[str, ...]


class TokenUpload(Message, frozen=True, kw_only=True):
    """Tokens, new or changed; ``full``: these are all of the sender's tokens."""

    tokens: tuple[Token, ...]
    full: bool = False


class SessionUpload(Message, frozen=True, kw_only=True):
    sessions: tuple[Session, ...]


class CdrUpload(Message, frozen=True, kw_only=True):
    cdrs: tuple[Cdr, ...]


class CdrRef(Canonical, frozen=True, kw_only=True):
    cdr_id: str
    evse_id: str | None = None


class CdrDecisions(Message, frozen=True, kw_only=True):
    """The home-CSP's word on CDRs (OCHP ConfirmCDRs)."""

    approved: tuple[CdrRef, ...] = ()
    declined: tuple[CdrRef, ...] = ()


class Receipt(Message, frozen=True, kw_only=True):
    """The answer to an upload or decision: the result and what was not taken, and why.

    The refused objects stand in the field of their kind; ``reasons`` are parallel texts.
    """

    result: Result = OK
    locations: tuple[Location, ...] = ()
    tariffs: tuple[Tariff, ...] = ()
    tokens: tuple[Token, ...] = ()
    cdrs: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


# -- queries ---------------------------------------------------------------------------------


class Page(Canonical, frozen=True, kw_only=True):
    """A window on a list: items ``offset`` to ``offset + limit`` in order of creation."""

    offset: int = 0
    limit: int | None = None


class LocationQuery(Message, frozen=True, kw_only=True):
    """Sites changed at or after ``since`` and before ``until``, or the one named ``id``."""

    since: datetime | None = None
    until: datetime | None = None
    owner: PartyId | None = None
    id: str | None = None
    page: Page | None = None


class LocationList(Message, frozen=True, kw_only=True):
    locations: tuple[Location, ...] = ()
    result: Result = OK
    total: int | None = None


class StatusScope(StrEnum):
    EVSE = "evse"
    PARKING = "parking"
    COMBINED = "combined"


class StatusQuery(Message, frozen=True, kw_only=True):
    since: datetime | None = None
    scope: StatusScope | None = None


class StatusList(Message, frozen=True, kw_only=True):
    """Live status. ``combined`` holds EVSE status merged with that of their parking spots."""

    combined: tuple[EvseStatus, ...] = ()
    evses: tuple[EvseStatus, ...] = ()
    parkings: tuple[ParkingStatus, ...] = ()
    result: Result = OK


class TariffQuery(Message, frozen=True, kw_only=True):
    since: datetime | None = None
    until: datetime | None = None
    owner: PartyId | None = None
    id: str | None = None
    page: Page | None = None


class TariffList(Message, frozen=True, kw_only=True):
    tariffs: tuple[Tariff, ...] = ()
    result: Result = OK
    total: int | None = None


class TokenQuery(Message, frozen=True, kw_only=True):
    since: datetime | None = None
    until: datetime | None = None
    owner: PartyId | None = None
    uid: str | None = None
    page: Page | None = None


class TokenList(Message, frozen=True, kw_only=True):
    tokens: tuple[Token, ...] = ()
    result: Result = OK
    total: int | None = None


class SessionQuery(Message, frozen=True, kw_only=True):
    since: datetime | None = None
    until: datetime | None = None
    owner: PartyId | None = None
    id: str | None = None
    page: Page | None = None


class SessionList(Message, frozen=True, kw_only=True):
    sessions: tuple[Session, ...] = ()
    result: Result = OK
    total: int | None = None


class CdrQuery(Message, frozen=True, kw_only=True):
    """CDRs for the asking home-CSP (``mine`` False) or those the asking CSO sent (``mine`` True).

    ``state`` None means the protocol's default queue: accepted and revised for a home-CSP,
    declined for a CSO (OCHP GetCDRs, CheckCDRs). ``peek``: who asks is not given what is found.
    """

    state: CdrState | None = None
    mine: bool = False
    peek: bool = False
    since: datetime | None = None
    until: datetime | None = None
    owner: PartyId | None = None
    id: str | None = None
    page: Page | None = None


class CdrList(Message, frozen=True, kw_only=True):
    cdrs: tuple[Cdr, ...] = ()
    result: Result = OK
    total: int | None = None


class AuthorisationQuery(Message, frozen=True, kw_only=True):
    """May this driver charge (here)?"""

    token: TokenRef
    location_id: str | None = None
    evse_uids: tuple[str, ...] = ()


class AuthorisationReply(Message, frozen=True, kw_only=True):
    """The answer; ``token`` is the full record where the protocol gives it."""

    result: Result = OK
    allowed: Allowed | None = None
    token: Token | None = None
    location_id: str | None = None
    evse_uids: tuple[str, ...] = ()
    authorization_reference: str | None = None
    info: Text | None = None


REPLIES: dict[type[Message], type[Message]] = {
    LocationUpload: Receipt,
    StatusUpload: Receipt,
    TariffUpload: Receipt,
    TariffRemoval: Receipt,
    TokenUpload: Receipt,
    SessionUpload: Receipt,
    CdrUpload: Receipt,
    CdrDecisions: Receipt,
    LocationQuery: LocationList,
    StatusQuery: StatusList,
    TariffQuery: TariffList,
    TokenQuery: TokenList,
    SessionQuery: SessionList,
    CdrQuery: CdrList,
    AuthorisationQuery: AuthorisationReply,
}
