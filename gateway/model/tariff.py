"""Tariffs: prices per dimension, with restrictions.

Two shapes stand side by side because both are said exactly: ``elements`` (one or more price
components under one restriction) and, for protocols that give one receiver another price under the
same id, ``individual`` (a list of recipients each with elements).
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from gateway.model.base import Canonical, PartyId


class BillingItem(StrEnum):
    """What is charged for (IEC 63119 price item type; units: kWh, h, kW, or one piece)."""

    ENERGY = "energy"
    CHARGING_TIME = "charging_time"
    PARKING_TIME = "parking_time"
    PEAK_POWER = "peak_power"
    FLAT = "flat"
    RESERVATION = "reservation"
    RESERVATION_TIME = "reservation_time"


class Price(Canonical, frozen=True, kw_only=True):
    """An amount net and gross of tax, in the currency of the object around it."""

    net: Decimal
    gross: Decimal | None = None


class EnergySource(Canonical, frozen=True, kw_only=True):
    source: str
    percentage: Decimal


class EnvironmentalImpact(Canonical, frozen=True, kw_only=True):
    category: str
    amount: Decimal


class EnergyMix(Canonical, frozen=True, kw_only=True):
    is_green: bool
    sources: tuple[EnergySource, ...] = ()
    impacts: tuple[EnvironmentalImpact, ...] = ()
    supplier_name: str | None = None
    product_name: str | None = None


class PriceComponent(Canonical, frozen=True, kw_only=True):
    """A price per unit of an item, net. ``step`` is in the item's unit as its protocol counts it:

    ``step`` in kWh, h or pieces (OCHP), ``step_size`` in Wh or s (OCPI); ``vat`` in percent.
    """

    item: BillingItem
    price: Decimal
    step: Decimal | None = None
    step_size: int | None = None
    vat: Decimal | None = None


class WeeklyWindow(Canonical, frozen=True, kw_only=True):
    """A weekly window in local wall time: weekday 1 (Monday) to 7."""

    weekday: int
    begin: str
    end: str


class Restrictions(Canonical, frozen=True, kw_only=True):
    """When a tariff element applies; all given conditions together. kWh, A, kW, seconds.

    ``windows`` is the OCHP form of weekly times; ``start_time end_time weekdays`` the OCPI form.
    ``begin``/``end`` are instants, ``start_date``/``end_date`` local dates.
    """

    windows: tuple[WeeklyWindow, ...] = ()
    begin: datetime | None = None
    end: datetime | None = None
    start_time: str | None = None
    end_time: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    min_kwh: Decimal | None = None
    max_kwh: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_duration: int | None = None
    max_duration: int | None = None
    weekdays: tuple[str, ...] = ()
    reservation: str | None = None


class TariffElement(Canonical, frozen=True, kw_only=True):
    components: tuple[PriceComponent, ...]
    restrictions: Restrictions | None = None


class IndividualTariff(Canonical, frozen=True, kw_only=True):
    """The elements for some receivers (none named: for all others)."""

    elements: tuple[TariffElement, ...]
    recipients: tuple[str, ...] = ()
    currency: str | None = None


class TariffText(Canonical, frozen=True, kw_only=True):
    text: str
    language: str | None = None


class Tariff(Canonical, frozen=True, kw_only=True):
    """A tariff of a visited-CSO. Exactly one of ``elements`` and ``individual`` is filled."""

    id: str
    owner: PartyId | None = None
    currency: str | None = None
    kind: str | None = None
    alt_text: tuple[TariffText, ...] = ()
    alt_url: str | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    elements: tuple[TariffElement, ...] = ()
    individual: tuple[IndividualTariff, ...] = ()
    begin: datetime | None = None
    end: datetime | None = None
    energy_mix: EnergyMix | None = None
    updated: datetime | None = None
