"""Tariffs.

Source: OCPI 2.2.1 Tariffs module.
Limits: prices are net of tax; ``min_price`` and ``max_price`` bound the cost of a session.
"""

from adapters.ocpi import fates, pricing
from adapters.ocpi.kinds import (
    CLOCK,
    CURRENCY,
    DATE,
    DAY_OF_WEEK,
    RESERVATION,
    TARIFF_DIMENSION_TYPE,
    TARIFF_TYPE,
    URL,
    UTC,
    WIRE,
    key,
)
from adapters.ocpi.parts import ENERGY_MIX, OWNER, PRICE, TARIFF_TEXT
from gateway.mapping.context import Context
from gateway.mapping.kinds import INTEGER, NUMBER
from gateway.mapping.record import Record, inline, many, one, opt, some
from gateway.model.base import PartyId
from gateway.model.ids import tariff_owner
from gateway.model.tariff import PriceComponent, Restrictions, Tariff, TariffElement


def _owner(obj: Tariff, ctx: Context) -> PartyId:
    if obj.owner is not None:
        return obj.owner
    owner = tariff_owner(obj.id)
    if owner is None:
        raise fates.cannot(ctx, "party_id", f"tariff {obj.id!r} names no operator")
    fates.party_of("id", ctx)
    return owner


PRICE_COMPONENT = Record(
    "PriceComponent",
    PriceComponent,
    WIRE,
    "OCPI 2.2.1 Tariffs, PriceComponent class",
    (
        one("type", "item", TARIFF_DIMENSION_TYPE),
        one("price", "price", NUMBER),
        opt("vat", "vat", NUMBER),
        one("step_size", "step_size", INTEGER, rule="step-in-wh-or-s"),
    ),
)

TARIFF_RESTRICTIONS = Record(
    "TariffRestrictions",
    Restrictions,
    WIRE,
    "OCPI 2.2.1 Tariffs, TariffRestrictions class",
    (
        opt("start_time", "start_time", CLOCK),
        opt("end_time", "end_time", CLOCK),
        opt("start_date", "start_date", DATE),
        opt("end_date", "end_date", DATE),
        opt("min_kwh", "min_kwh", NUMBER),
        opt("max_kwh", "max_kwh", NUMBER),
        opt("min_current", "min_current", NUMBER),
        opt("max_current", "max_current", NUMBER),
        opt("min_power", "min_power", NUMBER),
        opt("max_power", "max_power", NUMBER),
        opt("min_duration", "min_duration", INTEGER),
        opt("max_duration", "max_duration", INTEGER),
        many("day_of_week", "weekdays", DAY_OF_WEEK),
        opt("reservation", "reservation", RESERVATION),
    ),
)

TARIFF_ELEMENT = Record(
    "TariffElement",
    TariffElement,
    WIRE,
    "OCPI 2.2.1 Tariffs, TariffElement class",
    (
        some("price_components", "components", PRICE_COMPONENT),
        opt("restrictions", "restrictions", TARIFF_RESTRICTIONS),
    ),
)

TARIFF = Record(
    "Tariff",
    Tariff,
    WIRE,
    "OCPI 2.2.1 Tariffs, Tariff object",
    (
        inline("owner", OWNER, write=_owner, uses=("id",)),
        one("id", "id", key(36), write=fates.agreed_id("tariff")),
        one("currency", "currency", CURRENCY, write=pricing.currency, uses=("individual",)),
        opt("type", "kind", TARIFF_TYPE),
        many("tariff_alt_text", "alt_text", TARIFF_TEXT),
        opt("tariff_alt_url", "alt_url", URL),
        opt("min_price", "min_price", PRICE),
        opt("max_price", "max_price", PRICE),
        some("elements", "elements", TARIFF_ELEMENT, write=pricing.elements, uses=("individual",)),
        opt("start_date_time", "begin", UTC, write=pricing.begin, uses=("individual",)),
        opt("end_date_time", "end", UTC, write=pricing.end, uses=("individual",)),
        opt("energy_mix", "energy_mix", ENERGY_MIX),
        one("last_updated", "updated", UTC, default=fates.now, rule=fates.RECEIPT),
    ),
)
