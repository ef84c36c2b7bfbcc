"""Value kinds and code lists of OCPI 2.2.1.

Source: OCPI 2.2.1 Types chapter (CiString, DateTime, number, string, URL) and the enum of each
module. Names of kinds are the standard's type names, so that a table can be compared with it.
Limits: 2.2.1 enums are closed; an unknown value makes its object invalid. Line breaks and tabs in
a ``string`` are let through (real addresses and directions have them), other controls are not.
Why: coordinates are strings of five to seven decimals and stay exact decimals here.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC as UTC_ZONE
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.mapping import kinds
from gateway.mapping.kinds import Kind, code, integer
from gateway.mapping.record import Wire
from gateway.model.charging import AuthMethodUsed, SessionState
from gateway.model.location import (
    ConnectorFormat,
    EvseState,
    ImageKind,
    PowerType,
    Restriction,
    SiteKind,
)
from gateway.model.tariff import BillingItem
from gateway.model.token import Allowed, TokenKind, Whitelist

PROTOCOL = "ocpi-2.2.1"
WIRE = Wire(PROTOCOL, open=True)

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def _checked(name: str, maximum: int, minimum: int, fits: Callable[[str], str | None]) -> Kind:
    def check(value: str) -> str:
        if type(value) is not str:
            raise ValueError("is no string")
        if len(value) > maximum:
            raise ValueError(f"{value[:60]!r} has more than {maximum} characters")
        if len(value) < minimum:
            raise ValueError(f"{value!r} has fewer than {minimum} characters")
        reason = fits(value)
        if reason:
            raise ValueError(f"{value[:60]!r} {reason}")
        return value

    return Kind(name, "text", check, check, exact=True)


def ci(maximum: int, minimum: int = 0) -> Kind:
    """CiString: printable ASCII, compared without regard to case, kept as sent.

    >>> ci(36).parse("DE*ACM*E0007*1")
    'DE*ACM*E0007*1'
    >>> ci(36).parse("Zürich")
    Traceback (most recent call last):
    ...
    ValueError: 'Zürich' has a character that is not printable ASCII
    """
    return _checked(
        f"CiString({maximum})",
        maximum,
        minimum,
        lambda value: (
            None
            if value.isascii() and value.isprintable()
            else "has a character that is not printable ASCII"
        ),
    )


def key(maximum: int) -> Kind:
    """A CiString that identifies something: not empty."""
    return ci(maximum, minimum=1)


def string(maximum: int, minimum: int = 0) -> Kind:
    """Case-sensitive text in UTF-8.

    >>> string(45).parse("Straße 5")
    'Straße 5'
    """
    return _checked(
        f"string({maximum})",
        maximum,
        minimum,
        lambda value: (
            "has a control character"
            if not value.isprintable() and _CONTROL.search(value)
            else None
        ),
    )


URL = replace(string(255, minimum=1), name="URL")


def _patterned(name: str, pattern: str, what: str) -> Kind:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if type(value) is not str:
            raise ValueError("is no string")
        if not compiled.fullmatch(value):
            raise ValueError(f"{value[:60]!r} is no {what}")
        return value

    return Kind(name, "text", check, check, exact=True)


CLOCK = _patterned("string(5)", "([01][0-9]|2[0-3]):[0-5][0-9]", "time HH:MM")
DATE = _patterned(
    "string(10)", "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", "date YYYY-MM-DD"
)
CURRENCY = _patterned("string(3)", "[A-Za-z]{3}", "currency of three letters")
COUNTRY = _patterned("string(3)", "[A-Za-z]{3}", "country of three letters")


def _owner_part(name: str, pattern: str, what: str) -> Kind:
    base = _patterned(name, pattern, what)
    return Kind(name, "text", lambda value: base.parse(value).upper(), base.format)


# Compared without regard to case; peers that send "de" mean "DE". The spelling is kept.
COUNTRY_CODE = _owner_part("CiString(2)", "[A-Za-z]{2}", "country of two letters")
PARTY_ID = _owner_part("CiString(3)", "[!-~]{1,3}", "party id of three characters")

# What the 2.1.1 and 2.2.1 texts name for "no time agreed"; no valid date and time.
_NO_TIME = "1970-1-1T00:00:00Z"


def _instant(value: str) -> datetime:
    if value == _NO_TIME:
        return datetime(1970, 1, 1, tzinfo=UTC_ZONE)
    if type(value) is not str:
        raise ValueError("is no string")
    if value != value.strip():
        raise ValueError(f"{value[:60]!r} is no date and time")
    return kinds.parse_instant(value)


_UTC = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{1,4})?Z?", re.ASCII)


def _is_utc(value: Any) -> bool:
    """Whether a spelling is a DateTime as OCPI wants it: UTC, at most 25 characters. Offsets, small
    letters and longer fractions are read, and never sent on.

    >>> [_is_utc(f"2031-05-02T09:00:00{end}") for end in ("", ".5", ".25Z", "z", "+00:00")]
    [True, True, True, False, False]
    """
    return isinstance(value, str) and _UTC.fullmatch(value) is not None


UTC = Kind("DateTime", "utc", _instant, kinds.format_utc, sayable=_is_utc)


def _degrees(name: str, digits: int) -> Kind:
    """Degrees as the wire's pattern has them: a place beyond the poles is a partner's fault, but
    both sides can say it, so it goes through as it came."""
    pattern = re.compile(rf"-?[0-9]{{1,{digits}}}\.[0-9]{{5,7}}", re.ASCII)

    def parse(value: str) -> Decimal:
        if type(value) is not str:
            raise ValueError("is no string")
        if not pattern.fullmatch(value):
            raise ValueError(f"{value[:60]!r} has not five to seven decimals in degrees")
        return Decimal(value)

    def format_(value: Decimal) -> str:
        exponent = kinds.exponent(value)
        if not isinstance(exponent, int) or exponent < -7 or abs(value) >= 10**digits:
            raise ValueError(f"{value} cannot be said in degrees with seven decimals")
        return format(value, f".{max(-exponent, 6) if exponent > -5 else -exponent}f")

    return Kind(name, "degrees", parse, format_)


LATITUDE = _degrees("string(10)", 2)
LONGITUDE = _degrees("string(11)", 3)


def _named(base: Kind, name: str) -> Kind:
    return replace(base, name=name)


COUNT = integer(0)
WEEKDAY = _named(integer(1, 7), "int(1)")
PIXELS = _named(integer(0, 99999), "int(5)")


def listed(item: Kind) -> Kind:
    """A JSON array of one kind as one value (a tuple), where an array stands below a field."""

    def parse(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("is no list")
        return tuple(item.from_json(part) for part in value)

    def format_(value: Any) -> list[Any]:
        return [item.to_json(part) for part in value]

    def no_text(value: Any) -> Any:
        raise ValueError("is no list")

    return Kind(item.name, item.unit, no_text, no_text, parse, format_)


def words(name: str, values: str) -> Kind:
    """A code list whose words are canonical as they stand."""
    return code(name, {value: value for value in values.split()})


STATUS = code(
    "Status",
    {
        "AVAILABLE": EvseState.AVAILABLE,
        "BLOCKED": EvseState.BLOCKED,
        "CHARGING": EvseState.CHARGING,
        "INOPERATIVE": EvseState.INOPERATIVE,
        "OUTOFORDER": EvseState.OUT_OF_ORDER,
        "PLANNED": EvseState.PLANNED,
        "REMOVED": EvseState.REMOVED,
        "RESERVED": EvseState.RESERVED,
        "UNKNOWN": EvseState.UNKNOWN,
    },
)
CAPABILITY = words(
    "Capability",
    "CHARGING_PROFILE_CAPABLE CHARGING_PREFERENCES_CAPABLE CHIP_CARD_SUPPORT"
    " CONTACTLESS_CARD_SUPPORT CREDIT_CARD_PAYABLE DEBIT_CARD_PAYABLE PED_TERMINAL"
    " REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER START_SESSION_CONNECTOR_REQUIRED"
    " TOKEN_GROUP_CAPABLE UNLOCK_CAPABLE",
)
CONNECTOR_TYPE = words(
    "ConnectorType",
    "CHADEMO CHAOJI DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G"
    " DOMESTIC_H DOMESTIC_I DOMESTIC_J DOMESTIC_K DOMESTIC_L DOMESTIC_M DOMESTIC_N DOMESTIC_O"
    " GBT_AC GBT_DC IEC_60309_2_single_16 IEC_60309_2_three_16 IEC_60309_2_three_32"
    " IEC_60309_2_three_64 IEC_62196_T1 IEC_62196_T1_COMBO IEC_62196_T2 IEC_62196_T2_COMBO"
    " IEC_62196_T3A IEC_62196_T3C NEMA_5_20 NEMA_6_30 NEMA_6_50 NEMA_10_30 NEMA_10_50 NEMA_14_30"
    " NEMA_14_50 PANTOGRAPH_BOTTOM_UP PANTOGRAPH_TOP_DOWN TESLA_R TESLA_S",
)
CONNECTOR_FORMAT = code(
    "ConnectorFormat", {"SOCKET": ConnectorFormat.SOCKET, "CABLE": ConnectorFormat.CABLE}
)
POWER_TYPE = code("PowerType", {power.name: power for power in PowerType})
PARKING_TYPE = code(
    "ParkingType",
    {
        "ALONG_MOTORWAY": SiteKind.ALONG_MOTORWAY,
        "PARKING_GARAGE": SiteKind.PARKING_GARAGE,
        "PARKING_LOT": SiteKind.PARKING_LOT,
        "ON_DRIVEWAY": SiteKind.ON_DRIVEWAY,
        "ON_STREET": SiteKind.ON_STREET,
        "UNDERGROUND_GARAGE": SiteKind.UNDERGROUND_GARAGE,
    },
)
PARKING_RESTRICTION = code(
    "ParkingRestriction",
    {
        "EV_ONLY": Restriction.EV_ONLY,
        "PLUGGED": Restriction.PLUGGED,
        "DISABLED": Restriction.DISABLED,
        "CUSTOMERS": Restriction.CUSTOMERS,
        "MOTORCYCLES": Restriction.MOTORCYCLES,
    },
)
FACILITY = words(
    "Facility",
    "HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BIKE_SHARING"
    " BUS_STOP TAXI_STAND TRAM_STOP METRO_STATION TRAIN_STATION AIRPORT PARKING_LOT"
    " CARPOOL_PARKING FUEL_STATION WIFI",
)
IMAGE_CATEGORY = code(
    "ImageCategory",
    {
        "CHARGER": ImageKind.STATION,
        "ENTRANCE": ImageKind.ENTRANCE,
        "LOCATION": ImageKind.LOCATION,
        "NETWORK": ImageKind.NETWORK,
        "OPERATOR": ImageKind.OPERATOR,
        "OTHER": ImageKind.OTHER,
        "OWNER": ImageKind.OWNER,
    },
)
ENERGY_SOURCE = words(
    "EnergySourceCategory", "NUCLEAR GENERAL_FOSSIL COAL GAS GENERAL_GREEN SOLAR WIND WATER"
)
ENVIRONMENTAL_IMPACT = words("EnvironmentalImpactCategory", "NUCLEAR_WASTE CARBON_DIOXIDE")
TOKEN_TYPE = code(
    "TokenType",
    {
        "AD_HOC_USER": TokenKind.AD_HOC_USER,
        "APP_USER": TokenKind.APP_USER,
        "OTHER": TokenKind.OTHER,
        "RFID": TokenKind.RFID,
    },
)
WHITELIST_TYPE = code("WhitelistType", {word.name: word for word in Whitelist})
ALLOWED_TYPE = code(
    "AllowedType",
    {word.name: word for word in Allowed if word is not Allowed.UNKNOWN_TOKEN},
)
PROFILE_TYPE = words("ProfileType", "CHEAP FAST GREEN REGULAR")
AUTH_METHOD = code("AuthMethod", {word.name: word for word in AuthMethodUsed})
SESSION_STATUS = code("SessionStatus", {word.name: word for word in SessionState})
CDR_DIMENSION_TYPE = words(
    "CdrDimensionType",
    "CURRENT ENERGY ENERGY_EXPORT ENERGY_IMPORT MAX_CURRENT MIN_CURRENT MAX_POWER MIN_POWER"
    " PARKING_TIME POWER RESERVATION_TIME STATE_OF_CHARGE TIME",
)
TARIFF_TYPE = words("TariffType", "AD_HOC_PAYMENT PROFILE_CHEAP PROFILE_FAST PROFILE_GREEN REGULAR")
TARIFF_DIMENSION_TYPE = code(
    "TariffDimensionType",
    {
        "ENERGY": BillingItem.ENERGY,
        "FLAT": BillingItem.FLAT,
        "PARKING_TIME": BillingItem.PARKING_TIME,
        "TIME": BillingItem.CHARGING_TIME,
    },
)
DAY_OF_WEEK = words("DayOfWeek", "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY")
RESERVATION = words("ReservationRestrictionType", "RESERVATION RESERVATION_EXPIRES")
