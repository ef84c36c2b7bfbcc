"""Charge detail records of OCHP 1.4: CDRInfo.

Source: OCHP 1.4, chapter on the exchange of charge data; CDRInfo, CdrPeriodType and CdrStatusType.
Wire: ``CdrId`` with a capital C; times are local times of the site with their offset; the double
wrapper of the connector's standard and format; amounts net of tax.
Limits: bill items may overlap in time. A credit note has no form of its own: what OCHP takes back
is a declined record, by its status.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from adapters.ochp import bill, tokens
from adapters.ochp.kinds import (
    BILLING_ITEM,
    CDR_ID,
    CDR_STATUS,
    CONNECTOR_FORMAT,
    CONNECTOR_STANDARD,
    CONTRACT_ID,
    CURRENCY,
    CURRENT,
    EVSE_ID,
    HMS,
    INT,
    LOCAL,
    REPRESENTATION,
    TARIFF_ID,
    TOKEN_SUBTYPE,
    TOKEN_TYPE,
    WIRE,
)
from adapters.ochp.locations import ADDRESS, RATINGS
from adapters.ochp.shape import (
    cdr_wire_id,
    contract_text,
    cut,
    evse_text,
    owner_noted,
    postal_address,
    tariff_wire_id,
)
from adapters.ochp.sites import is_dc
from gateway.errors import Inexpressible, Problem
from gateway.mapping.context import Context
from gateway.mapping.kinds import NUMBER, text
from gateway.mapping.listed import Candidate, Listed
from gateway.mapping.record import Record, one, opt, some
from gateway.model.charging import AuthMethodUsed, BillItem, Cdr, CdrConnector, CdrState
from gateway.model.ids import contract_owner, evse_owner
from gateway.model.location import Address, CurrentType
from gateway.model.tariff import Price
from gateway.model.token import Representation, TokenKind, TokenRef

_LONGEST = timedelta(hours=999, minutes=59, seconds=59)


def spoken(cdr: Cdr) -> bool:
    """The record is in OCHP's shape: it has bill items."""
    return bool(cdr.items)


# -- ids and token ---------------------------------------------------------------------------


def cdr_id(cdr: Cdr, ctx: Context) -> str:
    if cdr.owner is not None:
        owner_noted(cdr.owner, evse_owner(cdr.evse_id), ctx, "owner", "evseId")
    return cdr_wire_id(cdr.id, cdr.evse_id, spoken(cdr), ctx)


def evse_id(cdr: Cdr, ctx: Context) -> str:
    return evse_text(cdr.evse_id, spoken(cdr), ctx)


def contract_id(cdr: Cdr, ctx: Context) -> str | None:
    held = cdr.token.contract_id
    if held is None:
        return None
    if cdr.token.owner is not None:
        owner_noted(cdr.token.owner, contract_owner(held), ctx, "token/owner", "contractId")
    return contract_text(held, ctx)


def direct_id(cdr: Cdr, ctx: Context) -> str | None:
    """The directId of a session that was started by a command, where one was agreed."""
    if cdr.auth_method is not AuthMethodUsed.COMMAND or cdr.session_id is None:
        return None
    return ctx.facts.wire_id("session", cdr.session_id)


def representation(cdr: Cdr, ctx: Context) -> Representation | None:
    return tokens.representation(cdr.token, ctx)


def instance(cdr: Cdr, ctx: Context) -> str:
    """The token; of a remotely started session its directId."""
    remote = direct_id(cdr, ctx)
    if remote is not None:
        ctx.dropped("token/uid", "direct-id-instead")
        return remote
    if cdr.session_id is not None:
        ctx.dropped("session_id", "no-counterpart", "OCHP names the session of a directId alone")
    return tokens.uid(cdr.token, ctx)


_kind = tokens.kind("token/kind", "emtId/tokenType")


def token_type(cdr: Cdr, ctx: Context) -> TokenKind:
    if direct_id(cdr, ctx) is not None:
        return TokenKind.REMOTE
    if cdr.auth_method in (AuthMethodUsed.COMMAND, AuthMethodUsed.AUTH_REQUEST):
        ctx.dropped("auth_method", "no-counterpart", "OCHP tells remote from local alone")
    if cdr.token.kind in (TokenKind.APP_USER, TokenKind.AD_HOC_USER):
        ctx.approximated("token/kind", "emtId/tokenType", "user-as-remote")
        return TokenKind.REMOTE
    return _kind(cdr, ctx)  # type: ignore[no-any-return]


