"""The message bodies of OCHP 1.4, core and live: one record per root element.

Source: OCHP 1.4, the PDU tables of each chapter, and the message elements of the schema.
Wire: names follow no rule; ``roamingAuthorisationInfo`` and ``refused...`` without Array,
``TariffInfoArray`` with a capital, ``cdrId`` in ConfirmCDRs but ``CdrId`` in CDRInfo. A result's
description must stand there and may be empty.
Limits: no paging, no filter by party; what a query asks beyond that is noted as dropped.
"""

from typing import Any

from adapters.ochp import cdrs, locations, status, tariffs, tokens
from adapters.ochp.kinds import (
    CDR_ID,
    CDR_STATUS,
    DATE_TIME,
    EVSE_ID,
    RESULT_CODE,
    SCOPE,
    WIRE,
    fits,
)
from adapters.ochp.shape import shortened, whole
from gateway.errors import Inexpressible, Problem
from gateway.mapping.context import Context
from gateway.mapping.kinds import text
from gateway.mapping.record import Record, Row, Write, const, many, one, opt, some
from gateway.model import message as m
from gateway.model.token import Allowed, Token

RESULT = Record(
    "Result",
    m.Result,
    WIRE,
    "OCHP 1.4 Result",
    (
        one("resultCode/resultCode", "code", RESULT_CODE),
        one(
            "resultDescription",
            "text",
            text(0, 1000),
            write=shortened("text", "resultDescription", 1000),
            default=lambda result, ctx: "",
            rule="no-description",
        ),
    ),
)


def cdr_reference(ref: m.CdrRef, ctx: Context) -> str:
    return ctx.facts.wire_id("cdr", ref.cdr_id) or ref.cdr_id


CDR_REFERENCE = Record(
    "cdr reference",
    m.CdrRef,
    WIRE,
    "OCHP 1.4 ConfirmCDRs.req",
    (one("cdrId", "cdr_id", CDR_ID, write=cdr_reference), one("evseId", "evse_id", EVSE_ID)),
)


def implausible(receipt: m.Receipt, ctx: Context) -> tuple[str, ...]:
    """The refused records by the ids that the partner gave them."""
    made = []
    for place, each in enumerate(receipt.cdrs):
        said = ctx.facts.wire_id("cdr", each) or each
        if fits(CDR_ID, said):
            made.append(said)
        else:
            ctx.dropped(f"cdrs/{place}", "cdr-id-not-in-ochp", said)
    return tuple(made)


def _declined(reply: m.AuthorisationReply) -> bool:
    return reply.allowed not in (None, Allowed.ALLOWED)


def answer(reply: m.AuthorisationReply, ctx: Context) -> m.Result:
    """``ok`` with the record, or ``invalid-id`` with the reason as text.

    Raises Inexpressible for a token that is allowed but not shown: OCHP answers with the record.
    """
    if _declined(reply):
        text = reply.info.text if reply.info else str(reply.allowed)
        made = m.Result(code=m.ResultCode.INVALID_ID, text=text[:1000])
        ctx.approximated("allowed", "result", "reason-as-text")
        said = "info/text" if reply.info else "allowed"
        ctx.came_from(made, ("code", "allowed"), ("text", said))
        return made
    if reply.allowed is Allowed.ALLOWED and reply.token is None:
        raise Inexpressible(Problem("roamingAuthorisationInfo", "the token is not known in full"))
    return reply.result


def answered_token(reply: m.AuthorisationReply, ctx: Context) -> Token | None:
    if reply.token is not None and _declined(reply):
        ctx.dropped("token", "not-allowed", "only a token that may charge is shown")
        return None
    return reply.token


def refused(field: str, write: Write) -> Write:
    """The refused objects of a receipt, written like those of an upload."""

    def refused_ones(receipt: Any, ctx: Context) -> Any:
        return write(receipt, ctx) if getattr(receipt, field) else ()

    return refused_ones


