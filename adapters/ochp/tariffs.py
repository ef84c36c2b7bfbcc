"""Tariffs of OCHP 1.4: TariffInfo.

Source: OCHP 1.4, chapter on the exchange of tariff data; TariffInfo and the classes below it.
Wire: a tariff is a list of individual tariffs; the one without recipients holds for everybody else.
Every element has exactly one price and must have a restriction, be it an empty one.
Limits: no minimum or maximum price, no tax, no texts, no removal of a tariff.
"""

from collections.abc import Iterator
from typing import Any

from adapters.ochp import elements
from adapters.ochp.kinds import (
    BILLING_ITEM,
    CLOCK,
    CURRENCY,
    DATE_TIME,
    INT,
    RECIPIENT,
    TARIFF_ID,
    WEEKDAY,
    WIRE,
)
from adapters.ochp.shape import owner_noted, tariff_wire_id
from gateway.errors import Inexpressible, Problem
from gateway.mapping.context import Context
from gateway.mapping.kinds import NUMBER
from gateway.mapping.listed import Candidate, Listed
from gateway.mapping.record import Record, many, one, opt, some
from gateway.model.ids import tariff_owner
from gateway.model.tariff import (
    IndividualTariff,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
    WeeklyWindow,
)


def spoken(tariff: Tariff) -> bool:
    """The tariff is in OCHP's shape."""
    return bool(tariff.individual)


def tariff_id(tariff: Tariff, ctx: Context) -> str:
    made = tariff_wire_id(tariff.id, tariff.owner, ctx)
    if made is None:
        raise Inexpressible(Problem("TariffInfo/tariffId", f"{tariff.id!r} names no operator"))
    if tariff.owner is not None:
        owner_noted(tariff.owner, tariff_owner(made), ctx, "owner", "tariffId")
    if made != tariff.id:
        ctx.approximated("id", "tariffId", "tariff-id-surrogate", f"{tariff.id} is {made}")
    return made


def individual_tariffs(tariff: Tariff, ctx: Context) -> tuple[IndividualTariff, ...]:
    """The elements as one individual tariff for everybody."""
    if tariff.individual:
        return tariff.individual
    made = IndividualTariff(elements=elements.split(tariff, ctx), currency=tariff.currency)
    if not made.elements:
        raise Inexpressible(
            Problem("TariffInfo/individualTariff", "none of its prices can be said")
        )
    for name in ("min_price", "max_price"):
        if getattr(tariff, name) is not None:
            ctx.dropped(name, "price-limit", "a limit changes the amount of a session")
    ctx.came_from(made, ("currency", "currency"), ("elements", "elements"))
    return (made,)


WINDOW = Record(
    "RegularHoursType",
    WeeklyWindow,
    WIRE,
    "OCHP 1.4 RegularHoursType",
    (
        one("@weekday", "weekday", WEEKDAY),
        one("@periodBegin", "begin", CLOCK),
        one("@periodEnd", "end", CLOCK),
    ),
)

RESTRICTION = Record(
    "TariffRestrictionType",
    Restrictions,
    WIRE,
    "OCHP 1.4 TariffRestrictionType",
    (
        many("regularHours", "windows", WINDOW),
        opt("startDateTime/DateTime", "begin", DATE_TIME),
        opt("endDateTime/DateTime", "end", DATE_TIME),
        opt("minEnergy", "min_kwh", NUMBER),
        opt("maxEnergy", "max_kwh", NUMBER),
        opt("minPower", "min_power", NUMBER),
        opt("maxPower", "max_power", NUMBER),
        opt("minDuration", "min_duration", INT),
        opt("maxDuration", "max_duration", INT),
    ),
)

PRICE = Record(
    "PriceComponentType",
    PriceComponent,
    WIRE,
    "OCHP 1.4 PriceComponentType",
    (
        one("billingItem/BillingItemType", "item", BILLING_ITEM),
        one("itemPrice", "price", NUMBER),
        one("stepSize", "step", NUMBER, "0 is exact billing", rule="step-in-kwh-or-h"),
    ),
)

ELEMENT = Record(
    "TariffElementType",
    TariffElement,
    WIRE,
    "OCHP 1.4 TariffElementType",
    (
        some("priceComponent", "components", PRICE, "exactly one"),
        one(
            "tariffRestriction",
            "restrictions",
            RESTRICTION,
            "may be empty, not absent",
            default=lambda element, ctx: Restrictions(),
            rule="no-restriction",
        ),
    ),
)

INDIVIDUAL_TARIFF = Record(
    "IndividualTariffType",
    IndividualTariff,
    WIRE,
    "OCHP 1.4 IndividualTariffType",
    (
        some("tariffElement", "elements", ELEMENT),
        many("recipient", "recipients", RECIPIENT),
        one("currency", "currency", CURRENCY),
    ),
)

TARIFF_INFO = Record(
    "TariffInfo",
    Tariff,
    WIRE,
    "OCHP 1.4 TariffInfo",
    (
        one(
            "tariffId",
            "id",
            TARIFF_ID,
            write=tariff_id,
            uses=("owner",),
            rule="tariff-id-surrogate",
        ),
        some(
            "individualTariff",
            "individual",
            INDIVIDUAL_TARIFF,
            write=individual_tariffs,
            uses=("elements", "currency", "begin", "end", "min_price", "max_price"),
        ),
    ),
    lost={"kind": "OCHP has one kind of tariff", "updated": "the moment of the message counts"},
)


def tariffs(*, needed: bool = False) -> Listed:
    """The tariffs of a message that OCHP can say."""

    def candidates(message: Any, ctx: Context) -> Iterator[Candidate]:
        for place, tariff in enumerate(message.tariffs):
            yield Candidate(tariff, (f"tariffs/{place}",), spoken(tariff))

    return Listed(TARIFF_INFO, candidates, needed=needed)