# -- the session -----------------------------------------------------------------------------


def state(cdr: Cdr, ctx: Context) -> CdrState | None:
    if cdr.state is None and cdr.credit:
        why = "a credit note is said in OCHP by rejecting or revising a declined record"
        raise Inexpressible(Problem("CDRInfo/status", why))
    if cdr.credit is not None:
        ctx.carried("credit", "status/CdrStatusType", "no-credit")
    return cdr.state


def duration(cdr: Cdr, ctx: Context) -> timedelta | None:
    """The time from start to end, where the record is not OCHP's own."""
    if cdr.billed_duration is not None or spoken(cdr):
        return cdr.billed_duration
    span = cdr.end.replace(microsecond=0) - cdr.start.replace(microsecond=0)
    if not timedelta() <= span <= _LONGEST:
        ctx.dropped("total_time", "duration-not-in-ochp", str(span))
        return None
    if cdr.total_time is not None and abs(cdr.total_time * 3600 - int(span.total_seconds())) > 60:
        ctx.approximated("total_time", "duration", "duration-of-times")
    for field in ("start", "end", "total_time"):
        ctx.inferred(field, "duration", "duration-of-times")
    return span


def address(cdr: Cdr, ctx: Context) -> Address:
    return postal_address(cdr.address, spoken(cdr), ctx)


def current_type(cdr: Cdr, ctx: Context) -> CurrentType:
    if cdr.current_type is not None:
        return cdr.current_type
    field = "standard" if cdr.connector.power_type is None else "power_type"
    ctx.inferred(f"connector/{field}", "chargePointType", "current-of-connector")
    return CurrentType.DC if is_dc(cdr.connector) else CurrentType.AC


def _tariff_ids(cdr: Cdr) -> Iterator[tuple[str, str]]:
    """The tariffs that a record names, each with its path."""
    if cdr.connector.tariff_id:
        yield "connector/tariff_id", cdr.connector.tariff_id
    for place, period in enumerate(cdr.periods):
        if period.tariff_id:
            yield f"periods/{place}/tariff_id", period.tariff_id
    for place, tariff in enumerate(cdr.tariffs):
        if tariff.id:
            yield f"tariffs/{place}/id", tariff.id


def connector(cdr: Cdr, ctx: Context) -> CdrConnector:
    """The connector with the tariff of the session, the first where there are several."""
    if spoken(cdr):
        return cdr.connector
    path, known = next(_tariff_ids(cdr), ("", None))
    if known is None:
        return cdr.connector
    said = tariff_wire_id(known, evse_owner(cdr.evse_id) or cdr.owner, ctx)
    if said is None:
        ctx.dropped(path, "tariff-id-not-in-ochp")
    elif said != known:
        ctx.inferred("evse_id", "connectorType/tariffId", "tariff-id-surrogate")
    made = replace(cdr.connector, tariff_id=said)
    ctx.came_from(made, ("tariff_id", path), ("", "connector"))
    return made


def meter_id(cdr: Cdr, ctx: Context) -> str | None:
    return cut(cdr.meter_id, 20, ctx, "meter_id", "meterId") if cdr.meter_id else None


# -- the tables ------------------------------------------------------------------------------

CDR_CONNECTOR = Record(
    "ConnectorType",
    CdrConnector,
    WIRE,
    "OCHP 1.4 ConnectorType",
    (
        one(
            "connectorStandard/ConnectorStandard",
            "standard",
            CONNECTOR_STANDARD,
            uses=("power_type",),
        ),
        one("connectorFormat/ConnectorFormat", "format", CONNECTOR_FORMAT),
        opt("tariffId", "tariff_id", TARIFF_ID, rule="tariff-id-surrogate"),
    ),
    lost={"id": "a connector has no id in OCHP"},
)

