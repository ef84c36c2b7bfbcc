"""The forms in which OCPI 2.2.1 says canonical messages.

Source: OCPI 2.2.1, transport chapter (request and response format) and every module.
Wire: an upload is a list of objects (a single object is read as a list of one); the reply of a list
is the list, alone or inside the response envelope. What OCPI says by method, path and query has no
body; an object describes it: ``{"module": "cdrs", "query": {"date_from": ...}}``,
``{"token_uid": ..., "type": ..., "location": {...}}``.
Limits: an object that cannot be said is left out of its list and reported; a message that is one
object is refused. OCPI answers object by object, so a partial success is an error here.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from adapters.ocpi import fates, sites
from adapters.ocpi.cdrs import CDR
from adapters.ocpi.kinds import COUNT, UTC, WIRE, key, listed, string, words
from adapters.ocpi.locations import EVSE_STATUS, LOCATION
from adapters.ocpi.results import code_of_result, result_of, status_code
from adapters.ocpi.sayable import Found, Key, said
from adapters.ocpi.sessions import SESSION
from adapters.ocpi.tariffs import TARIFF
from adapters.ocpi.tokens import AUTHORIZATION_INFO, AUTHORIZE_QUESTION, TOKEN
from gateway.adapter import Form
from gateway.mapping.context import Context
from gateway.mapping.record import Record, Row, Write, inline, many, one, opt
from gateway.model.base import PartyId
from gateway.model.message import (
    AuthorisationReply,
    CdrList,
    CdrQuery,
    CdrUpload,
    LocationList,
    LocationQuery,
    LocationUpload,
    Message,
    Page,
    Receipt,
    Result,
    ResultCode,
    SessionList,
    SessionQuery,
    SessionUpload,
    StatusList,
    StatusQuery,
    StatusUpload,
    TariffList,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
    TokenList,
    TokenQuery,
    TokenUpload,
)
from gateway.model.status import EvseStatus

_TRANSPORT = "OCPI 2.2.1 transport, response format"

# -- the envelope ----------------------------------------------------------------------------


def _nearest(unknown: int) -> Write:
    """The result code; several of them have one status code."""

    def write(obj: Result, ctx: Context) -> ResultCode:
        code = obj.code
        if result_of(code_of_result(code, unknown)) is not code:
            partly = code is ResultCode.PARTLY
            rule = "partly-is-an-error" if partly else "nearest-status-code"
            ctx.approximated("code", "status_code", rule)
        return code

    return write


def _result(unknown: int = 2000) -> Record:
    return Record(
        "response",
        Result,
        WIRE,
        _TRANSPORT,
        (
            one("status_code", "code", status_code(unknown), write=_nearest(unknown)),
            opt("status_message", "text", string(1000)),
            one("timestamp", "at", UTC, default=fates.now, rule=fates.RECEIPT),
        ),
    )


RESULT = _result()


def _told(obj: Receipt, ctx: Context) -> Result:
    """The result with the reasons of what was not taken in its text."""
    if not obj.reasons:
        return obj.result
    text = "; ".join(filter(None, (obj.result.text, *obj.reasons)))
    if len(text) > 1000:
        ctx.approximated("reasons", "status_message", "truncated")
    made = Result(code=obj.result.code, text=text[:1000], at=obj.result.at)
    reasons = (("text", f"reasons/{place}") for place in range(len(obj.reasons)))
    ctx.came_from(made, ("", "result"), ("text", "result/text"), *reasons)
    return made


_ONE_BY_ONE = "OCPI answers object by object; the reason is in the message"
RECEIPT = Record(
    "response",
    Receipt,
    WIRE,
    _TRANSPORT,
    (inline("result", RESULT, write=_told, uses=("reasons",)),),
    lost=dict.fromkeys(("locations", "tariffs", "tokens", "cdrs", "sessions"), _ONE_BY_ONE),
)

AUTHORIZATION_REFUSAL = Record(
    "response",
    AuthorisationReply,
    WIRE,
    _TRANSPORT,
    (inline("result", _result(unknown=2004), uses=("allowed",)),),
)

AUTHORIZATION_RESPONSE = Record(
    "AuthorizationInfo response",
    AuthorisationReply,
    WIRE,
    AUTHORIZATION_INFO.clause,
    (
        *(replace(row, wire=f"data/{row.wire}") for row in AUTHORIZATION_INFO.rows),
        inline("result", RESULT),
    ),
)

# -- lists -----------------------------------------------------------------------------------

_OF_ENVELOPE = {
    "result": "the envelope around the list says it",
    "total": "the header X-Total-Count says it",
    "full": "a list without date_from is complete",
    "ttl": "OCPI has no time to live of a status",
    "parkings": "OCPI 2.2.1 has no status of parking spots",
}


def _listed(
    name: str,
    field: str,
    record: Record,
    message: type[Message],
    find: Found | None = None,
    uses: tuple[str, ...] = (),
    key: Key | None = None,
) -> Record:
    """A message that is nothing but its list."""
    row = many(".", field, record, write=said(field, record, find, key), uses=uses, bare=True)
    return Record(name, message, WIRE, record.clause, (row,), lost=_OF_ENVELOPE)


def _enveloped(
    name: str,
    field: str,
    record: Record,
    message: type[Message],
    find: Found | None = None,
    key: Key | None = None,
    uses: tuple[str, ...] = (),
) -> Record:
    """A list in the response envelope."""
    rows = (
        many("data", field, record, write=said(field, record, find, key), uses=uses, bare=True),
        inline("result", RESULT),
    )
    return Record(name, message, WIRE, record.clause, rows, lost=_OF_ENVELOPE)


_Places = Iterator[tuple[EvseStatus, tuple[str, ...]]]


def _live(obj: StatusUpload, ctx: Context) -> _Places:
    """Each status with the time to live that the message has for all."""
    for place, status in enumerate(obj.evses):
        here = f"evses/{place}"
        if obj.ttl is not None and status.ttl is None:
            status = fates.changed(status, ttl=obj.ttl)
            ctx.came_from(status, ("", here), ("ttl", "ttl"))
        yield status, (here,)


def _all_status(obj: StatusList, ctx: Context) -> _Places:
    for field in ("combined", "evses"):
        for place, status in enumerate(getattr(obj, field)):
            here = f"{field}/{place}"
            ctx.came_from(status, ("", here))
            yield status, (here,)


# -- what method, path and query say ---------------------------------------------------------


def _module(name: str) -> Row:
    def write(obj: Any, ctx: Context) -> str:
        return name

    return one("module", "", words("ModuleID", name), write=write)


_PAGE = Record(
    "query",
    Page,
    WIRE,
    "OCPI 2.2.1 transport, pagination",
    (
        opt("query/offset", "offset", COUNT),
        opt("query/limit", "limit", COUNT),
    ),
)
_OWNER = Record(
    "path",
    PartyId,
    WIRE,
    "OCPI 2.2.1 client owned objects",
    (
        opt("path/country_code", "country", key(2)),
        opt("path/party_id", "code", key(3)),
    ),
)


def _query(name: str, module: str, message: type[Message], id_: str = "id") -> Record:
    """GET of a module: one object by its path, or a page of its list."""
    rows = (
        _module(module),
        inline("owner", _OWNER),
        opt("path/id", id_, key(39)),
        opt("query/date_from", "since", UTC),
        opt("query/date_to", "until", UTC),
        inline("page", _PAGE),
    )
    lost = {
        "state": "OCPI has no life cycle of a CDR",
        "mine": "the interface that is asked tells whose CDRs are meant",
    }
    return Record(name, message, WIRE, f"OCPI 2.2.1 {module} module, GET", rows, lost=lost)


def _status(obj: StatusQuery, ctx: Context) -> str:
    """Of EVSEs, whatever was asked for (parking spots alone cannot be asked for)."""
    if obj.scope is not None:
        ctx.dropped("scope", "evse-status-only", "status is part of a location")
    return "locations"


STATUS_QUERY = Record(
    "EVSE status query",
    StatusQuery,
    WIRE,
    "OCPI 2.2.1 locations module, GET",
    (
        one("module", "", words("ModuleID", "locations"), write=_status, uses=("scope",)),
        opt("query/date_from", "since", UTC),
    ),
)

TARIFF_REMOVAL = Record(
    "Tariff removal",
    TariffRemoval,
    WIRE,
    "OCPI 2.2.1 tariffs module, DELETE",
    (
        _module("tariffs"),
        one("method", "", words("method", "DELETE"), write=lambda obj, ctx: "DELETE"),
        inline("owner", _OWNER),
        one("path/ids", "ids", listed(key(36))),
    ),
)

# -- all forms -------------------------------------------------------------------------------


def _family(
    name: str,
    object_: str,
    field: str,
    record: Record,
    messages: tuple[type[Message], type[Message]],
    find: Found | None = None,
    key: Key | None = None,
) -> tuple[Form, ...]:
    upload, reply = messages
    records = (
        _listed(f"{name} list", field, record, upload, find, key=key),
        _listed(f"{name} page", field, record, reply, find, key=key),
        _enveloped(f"{name} response", field, record, reply, find, key),
    )
    return tuple(Form(each.name, each, object_) for each in records)


_FORMS = (
    *_family(
        "Location",
        "location",
        "locations",
        LOCATION,
        (LocationUpload, LocationList),
        sites.sites,
        sites.site,
    ),
    *_family("Tariff", "tariff", "tariffs", TARIFF, (TariffUpload, TariffList)),
    *_family("Token", "token", "tokens", TOKEN, (TokenUpload, TokenList)),
    *_family("Session", "session", "sessions", SESSION, (SessionUpload, SessionList)),
    *_family("CDR", "cdr", "cdrs", CDR, (CdrUpload, CdrList)),
    Form(
        "EVSE status list",
        _listed("EVSE status list", "evses", EVSE_STATUS, StatusUpload, _live, ("ttl",)),
        "status",
    ),
    Form(
        "EVSE status page",
        _listed("EVSE status page", "evses", EVSE_STATUS, StatusList, _all_status, ("combined",)),
        "status",
    ),
    Form(
        "EVSE status response",
        _enveloped(
            "EVSE status response",
            "evses",
            EVSE_STATUS,
            StatusList,
            _all_status,
            uses=("combined",),
        ),
        "status",
    ),
    Form("AuthorizationInfo", AUTHORIZATION_INFO, "authorisation"),
    Form("AuthorizationInfo response", AUTHORIZATION_RESPONSE, "authorisation"),
    Form("AuthorizationInfo refusal", AUTHORIZATION_REFUSAL, "authorisation"),
    Form("authorize", AUTHORIZE_QUESTION, "authorisation"),
    Form("response", RECEIPT, "receipt"),
    Form("Location query", _query("Location query", "locations", LocationQuery), "location"),
    Form("Tariff query", _query("Tariff query", "tariffs", TariffQuery), "tariff"),
    Form("Token query", _query("Token query", "tokens", TokenQuery, "uid"), "token"),
    Form("Session query", _query("Session query", "sessions", SessionQuery), "session"),
    Form("CDR query", _query("CDR query", "cdrs", CdrQuery), "cdr"),
    Form("EVSE status query", STATUS_QUERY, "status"),
    Form("Tariff removal", TARIFF_REMOVAL, "tariff"),
)
FORMS = {form.name: form for form in _FORMS}
