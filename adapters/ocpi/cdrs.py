"""Charge detail records.

Source: OCPI 2.2.1 CDRs module.
Wire: ``cdr_location`` is one object; its fields are the place, the address and the connector of
the canonical record.
Limits: OCPI has no life cycle of a CDR, no rating; the coordinates of the site are mandatory, so a
record that does not have them needs a stored location, or the party's consent to 0/0
(``cdr_location_fallback``). ``address`` has 45 characters here, ``state`` 20.
"""

from decimal import Decimal
from typing import Any

import msgspec

from adapters.ocpi import billing, fates, stations
from adapters.ocpi.charging import CHARGING_PERIOD, SIGNED_DATA, owned
from adapters.ocpi.kinds import (
    AUTH_METHOD,
    CONNECTOR_FORMAT,
    CONNECTOR_TYPE,
    COUNTRY,
    CURRENCY,
    POWER_TYPE,
    UTC,
    WIRE,
    ci,
    key,
    string,
)
from adapters.ocpi.locations import street
from adapters.ocpi.parts import GEO_LOCATION, OWNER, PRICE
from adapters.ocpi.tariffs import TARIFF
from adapters.ocpi.tokens import CDR_TOKEN
from gateway.mapping.context import Context
from gateway.mapping.kinds import BOOLEAN, NUMBER
from gateway.mapping.record import Record, Write, inline, many, one, opt, some
from gateway.model.base import PartyId
from gateway.model.charging import AuthMethodUsed, Cdr, CdrConnector, CdrPlace
from gateway.model.ids import evse_owner
from gateway.model.location import Address, Evse, GeoPoint, Location
from gateway.model.tariff import BillingItem, Price
from gateway.model.token import Representation, TokenKind

# -- where -----------------------------------------------------------------------------------

PLACE = Record(
    "cdr_location",
    CdrPlace,
    WIRE,
    "OCPI 2.2.1 CDRs, CdrLocation class",
    (
        one("cdr_location/id", "id", key(36), write=fates.agreed_id("location")),
        opt("cdr_location/name", "name", string(255)),
        one("cdr_location/coordinates", "coordinates", GEO_LOCATION),
        one("cdr_location/evse_uid", "evse_uid", key(36)),
    ),
)


def _street(obj: Address, ctx: Context) -> str:
    line = street(obj, ctx)
    if len(line) <= 45:
        return line
    ctx.approximated("street", "cdr_location/address", "truncated", f"45 of {len(line)} characters")
    return line[:45].rstrip()


ADDRESS = Record(
    "cdr_location",
    Address,
    WIRE,
    "OCPI 2.2.1 CDRs, CdrLocation class",
    (
        one(
            "cdr_location/address",
            "street",
            string(45),
            write=_street,
            uses=("house_number",),
            rule="street-and-number",
        ),
        one("cdr_location/city", "city", string(45)),
        opt("cdr_location/postal_code", "postal_code", string(10)),
        opt(
            "cdr_location/state",
            "state",
            string(20),
            write=fates.clipped("state", "cdr_location/state", 20),
        ),
        one("cdr_location/country", "country", COUNTRY),
    ),
)

CONNECTOR = Record(
    "cdr_location",
    CdrConnector,
    WIRE,
    "OCPI 2.2.1 CDRs, CdrLocation class",
    (
        one("cdr_location/connector_id", "id", key(36)),
        one("cdr_location/connector_standard", "standard", CONNECTOR_TYPE),
        one("cdr_location/connector_format", "format", CONNECTOR_FORMAT),
        one("cdr_location/connector_power_type", "power_type", POWER_TYPE),
    ),
)


def _known_site(obj: Cdr, ctx: Context) -> tuple[Location, Evse] | None:
    site = ctx.facts.evse(obj.evse_id)
    return (site, site.evses[0]) if isinstance(site, Location) and site.evses else None