CDR_PERIOD = Record(
    "CdrPeriodType",
    BillItem,
    WIRE,
    "OCHP 1.4 CdrPeriodType",
    (
        one("startDateTime/LocalDateTime", "start", LOCAL),
        one("endDateTime/LocalDateTime", "end", LOCAL),
        one("billingItem/BillingItemType", "item", BILLING_ITEM),
        one("billingValue", "value", NUMBER),
        one("itemPrice", "unit_price", NUMBER),
        opt("periodCost", "cost", NUMBER),
        opt("taxrate", "tax_rate", INT, "whole percent"),
    ),
)

CDR_INFO = Record(
    "CDRInfo",
    Cdr,
    WIRE,
    "OCHP 1.4 CDRInfo",
    (
        one("CdrId", "id", CDR_ID, write=cdr_id, uses=("owner",), rule="cdr-id-surrogate"),
        one("evseId", "evse_id", EVSE_ID, write=evse_id, rule="evse-id-style"),
        opt(
            "emtId/@representation",
            "token/representation",
            REPRESENTATION,
            write=representation,
            rule="plain-representation",
        ),
        one(
            "emtId/instance",
            "token/uid",
            tokens.INSTANCE,
            write=instance,
            uses=("session_id",),
            rule="upper-case",
        ),
        one(
            "emtId/tokenType",
            "token/kind",
            TOKEN_TYPE,
            write=token_type,
            uses=("auth_method",),
            rule="token-kind",
        ),
        opt("emtId/tokenSubType", "token/rfid_kind", TOKEN_SUBTYPE),
        one(
            "contractId",
            "token/contract_id",
            CONTRACT_ID,
            write=contract_id,
            uses=("token/owner",),
            rule="contract-id-style",
        ),
        one(
            "status/CdrStatusType",
            "state",
            CDR_STATUS,
            write=state,
            uses=("credit",),
            default=lambda cdr, ctx: CdrState.NEW,
            rule="new-record",
        ),
        one(
            "startDateTime/LocalDateTime",
            "start",
            LOCAL,
            "local time of the site",
            write=bill.local_time("start", "startDateTime"),
        ),
        one(
            "endDateTime/LocalDateTime",
            "end",
            LOCAL,
            write=bill.local_time("end", "endDateTime"),
        ),
        opt(
            "duration",
            "billed_duration",
            HMS,
            "three-digit hours",
            write=duration,
            uses=("total_time",),
            rule="duration-of-times",
        ),
        one("chargePointAddress", "address", ADDRESS, write=address, rule="address-parts"),
        one(
            "chargePointType",
            "current_type",
            CURRENT,
            write=current_type,
            uses=("connector",),
            rule="current-of-connector",
        ),
        one(
            "connectorType",
            "connector",
            CDR_CONNECTOR,
            write=connector,
            uses=("periods", "tariffs"),
        ),
        opt("ratings", "rating", RATINGS),
        opt("meterId", "meter_id", text(1, 20), write=meter_id),
        some(
            "chargingPeriods",
            "items",
            CDR_PERIOD,
            "may overlap",
            write=bill.items,
            uses=(
                "periods",
                "tariffs",
                "total_energy",
                "total_energy_cost",
                "total_time",
                "total_time_cost",
                "total_parking_time",
                "total_parking_cost",
                "total_reservation_cost",
                "total_fixed_cost",
                "total_cost/gross",
            ),
            rule="bill-items",
        ),
        opt("totalCost", "total_cost/net", NUMBER, "net of tax"),
        one("currency", "currency", CURRENCY),
    ),
    parts={"token": TokenRef, "total_cost": Price},
    lost={"place": "OCHP names the site by its EVSE and address alone"},
)

# A record that a clearing house hands out has been accepted.
LISTED_CDR = CDR_INFO.but(
    one(
        "status/CdrStatusType",
        "state",
        CDR_STATUS,
        write=state,
        uses=("credit",),
        default=lambda cdr, ctx: CdrState.ACCEPTED,
        rule="accepted-record",
    )
)


def cdrs(record: Record, *, needed: bool = False) -> Listed:
    """The ``write`` of a list of records: those that OCHP can say."""

    def candidates(message: Any, ctx: Context) -> Iterator[Candidate]:
        for place, cdr in enumerate(message.cdrs):
            yield Candidate(cdr, (f"cdrs/{place}",), spoken(cdr))

    return Listed(record, candidates, needed=needed)
