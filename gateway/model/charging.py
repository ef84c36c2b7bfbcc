"""Sessions and charge detail records (IEC 63119 charging session, CDR)."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from gateway.model.base import Canonical, PartyId
from gateway.model.location import (
    Address,
    ConnectorFormat,
    CurrentType,
    GeoPoint,
    PowerType,
    Rating,
)
from gateway.model.tariff import BillingItem, Price, Tariff
from gateway.model.token import TokenRef


class Dimension(Canonical, frozen=True, kw_only=True):
    """A measured volume of a period (OCPI CdrDimension): kWh, h, A, kW or percent by its type."""

    type: str
    volume: Decimal


class ChargingPeriod(Canonical, frozen=True, kw_only=True):
    """A stretch of a session that ends where the next begins (OCPI ChargingPeriod)."""

    start: datetime
    dimensions: tuple[Dimension, ...] = ()
    tariff_id: str | None = None


class BillItem(Canonical, frozen=True, kw_only=True):
    """One charged item over a stretch of time, may overlap others (OCHP CdrPeriodType).

    ``value`` in the item's unit, ``unit_price`` and ``cost`` net; ``tax_rate`` in percent.
    """

    start: datetime
    end: datetime
    item: BillingItem
    value: Decimal
    unit_price: Decimal
    cost: Decimal | None = None
    tax_rate: int | None = None


class SessionState(StrEnum):
    ACTIVE = "active"
    COMPLETED = "completed"
    INVALID = "invalid"
    PENDING = "pending"
    RESERVATION = "reservation"


class AuthMethodUsed(StrEnum):
    """How the driver was authorised (OCPI AuthMethod)."""

    AUTH_REQUEST = "auth_request"
    COMMAND = "command"
    WHITELIST = "whitelist"


class Session(Canonical, frozen=True, kw_only=True):
    """A charging session of a visited-CSO; ``energy`` in kWh so far."""

    id: str
    owner: PartyId | None = None
    start: datetime
    end: datetime | None = None
    energy: Decimal
    token: TokenRef
    auth_method: AuthMethodUsed
    authorization_reference: str | None = None
    location_id: str | None = None
    evse_uid: str | None = None
    connector_id: str | None = None
    meter_id: str | None = None
    currency: str
    periods: tuple[ChargingPeriod, ...] = ()
    total_cost: Price | None = None
    state: SessionState
    updated: datetime | None = None


class CdrState(StrEnum):
    """Life cycle at the clearing house (OCHP CdrStatusType)."""

    NEW = "new"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DECLINED = "declined"
    APPROVED = "approved"
    REVISED = "revised"


class CdrPlace(Canonical, frozen=True, kw_only=True):
    """The site as it was at the start of the session (OCPI CdrLocation)."""

    id: str
    name: str | None = None
    coordinates: GeoPoint
    evse_uid: str


class CdrConnector(Canonical, frozen=True, kw_only=True):
    """The connector that was used."""

    standard: str
    format: ConnectorFormat
    id: str | None = None
    power_type: PowerType | None = None
    tariff_id: str | None = None


class SignedValue(Canonical, frozen=True, kw_only=True):
    nature: str
    plain_data: str
    signed_data: str


class SignedData(Canonical, frozen=True, kw_only=True):
    """Meter values signed by the meter, passed on bit for bit (OCPI SignedData)."""

    encoding_method: str
    encoding_method_version: int | None = None
    public_key: str | None = None
    values: tuple[SignedValue, ...]
    url: str | None = None


class Cdr(Canonical, frozen=True, kw_only=True):
    """A charge detail record; ``owner`` is the visited-CSO, ``token.owner`` the home-CSP.

    ``billed_duration`` as stated by the record; ``total_time`` and ``total_parking_time`` in hours.
    """

    id: str
    owner: PartyId | None = None
    start: datetime
    end: datetime
    billed_duration: timedelta | None = None
    session_id: str | None = None
    token: TokenRef
    auth_method: AuthMethodUsed | None = None
    authorization_reference: str | None = None
    state: CdrState | None = None
    evse_id: str
    address: Address
    place: CdrPlace | None = None
    current_type: CurrentType | None = None
    connector: CdrConnector
    rating: Rating | None = None
    meter_id: str | None = None
    currency: str
    items: tuple[BillItem, ...] = ()
    periods: tuple[ChargingPeriod, ...] = ()
    tariffs: tuple[Tariff, ...] = ()
    signed_data: SignedData | None = None
    total_cost: Price | None = None
    total_fixed_cost: Price | None = None
    total_energy: Decimal | None = None
    total_energy_cost: Price | None = None
    total_time: Decimal | None = None
    total_time_cost: Price | None = None
    total_parking_time: Decimal | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: str | None = None
    invoice_reference_id: str | None = None
    credit: bool | None = None
    credit_reference_id: str | None = None
    home_charging_compensation: bool | None = None
    updated: datetime | None = None