def _place(obj: Cdr, ctx: Context) -> CdrPlace:
    """The site: as the record says, else as it is stored, else unknown if that may be said."""
    if obj.place is not None:
        return obj.place
    known = _known_site(obj, ctx)
    if known:
        site, evse = known
        made = CdrPlace(
            id=site.id,
            name=site.name,
            coordinates=site.coordinates,
            evse_uid=evse.uid or stations.evse_uid(obj.evse_id, ctx),
        )
        for name in ("id", "name", "coordinates"):
            ctx.defaulted(f"cdr_location/{name}", "stored-location")
    elif ctx.options.get("cdr_location_fallback"):
        nowhere = GeoPoint(latitude=Decimal("0.000000"), longitude=Decimal("0.000000"))
        uid = stations.evse_uid(obj.evse_id, ctx)
        made = CdrPlace(id=stations.surrogate(obj.evse_id), coordinates=nowhere, evse_uid=uid)
        why = "the record does not name its site"
        ctx.defaulted("cdr_location/coordinates", "place-unknown", why)
        ctx.approximated("evse_id", "cdr_location/id", "place-unknown", why)
    else:
        raise fates.cannot(
            ctx, "cdr_location/coordinates", f"nobody knows where EVSE {obj.evse_id} is"
        )
    origins = [("evse_uid", "evse_id")] if known else [("evse_uid", "evse_id"), ("id", "evse_id")]
    ctx.came_from(made, *origins)
    return made


def _connector(obj: Cdr, ctx: Context) -> CdrConnector:
    """The connector with its id and power type, from the stored EVSE or by rule."""
    connector = obj.connector
    changes: dict[str, Any] = {}
    known = _known_site(obj, ctx) if connector.id is None or connector.power_type is None else None
    twin = None
    if known:
        twin = next(
            (
                other
                for other in known[1].connectors
                if (other.standard, other.format) == (connector.standard, connector.format)
            ),
            None,
        )
    if connector.id is None:
        changes["id"] = (twin and twin.id) or "1"
        rule = "stored-location" if twin and twin.id else "first-connector"
        ctx.defaulted("cdr_location/connector_id", rule)
    if connector.power_type is None:
        power, certain = stations.power_type(connector.standard, obj.current_type, obj.rating)
        if twin and twin.power_type is not None:
            power, certain = twin.power_type, True
        changes["power_type"] = power
        target = "cdr_location/connector_power_type"
        if not certain:
            ctx.approximated("current_type", target, "phases-inferred")
            ctx.inferred("rating/max_power", target, "phases-inferred")
        for field in ("current_type", "connector/standard"):
            ctx.inferred(field, target, "power-type-of-plug")
    if obj.rating is not None:
        ctx.dropped("rating")
    if not changes and connector.tariff_id is None:
        return connector
    made = msgspec.structs.replace(connector, **changes, tariff_id=None)
    return ctx.came_from(made, ("", "connector"))  # type: ignore[no-any-return]


# -- who, how much ---------------------------------------------------------------------------


def _owner(obj: Cdr, ctx: Context) -> PartyId:
    return owned(obj, evse_owner(obj.evse_id), "evse_id", ctx)


def _session_id(obj: Cdr, ctx: Context) -> str | None:
    """The session: as said, else the direct id that stands for the token of a remote start."""
    plain = obj.token.representation in (None, Representation.PLAIN)
    remote = plain and obj.token.kind is TokenKind.REMOTE and len(obj.token.uid) <= 36
    if obj.session_id is None and remote:
        ctx.carried("token/uid", "session_id")
        return ctx.facts.wire_id("session", obj.token.uid) or obj.token.uid
    return obj.session_id and (ctx.facts.wire_id("session", obj.session_id) or obj.session_id)


def _auth_method(obj: Cdr, ctx: Context) -> AuthMethodUsed:
    if obj.auth_method is not None:
        return obj.auth_method
    ctx.approximated("token/kind", "auth_method", "auth-method-by-token")
    remote = obj.token.kind is TokenKind.REMOTE
    return AuthMethodUsed.COMMAND if remote else AuthMethodUsed.WHITELIST


def _cost(field: str, *kinds: BillingItem) -> Write:
    def write(obj: Cdr, ctx: Context) -> Price | None:
        stated: Price | None = getattr(obj, field)
        return stated if stated is not None else billing.cost_of(obj, ctx, *kinds)

    return write