def _record(name: str, cls: type[Any], *rows: Row, **more: Any) -> Record:
    return Record(name, cls, WIRE, f"OCHP 1.4 {name}", rows, **more)


_RESULT = one("result", "result", RESULT)
_REASONS = {"reasons": "said in the text of the result"}
_SINCE = whole("since", "lastUpdate")


def _receipt(name: str, *rows: Row) -> Record:
    return _record(name, m.Receipt, _RESULT, *rows, lost=_REASONS)


def _cdr_query(name: str, mine: bool) -> Record:
    return _record(
        name,
        m.CdrQuery,
        opt("cdrStatus/CdrStatusType", "state", CDR_STATUS),
        const("mine", mine),
    )


def _cdr_list(name: str) -> Record:
    listed = cdrs.LISTED_CDR
    row = many("cdrInfoArray", "cdrs", listed, write=cdrs.cdrs(listed))
    return _record(name, m.CdrList, _RESULT, row)


def _token_upload(name: str, full: bool) -> Record:
    info = tokens.ROAMING_AUTHORISATION_INFO
    write = tokens.tokens(needed=True)
    row = some("roamingAuthorisationInfoArray", "tokens", info, write=write)
    return _record(name, m.TokenUpload, row, const("full", full))


def _token_receipt(name: str) -> Record:
    info, write = tokens.ROAMING_AUTHORISATION_INFO, refused("tokens", tokens.tokens())
    return _receipt(name, many("refusedRoamingAuthorisationInfo", "tokens", info, write=write))


def _token_list(name: str, element: str) -> Record:
    info = tokens.ROAMING_AUTHORISATION_INFO
    row = many(element, "tokens", info, write=tokens.tokens())
    return _record(name, m.TokenList, _RESULT, row)


def _location_upload(name: str, full: bool) -> Record:
    info = locations.CHARGE_POINT_INFO
    write = locations.charge_points(needed=True)
    row = some("chargePointInfoArray", "locations", info, write=write)
    return _record(name, m.LocationUpload, row, const("full", full))


def _location_receipt(name: str) -> Record:
    info, write = locations.CHARGE_POINT_INFO, refused("locations", locations.charge_points())
    return _receipt(name, many("refusedChargePointInfo", "locations", info, write=write))


def _location_list(name: str) -> Record:
    info = locations.CHARGE_POINT_INFO
    row = many("chargePointInfoArray", "locations", info, write=locations.charge_points())
    return _record(name, m.LocationList, _RESULT, row)


def _since(name: str, cls: type[m.Message], row: Any = one) -> Record:
    return _record(name, cls, row("lastUpdate/DateTime", "since", DATE_TIME, write=_SINCE))


ADD_CDRS = _record(
    "AddCDRsRequest",
    m.CdrUpload,
    some("cdrInfoArray", "cdrs", cdrs.CDR_INFO, write=cdrs.cdrs(cdrs.CDR_INFO, needed=True)),
)
CDRS_ADDED = _receipt(
    "AddCDRsResponse", many("implausibleCdrsArray", "cdrs", CDR_ID, write=implausible)
)
GET_CDRS = _cdr_query("GetCDRsRequest", mine=False)
CDRS = _cdr_list("GetCDRsResponse")
CHECK_CDRS = _cdr_query("CheckCDRsRequest", mine=True)
CHECKED_CDRS = _cdr_list("CheckCDRsResponse")
CONFIRM_CDRS = _record(
    "ConfirmCDRsRequest",
    m.CdrDecisions,
    many("approved", "approved", CDR_REFERENCE),
    many("declined", "declined", CDR_REFERENCE),
)
CDRS_CONFIRMED = _receipt("ConfirmCDRsResponse")

