"""Value kinds and code lists of OCHP 1.4.

Source: OCHP 1.4, simple types of the schema and the enumerations in the class descriptions.
Limits: what the schema lets through and no calendar, clock or number knows is refused here (30
February, 24:01, NaN). The type letter of ids is checked, check digits are not.
Why: three forms of time stand side by side: UTC of twenty characters, local time with its offset
of twenty-five, and the XML dateTime of a status's ttl.
"""

import re
from datetime import UTC as UTC_ZONE
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from gateway import iso
from gateway.mapping import kinds
from gateway.mapping.kinds import (
    Kind,
    code,
    format_utc,
    integer,
    parse_instant,
    text,
    wall_time,
)
from gateway.mapping.record import Wire
from gateway.model.charging import CdrState
from gateway.model.location import (
    AuthMethod,
    ConnectorFormat,
    CurrentType,
    ImageKind,
    Operation,
    PointKind,
    ResourceKind,
    Restriction,
    SiteKind,
)
from gateway.model.message import ResultCode, StatusScope
from gateway.model.status import MajorStatus, MinorStatus
from gateway.model.tariff import BillingItem
from gateway.model.token import Representation, RfidKind, TokenKind

PROTOCOL = "ochp-1.4"
NAMESPACE = "http://ochp.eu/1.4"
WIRE = Wire(PROTOCOL, NAMESPACE)


# -- identifiers -----------------------------------------------------------------------------


def _id(name: str, pattern: str) -> Kind:
    """Text of a pattern, with a shorter complaint than that."""
    match = re.compile(pattern).fullmatch

    def check(value: str) -> str:
        if not match(value):
            raise ValueError(f"{value[:60]!r} is no {name}")
        return value

    return Kind(name, "text", check, check, exact=True)


def _infrastructure(name: str, letter: str, tail: int) -> Kind:
    """Country, operator, type letter, tail; both structural stars or none."""
    end = rf"[{letter}{letter.lower()}][A-Za-z0-9][A-Za-z0-9*]{{0,{tail}}}"
    return _id(name, rf"[A-Za-z]{{2}}(?:\*[A-Za-z0-9]{{3}}\*|[A-Za-z0-9]{{3}}){end}")


EVSE_ID = _infrastructure("EvseId", "E", 30)
PARKING_ID = _infrastructure("ParkingId", "P", 30)
TARIFF_ID = _infrastructure("TariffId", "T", 9)
CONTRACT_ID = _id(
    "ContractId",
    "[A-Za-z]{2}(?:-[A-Za-z0-9]{3}-[A-Za-z0-9]{9}(?:-[A-Za-z0-9])?|[A-Za-z0-9]{12,13})",
)
CDR_ID = _id("CdrId", "[0-9A-Z]{1,36}")


# -- times -----------------------------------------------------------------------------------


def _format_seconds(value: datetime) -> str:
    if value.microsecond:
        raise ValueError(f"{value.isoformat()} has a fraction of a second")
    return format_utc(value)


DATE_TIME = Kind("DateTimeType", "utc", parse_instant, _format_seconds)


def _parse_local(value: str) -> datetime:
    """
    >>> _parse_local("2031-05-02T11:00:00+02:00").isoformat()
    '2031-05-02T11:00:00+02:00'
    >>> _parse_local("2031-05-02T11:00:00Z")
    Traceback (most recent call last):
    ...
    ValueError: '2031-05-02T11:00:00Z' has no numeric offset from UTC
    """
    if value.strip()[-6:-5] not in ("+", "-"):
        raise ValueError(f"{value[:60]!r} has no numeric offset from UTC")
    return parse_instant(value)


def _format_local(value: datetime) -> str:
    offset = value.utcoffset()
    said = None if offset is None else _offset(offset)
    if said is None or value.microsecond:
        why = "no offset, or fractions of a second or of a minute of offset"
        raise ValueError(f"{value.isoformat()} has {why}")
    return f"{wall_time(value)}{said}"


@lru_cache(maxsize=256)
def _offset(offset: timedelta) -> str | None:
    minutes, rest = divmod(abs(offset), timedelta(minutes=1))
    if rest:
        return None
    sign = "-" if offset < timedelta() else "+"
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


LOCAL = Kind("LocalDateTimeType", "local", _parse_local, _format_local)


def _format_ttl(value: datetime) -> str:
    """Any fraction that was sent, in UTC.

    >>> _format_ttl(parse_instant("2031-05-02T09:40:00.250+00:00"))
    '2031-05-02T09:40:00.250Z'
    """
    if value.microsecond % 1000:
        return value.astimezone(UTC_ZONE).replace(tzinfo=None).isoformat() + "Z"
    return format_utc(value)


TTL = Kind("dateTime", "utc", parse_instant, _format_ttl)

_HMS = re.compile(r"([0-9]{3}):([0-9]{2}):([0-9]{2})")


