"""Charging sites: location, EVSE, connector, opening hours, images.

A location of one EVSE and a location of many are the same class: protocols whose records are one
EVSE each (OCHP, eMIP, OICP) decode to locations with exactly one EVSE, which the exchange joins by
owner and location id.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from gateway.model.base import Canonical, PartyId
from gateway.model.tariff import EnergyMix
from gateway.model.token import PublishToken


class Text(Canonical, frozen=True, kw_only=True):
    """Text for people. ``language`` is ISO 639-3 in lower case where known, else as sent."""

    text: str
    language: str | None = None


class GeoPoint(Canonical, frozen=True, kw_only=True):
    """WGS 84 degrees; the digits that were sent are kept."""

    latitude: Decimal
    longitude: Decimal


class PointKind(StrEnum):
    """What a point related to a site is."""

    ENTRANCE = "entrance"
    EXIT = "exit"
    ACCESS = "access"
    UI = "ui"
    OTHER = "other"


class RelatedPoint(Canonical, frozen=True, kw_only=True):
    """Another point that belongs to the site: an entrance, an exit, the user interface."""

    latitude: Decimal
    longitude: Decimal
    name: Text | None = None
    kind: PointKind | None = None


class Address(Canonical, frozen=True, kw_only=True):
    """Postal address; ``country`` is ISO 3166-1 alpha-3.

    ``street`` is the whole address line where the source has no house number of its own.
    """

    street: str
    city: str
    country: str
    house_number: str | None = None
    postal_code: str | None = None
    state: str | None = None


class ImageKind(StrEnum):
    NETWORK = "network"
    OPERATOR = "operator"
    OWNER = "owner"
    STATION = "station"
    LOCATION = "location"
    ENTRANCE = "entrance"
    OTHER = "other"
    OTHER_PHOTO = "other_photo"
    OTHER_LOGO = "other_logo"
    OTHER_GRAPHIC = "other_graphic"


class Image(Canonical, frozen=True, kw_only=True):
    """A picture by URL; sizes in pixels."""

    url: str
    kind: ImageKind
    type: str
    thumbnail: str | None = None
    width: int | None = None
    height: int | None = None


class ResourceKind(StrEnum):
    OPERATOR_MAP = "operator_map"
    OPERATOR_PAYMENT = "operator_payment"
    STATION_INFO = "station_info"
    SURROUNDING_INFO = "surrounding_info"
    OWNER_HOMEPAGE = "owner_homepage"
    FEEDBACK_FORM = "feedback_form"


class Resource(Canonical, frozen=True, kw_only=True):
    """A web page about the site."""

    url: str
    kind: ResourceKind


class Business(Canonical, frozen=True, kw_only=True):
    """Name, web site and logo of a company."""

    name: str
    website: str | None = None
    logo: Image | None = None


class RegularHours(Canonical, frozen=True, kw_only=True):
    """A weekly window in local wall time: weekday 1 (Monday) to 7, ``HH:MM`` to ``HH:MM``."""

    weekday: int
    begin: str
    end: str


class Period(Canonical, frozen=True, kw_only=True):
    """From one instant to another."""

    begin: datetime
    end: datetime


class OpeningHours(Canonical, frozen=True, kw_only=True):
    """When the site is open. ``closed_charging``: a running charge may go on while closed."""

    twentyfourseven: bool | None = None
    regular: tuple[RegularHours, ...] = ()
    openings: tuple[Period, ...] = ()
    closings: tuple[Period, ...] = ()
    closed_charging: bool | None = None


class SiteKind(StrEnum):
    ON_STREET = "on_street"
    PARKING_GARAGE = "parking_garage"
    UNDERGROUND_GARAGE = "underground_garage"
    PARKING_LOT = "parking_lot"
    ALONG_MOTORWAY = "along_motorway"
    ON_DRIVEWAY = "on_driveway"
    PRIVATE = "private"
    OTHER = "other"
    UNKNOWN = "unknown"


class Restriction(StrEnum):
    EV_ONLY = "ev_only"
    PLUGGED = "plugged"
    DISABLED = "disabled"
    CUSTOMERS = "customers"
    MOTORCYCLES = "motorcycles"
    CARSHARING = "carsharing"
    EMPLOYEES = "employees"
    TAXIS = "taxis"
    TENANTS = "tenants"


class ParkingSpot(Canonical, frozen=True, kw_only=True):
    """A parking spot that belongs to an EVSE."""

    id: str
    restrictions: tuple[Restriction, ...] = ()
    floor_level: str | None = None
    number: str | None = None


class AuthMethod(StrEnum):
    """How a driver can be authorised at an EVSE (OCHP AuthMethodType)."""

    PUBLIC = "public"
    LOCAL_KEY = "local_key"
    CASH = "cash"
    CREDIT_CARD = "credit_card"
    DEBIT_CARD = "debit_card"
    RFID_MIFARE_CLASSIC = "rfid_mifare_classic"
    RFID_MIFARE_DESFIRE = "rfid_mifare_desfire"
    RFID_CALYPSO = "rfid_calypso"
    ISO_15118 = "iso_15118"
    OCHP_DIRECT = "ochp_direct"
    OPERATOR = "operator"


class EvseState(StrEnum):
    """What a driver finds at the EVSE now (OCPI Status)."""

    AVAILABLE = "available"
    BLOCKED = "blocked"
    CHARGING = "charging"
    INOPERATIVE = "inoperative"
    OUT_OF_ORDER = "out_of_order"
    PLANNED = "planned"
    REMOVED = "removed"
    RESERVED = "reserved"
    UNKNOWN = "unknown"


LASTING = frozenset({EvseState.PLANNED, EvseState.INOPERATIVE, EvseState.REMOVED})
"""States that say something about the installation (OCHP: its static status)."""


class Operation(StrEnum):
    """Whether the EVSE is in service at all (OCHP ChargePointStatusType)."""

    UNKNOWN = "unknown"
    OPERATIVE = "operative"
    INOPERATIVE = "inoperative"
    PLANNED = "planned"
    CLOSED = "closed"


class ScheduledOperation(Canonical, frozen=True, kw_only=True):
    """A planned change of ``Operation`` (OCHP ChargePointScheduleType)."""

    begin: datetime
    end: datetime | None = None
    operation: Operation


class ScheduledState(Canonical, frozen=True, kw_only=True):
    """A planned change of ``EvseState`` (OCPI StatusSchedule)."""

    begin: datetime
    end: datetime | None = None
    state: EvseState


class CurrentType(StrEnum):
    AC = "ac"
    DC = "dc"


class PowerType(StrEnum):
    AC_1_PHASE = "ac_1_phase"
    AC_2_PHASE = "ac_2_phase"
    AC_2_PHASE_SPLIT = "ac_2_phase_split"
    AC_3_PHASE = "ac_3_phase"
    DC = "dc"


class ConnectorFormat(StrEnum):
    SOCKET = "socket"
    CABLE = "cable"


class Rating(Canonical, frozen=True, kw_only=True):
    """Electrical rating of an EVSE: kW and V."""

    max_power: Decimal
    guaranteed_power: Decimal | None = None
    nominal_voltage: int | None = None


class Connector(Canonical, frozen=True, kw_only=True):
    """A plug or socket. ``standard`` is the OCPI ConnectorType name; V, A per phase, W."""

    standard: str
    format: ConnectorFormat
    id: str | None = None
    power_type: PowerType | None = None
    max_voltage: int | None = None
    max_amperage: int | None = None
    max_power: int | None = None
    tariff_ids: tuple[str, ...] = ()
    terms_url: str | None = None
    updated: datetime | None = None


class Evse(Canonical, frozen=True, kw_only=True):
    """Electric vehicle supply equipment: the part that charges one vehicle at a time.

    ``uid`` is the operator's technical key, ``evse_id`` the roaming id as sent.
    ``max_reservation`` is in minutes.
    """

    evse_id: str | None = None
    uid: str | None = None
    state: EvseState | None = None
    state_schedule: tuple[ScheduledState, ...] = ()
    operation: Operation | None = None
    operation_schedule: tuple[ScheduledOperation, ...] = ()
    capabilities: tuple[str, ...] = ()
    auth_methods: tuple[AuthMethod, ...] = ()
    connectors: tuple[Connector, ...] = ()
    current_type: CurrentType | None = None
    rating: Rating | None = None
    coordinates: GeoPoint | None = None
    floor_level: str | None = None
    physical_reference: str | None = None
    directions: tuple[Text, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    parking_spots: tuple[ParkingSpot, ...] = ()
    images: tuple[Image, ...] = ()
    ui_languages: tuple[str, ...] = ()
    max_reservation: int | None = None
    updated: datetime | None = None


class Location(Canonical, frozen=True, kw_only=True):
    """A charging site of one operator; ``owner`` is the visited-CSO."""

    id: str
    owner: PartyId | None = None
    name: str | None = None
    name_language: str | None = None
    publish: bool | None = None
    publish_to: tuple[PublishToken, ...] = ()
    address: Address
    coordinates: GeoPoint
    related: tuple[RelatedPoint, ...] = ()
    site_kind: SiteKind | None = None
    evses: tuple[Evse, ...] = ()
    directions: tuple[Text, ...] = ()
    operator: Business | None = None
    suboperator: Business | None = None
    owner_business: Business | None = None
    facilities: tuple[str, ...] = ()
    time_zone: str | None = None
    opening: OpeningHours | None = None
    closed_charging: bool | None = None
    images: tuple[Image, ...] = ()
    resources: tuple[Resource, ...] = ()
    phone: str | None = None
    energy_mix: EnergyMix | None = None
    updated: datetime | None = None