GET_TOKENS = _record("GetRoamingAuthorisationListRequest", m.TokenQuery)
TOKENS = _token_list("GetRoamingAuthorisationListResponse", "roamingAuthorisationInfoArray")
SET_TOKENS = _token_upload("SetRoamingAuthorisationListRequest", full=True)
TOKENS_SET = _token_receipt("SetRoamingAuthorisationListResponse")
GET_NEW_TOKENS = _since("GetRoamingAuthorisationListUpdatesRequest", m.TokenQuery)
NEW_TOKENS = _token_list("GetRoamingAuthorisationListUpdatesResponse", "roamingAuthorisationInfo")
UPDATE_TOKENS = _token_upload("UpdateRoamingAuthorisationListRequest", full=False)
TOKENS_UPDATED = _token_receipt("UpdateRoamingAuthorisationListResponse")
GET_TOKEN = _record(
    "GetSingleRoamingAuthorisationRequest",
    m.AuthorisationQuery,
    one("emtId", "token", tokens.EMT_ID),
)
TOKEN = _record(
    "GetSingleRoamingAuthorisationResponse",
    m.AuthorisationReply,
    one("result", "result", RESULT, write=answer, uses=("allowed", "info")),
    opt(
        "roamingAuthorisationInfo",
        "token",
        tokens.ROAMING_AUTHORISATION_INFO,
        write=answered_token,
    ),
)

GET_CHARGE_POINTS = _record("GetChargePointListRequest", m.LocationQuery)
CHARGE_POINTS = _location_list("GetChargePointListResponse")
SET_CHARGE_POINTS = _location_upload("SetChargePointListRequest", full=True)
CHARGE_POINTS_SET = _location_receipt("SetChargePointListResponse")
GET_NEW_CHARGE_POINTS = _since("GetChargePointListUpdatesRequest", m.LocationQuery)
NEW_CHARGE_POINTS = _location_list("GetChargePointListUpdatesResponse")
UPDATE_CHARGE_POINTS = _location_upload("UpdateChargePointListRequest", full=False)
CHARGE_POINTS_UPDATED = _location_receipt("UpdateChargePointListResponse")

UPDATE_TARIFFS = _record(
    "UpdateTariffsRequest",
    m.TariffUpload,
    some(
        "TariffInfoArray",
        "tariffs",
        tariffs.TARIFF_INFO,
        write=tariffs.tariffs(needed=True),
    ),
    lost={"full": "OCHP cannot replace all tariffs at once"},
)
TARIFFS_UPDATED = _receipt(
    "UpdateTariffsResponse",
    many(
        "refusedTariffInfo",
        "tariffs",
        tariffs.TARIFF_INFO,
        write=refused("tariffs", tariffs.tariffs()),
    ),
)
GET_TARIFFS = _since("GetTariffUpdatesRequest", m.TariffQuery, opt)
TARIFFS = _record(
    "GetTariffUpdatesResponse",
    m.TariffList,
    _RESULT,
    many("TariffInfoArray", "tariffs", tariffs.TARIFF_INFO, write=tariffs.tariffs()),
)

UPDATE_STATUS = _record(
    "UpdateStatusRequest",
    m.StatusUpload,
    many("evse", "evses", status.EVSE_STATUS, write=status.uploaded),
    many("parking", "parkings", status.PARKING_STATUS, write=status.parkings),
    opt("ttl/DateTime", "ttl", DATE_TIME, "for entries without", write=whole("ttl", "ttl")),
)
STATUS_UPDATED = _receipt("UpdateStatusResponse")
GET_STATUS = _record(
    "GetStatusRequest",
    m.StatusQuery,
    opt("startDateTime/DateTime", "since", DATE_TIME, write=whole("since", "startDateTime")),
    opt("statusType", "scope", SCOPE),
)
STATUS = _record(
    "GetStatusResponse",
    m.StatusList,
    many(
        "combined",
        "combined",
        status.EVSE_STATUS,
        "one of the three lists",
        write=status.listed("combined"),
        uses=("result",),
    ),
    many("evse", "evses", status.EVSE_STATUS, write=status.listed("evses")),
    many("parking", "parkings", status.PARKING_STATUS, write=status.listed("parkings")),
)