def _parse_hms(value: str) -> timedelta:
    """
    >>> _parse_hms("001:30:00")
    datetime.timedelta(seconds=5400)
    """
    found = _HMS.fullmatch(value)
    if not found:
        raise ValueError(f"{value[:60]!r} is no duration hhh:mm:ss")
    hours, minutes, seconds = map(int, found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _format_hms(value: timedelta) -> str:
    seconds, rest = divmod(value, timedelta(seconds=1))
    if rest or not 0 <= seconds < 1000 * 3600:
        raise ValueError(f"{value} cannot be said as hhh:mm:ss")
    return f"{seconds // 3600:03}:{seconds // 60 % 60:02}:{seconds % 60:02}"


HMS = Kind("string(9)", "hms", _parse_hms, _format_hms)

_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def _clock(value: str) -> str:
    """A wall time from 00:00 to 24:00.

    >>> _clock("24:00")
    '24:00'
    >>> _clock("24:01")
    Traceback (most recent call last):
    ...
    ValueError: '24:01' is no time of day
    """
    if not _CLOCK.fullmatch(value):
        raise ValueError(f"{value[:60]!r} is no time of day")
    return value


CLOCK = Kind("string(5)", "hours", _clock, _clock, exact=True)


# -- numbers and texts -----------------------------------------------------------------------


def _degrees(name: str, digits: int) -> Kind:
    """Degrees as the wire's pattern has them: a place beyond the poles is a partner's fault, but
    both sides can say it, so it goes through as it came."""
    pattern = re.compile(rf"-?[0-9]{{1,{digits}}}\.[0-9]{{6}}")

    def parse(value: str) -> Decimal:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value[:60]!r} has not six decimals in degrees")
        return Decimal(value)

    def format_(value: Decimal) -> str:
        exponent = kinds.exponent(value)
        if not isinstance(exponent, int) or exponent < -6 or abs(value) >= 10**digits:
            raise ValueError(f"{value} cannot be said in degrees with six decimals")
        return f"{value:.6f}"

    return Kind(name, "degrees", parse, format_)


LATITUDE = _degrees("lat", 2)
LONGITUDE = _degrees("lon", 3)


def _language(value: str) -> str:
    """ISO 639-3 in lower case; the bibliographic codes (GER, DUT) are read as well.

    >>> _language("DEU"), _language("GER"), _language("GSW")
    ('deu', 'deu', 'gsw')
    """
    if len(value) != 3 or not (value.isascii() and value.isalpha() and value.isupper()):
        raise ValueError(f"{value[:60]!r} is no language of three letters")
    return iso.language3(value) or value.lower()


def _language_text(value: str) -> str:
    if len(value) != 3 or not (value.isascii() and value.isalpha()):
        raise ValueError(f"{value[:60]!r} is no language of three letters")
    return value.upper()


LANGUAGE = Kind("string(3)", "language", _language, _language_text)


def _collapsed(value: str) -> str:
    return " ".join(value.split())


# The schema lets everything pass as a currency; it is carried and told by the plausibility checks.
CURRENCY = Kind("currency", "text", _collapsed, str)
ISO_COUNTRY = text(3, 3, "[A-Z]{3}")
LOCATION_ID = text(1, 15, "[A-Z0-9 ]{1,15}")
HOUSE_NUMBER = text(1, 6, r"[A-Z0-9 \-]{1,6}")
ZIP_CODE = text(1, 10, r"[A-Z0-9 \-]{1,10}")
PHONE = text(1, 19, r"[\+]{0,1}[1-9]{0,1}[0-9 \-]{1,17}")
FLOOR = text(1, 4, r"[A-Z0-9\-\+/]{1,4}")
SPOT_NUMBER = text(1, 5, r"[A-Z0-9\-\+/]{1,5}")
RECIPIENT = text(1, 5, "[A-Z0-9]{1,5}")
IMAGE_URI = text(0, 255, "(http|https|ftp|file)://.+")
RESOURCE_URI = text(0, 255, "(http|https)://.+")
IMAGE_TYPE = text(1, 4)
PIXELS = integer(1, 99999)
SMALL = integer(1, 1000)
WEEKDAY = integer(1, 7)
INT = integer(-(2**31), 2**31 - 1)


# -- code lists ------------------------------------------------------------------------------

