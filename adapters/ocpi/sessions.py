"""Sessions.

Source: OCPI 2.2.1 Sessions module.
Limits: ``kwh`` is a running total; an absent cost is not known, not free.
"""

from adapters.ocpi import fates
from adapters.ocpi.charging import CHARGING_PERIOD, owned
from adapters.ocpi.kinds import AUTH_METHOD, CURRENCY, SESSION_STATUS, UTC, WIRE, ci, key, string
from adapters.ocpi.parts import OWNER, PRICE
from adapters.ocpi.stations import evse_uid
from adapters.ocpi.tokens import CDR_TOKEN
from gateway.mapping.context import Context
from gateway.mapping.kinds import NUMBER
from gateway.mapping.record import Record, inline, many, one, opt
from gateway.model.base import PartyId
from gateway.model.charging import Session
from gateway.model.ids import evse_owner


def _owner(obj: Session, ctx: Context) -> PartyId:
    return owned(obj, evse_owner(obj.evse_uid) if obj.evse_uid else None, "evse_uid", ctx)


def _evse_uid(obj: Session, ctx: Context) -> str | None:
    return obj.evse_uid and evse_uid(obj.evse_uid, ctx)


def _not_available(obj: Session, ctx: Context) -> str:
    """OCPI's word for a required text that cannot be known."""
    return "#NA"


SESSION = Record(
    "Session",
    Session,
    WIRE,
    "OCPI 2.2.1 Sessions, Session object",
    (
        inline("owner", OWNER, write=_owner, uses=("evse_uid",)),
        one("id", "id", key(36), write=fates.agreed_id("session")),
        one("start_date_time", "start", UTC),
        opt("end_date_time", "end", UTC),
        one("kwh", "energy", NUMBER),
        one("cdr_token", "token", CDR_TOKEN),
        one("auth_method", "auth_method", AUTH_METHOD),
        opt("authorization_reference", "authorization_reference", ci(36)),
        one(
            "location_id",
            "location_id",
            key(36),
            write=fates.agreed_id("location", "location_id"),
            default=_not_available,
            rule="not-available",
        ),
        one(
            "evse_uid",
            "evse_uid",
            key(36),
            write=_evse_uid,
            default=_not_available,
            rule="not-available",
        ),
        one(
            "connector_id",
            "connector_id",
            key(36),
            default=_not_available,
            rule="not-available",
        ),
        opt("meter_id", "meter_id", string(255)),
        one("currency", "currency", CURRENCY),
        many("charging_periods", "periods", CHARGING_PERIOD),
        opt("total_cost", "total_cost", PRICE),
        one("status", "state", SESSION_STATUS),
        one("last_updated", "updated", UTC, default=fates.now, rule=fates.RECEIPT),
    ),
)