_NO_COST = "[?] the cost was not stated"


def _remark(obj: Cdr, ctx: Context) -> str | None:
    """The remark; where a cost of zero only fills the mandatory field, it says so."""
    if obj.total_cost is not None or obj.items:
        return obj.remark
    ctx.defaulted("remark", "cost-unknown")
    return f"{_NO_COST} {obj.remark}"[:255] if obj.remark else _NO_COST


CDR = Record(
    "CDR",
    Cdr,
    WIRE,
    "OCPI 2.2.1 CDRs, CDR object",
    (
        inline("owner", OWNER, write=_owner, uses=("evse_id",)),
        one("id", "id", key(39), write=fates.agreed_id("cdr")),
        one("start_date_time", "start", UTC),
        one("end_date_time", "end", UTC),
        opt("session_id", "session_id", ci(36), write=_session_id, uses=("token/uid",)),
        one("cdr_token", "token", CDR_TOKEN),
        one("auth_method", "auth_method", AUTH_METHOD, write=_auth_method, uses=("token/kind",)),
        opt("authorization_reference", "authorization_reference", ci(36)),
        inline("place", PLACE, write=_place, uses=("evse_id",)),
        inline("address", ADDRESS),
        one("cdr_location/evse_id", "evse_id", ci(48)),
        inline("connector", CONNECTOR, write=_connector, uses=("current_type", "rating")),
        opt("meter_id", "meter_id", string(255)),
        one("currency", "currency", CURRENCY),
        many(
            "tariffs",
            "tariffs",
            TARIFF,
            write=billing.tariffs,
            uses=("items", "connector/tariff_id"),
        ),
        some(
            "charging_periods", "periods", CHARGING_PERIOD, write=billing.periods, uses=("items",)
        ),
        opt("signed_data", "signed_data", SIGNED_DATA),
        one(
            "total_cost",
            "total_cost",
            PRICE,
            write=billing.total_cost,
            uses=("items",),
            default=lambda obj, ctx: Price(net=Decimal(0)),
            rule="cost-unknown",
        ),
        opt(
            "total_fixed_cost",
            "total_fixed_cost",
            PRICE,
            write=_cost("total_fixed_cost", BillingItem.FLAT),
            uses=("items",),
        ),
        one(
            "total_energy",
            "total_energy",
            NUMBER,
            write=billing.total_energy,
            uses=("items",),
            default=lambda obj, ctx: Decimal(0),
            rule="no-energy-item",
        ),
        opt(
            "total_energy_cost",
            "total_energy_cost",
            PRICE,
            write=_cost("total_energy_cost", BillingItem.ENERGY),
            uses=("items",),
        ),
        one(
            "total_time",
            "total_time",
            NUMBER,
            write=billing.total_time,
            uses=("billed_duration",),
            rule="duration-in-hours",
        ),
        opt(
            "total_time_cost",
            "total_time_cost",
            PRICE,
            write=_cost("total_time_cost", BillingItem.CHARGING_TIME),
            uses=("items",),
        ),
        opt(
            "total_parking_time",
            "total_parking_time",
            NUMBER,
            write=billing.total_parking_time,
            uses=("items",),
        ),
        opt(
            "total_parking_cost",
            "total_parking_cost",
            PRICE,
            write=_cost("total_parking_cost", BillingItem.PARKING_TIME),
            uses=("items",),
        ),
        opt(
            "total_reservation_cost",
            "total_reservation_cost",
            PRICE,
            write=_cost(
                "total_reservation_cost", BillingItem.RESERVATION, BillingItem.RESERVATION_TIME
            ),
            uses=("items",),
        ),
        opt("remark", "remark", string(255), write=_remark),
        opt("invoice_reference_id", "invoice_reference_id", ci(39)),
        opt("credit", "credit", BOOLEAN),
        opt("credit_reference_id", "credit_reference_id", ci(39)),
        opt("home_charging_compensation", "home_charging_compensation", BOOLEAN),
        one("last_updated", "updated", UTC, default=fates.now, rule=fates.RECEIPT),
    ),
    lost={"state": "a CDR of OCPI has no life cycle"},
)