RESULT_CODE = code("ResultCodeType", {each.value: each for each in ResultCode})
TOKEN_TYPE = code(
    "tokenType",
    {"rfid": TokenKind.RFID, "remote": TokenKind.REMOTE, "15118": TokenKind.ISO_15118},
)
TOKEN_SUBTYPE = code(
    "tokenSubType",
    {
        "mifareCls": RfidKind.MIFARE_CLASSIC,
        "mifareDes": RfidKind.MIFARE_DESFIRE,
        "calypso": RfidKind.CALYPSO,
    },
)
REPRESENTATION = code("representation", {each.value: each for each in Representation})
CDR_STATUS = code("CdrStatusType", {each.value: each for each in CdrState})
BILLING_ITEM = code(
    "BillingItemType",
    {
        "parkingtime": BillingItem.PARKING_TIME,
        "usagetime": BillingItem.CHARGING_TIME,
        "energy": BillingItem.ENERGY,
        "power": BillingItem.PEAK_POWER,
        "serviceFee": BillingItem.FLAT,
        "reservation": BillingItem.RESERVATION,
        "reservationtime": BillingItem.RESERVATION_TIME,
    },
)
CURRENT = code("chargePointType", {"AC": CurrentType.AC, "DC": CurrentType.DC})
# Canonical names are those of OCPI; only one differs.
STANDARDS = {
    "Chademo": "CHADEMO",
    **{
        each: each
        for each in (
            *(f"IEC_62196_T{kind}" for kind in ("1", "1_COMBO", "2", "2_COMBO", "3A", "3C")),
            *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKL"),
            *("TESLA_R", "TESLA_S"),
            *("IEC_60309_2_single_16", "IEC_60309_2_three_16"),
            *("IEC_60309_2_three_32", "IEC_60309_2_three_64"),
        )
    },
}
CONNECTOR_STANDARD = code("ConnectorStandard", STANDARDS)
CONNECTOR_FORMAT = code(
    "ConnectorFormat", {"Socket": ConnectorFormat.SOCKET, "Cable": ConnectorFormat.CABLE}
)
STATIC_STATUS = code("ChargePointStatusType", {each.value.capitalize(): each for each in Operation})
SITE_KIND = code(
    "GeneralLocationType",
    {
        "on-street": SiteKind.ON_STREET,
        "parking-garage": SiteKind.PARKING_GARAGE,
        "underground-garage": SiteKind.UNDERGROUND_GARAGE,
        "parking-lot": SiteKind.PARKING_LOT,
        "other": SiteKind.OTHER,
        "unknown": SiteKind.UNKNOWN,
        "private": SiteKind.PRIVATE,
    },
)
RESTRICTION = code(
    "RestrictionType",
    {
        "evonly": Restriction.EV_ONLY,
        "plugged": Restriction.PLUGGED,
        "disabled": Restriction.DISABLED,
        "customers": Restriction.CUSTOMERS,
        "motorcycles": Restriction.MOTORCYCLES,
        "carsharing": Restriction.CARSHARING,
    },
)
AUTH_METHOD = code(
    "AuthMethodType",
    {
        "Public": AuthMethod.PUBLIC,
        "LocalKey": AuthMethod.LOCAL_KEY,
        "DirectCash": AuthMethod.CASH,
        "DirectCreditcard": AuthMethod.CREDIT_CARD,
        "DirectDebitcard": AuthMethod.DEBIT_CARD,
        "RfidMifareCls": AuthMethod.RFID_MIFARE_CLASSIC,
        "RfidMifareDes": AuthMethod.RFID_MIFARE_DESFIRE,
        "RfidCalypso": AuthMethod.RFID_CALYPSO,
        "Iec15118": AuthMethod.ISO_15118,
        "OchpDirectAuth": AuthMethod.OCHP_DIRECT,
        "OperatorAuth": AuthMethod.OPERATOR,
    },
)
IMAGE_CLASS = code(
    "image class",
    {
        "networkLogo": ImageKind.NETWORK,
        "operatorLogo": ImageKind.OPERATOR,
        "ownerLogo": ImageKind.OWNER,
        "stationPhoto": ImageKind.STATION,
        "locationPhoto": ImageKind.LOCATION,
        "entrancePhoto": ImageKind.ENTRANCE,
        "otherPhoto": ImageKind.OTHER_PHOTO,
        "otherLogo": ImageKind.OTHER_LOGO,
        "otherGraphic": ImageKind.OTHER_GRAPHIC,
    },
)
RESOURCE_CLASS = code(
    "resource class",
    {
        "operatorMap": ResourceKind.OPERATOR_MAP,
        "operatorPayment": ResourceKind.OPERATOR_PAYMENT,
        "stationInfo": ResourceKind.STATION_INFO,
        "surroundingInfo": ResourceKind.SURROUNDING_INFO,
        "ownerHomepage": ResourceKind.OWNER_HOMEPAGE,
        "feedbackForm": ResourceKind.FEEDBACK_FORM,
    },
)
POINT_KIND = code("geo type", {each.value: each for each in PointKind})
MAJOR = code("major", {each.value: each for each in MajorStatus})
MINOR = code("minor", {each.value: each for each in MinorStatus})
SCOPE = code("statusType", {each.value: each for each in StatusScope})


def fits(kind: Kind, value: object) -> bool:
    """Whether a kind can say a value.

    >>> fits(CDR_ID, "NLQGW42"), fits(CDR_ID, "NL-QGW-42")
    (True, False)
    """
    try:
        kind.format(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True
