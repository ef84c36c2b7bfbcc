"""Charge points of OCHP 1.4: ChargePointInfo, one record per EVSE.

Source: OCHP 1.4, chapter on the exchange of charge point information; ChargePointInfo and the
classes below it.
Wire: the record holds the EVSE and repeats its site; records of one operator with the same
locationId share address and coordinates. City stands before zip code; closedCharging last.
Limits: at most seven weekly windows, one tariff per connector, one rating per EVSE; no price, no
operator's name, no live status here.
"""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from adapters.ochp import hours, sites
from adapters.ochp.kinds import (
    AUTH_METHOD,
    CLOCK,
    CONNECTOR_FORMAT,
    CONNECTOR_STANDARD,
    CURRENT,
    DATE_TIME,
    EVSE_ID,
    FLOOR,
    HOUSE_NUMBER,
    IMAGE_CLASS,
    IMAGE_TYPE,
    IMAGE_URI,
    ISO_COUNTRY,
    LANGUAGE,
    LATITUDE,
    LOCATION_ID,
    LONGITUDE,
    PARKING_ID,
    PHONE,
    PIXELS,
    POINT_KIND,
    RESOURCE_CLASS,
    RESOURCE_URI,
    RESTRICTION,
    SITE_KIND,
    SMALL,
    SPOT_NUMBER,
    STATIC_STATUS,
    TARIFF_ID,
    WEEKDAY,
    WIRE,
    ZIP_CODE,
)
from adapters.ochp.shape import shortened, whole
from gateway.mapping.context import Context
from gateway.mapping.kinds import BOOLEAN, NUMBER, text
from gateway.mapping.listed import Candidate, Listed
from gateway.mapping.record import Record, many, one, opt, some
from gateway.model.location import (
    Address,
    AuthMethod,
    Connector,
    Evse,
    GeoPoint,
    Image,
    Location,
    OpeningHours,
    ParkingSpot,
    Period,
    PointKind,
    Rating,
    RegularHours,
    RelatedPoint,
    Resource,
    ScheduledOperation,
    SiteKind,
    Text,
)


def _record(name: str, cls: type[Any], *rows: Any, **more: Any) -> Record:
    return Record(name, cls, WIRE, f"OCHP 1.4 {name}", rows, **more)


ADDRESS = _record(
    "AddressType",
    Address,
    opt("houseNumber", "house_number", HOUSE_NUMBER, rule="address-parts"),
    one("address", "street", text(2, 45), rule="address-parts"),
    one("city", "city", text(1, 45)),
    one("zipCode", "postal_code", ZIP_CODE, rule="postal-code-letters"),
    one("country", "country", ISO_COUNTRY, rule="country-of-three-letters"),
)

GEO_POINT = _record(
    "GeoPointType", GeoPoint, one("@lat", "latitude", LATITUDE), one("@lon", "longitude", LONGITUDE)
)

RELATED_LOCATION = _record(
    "AdditionalGeoPointType",
    RelatedPoint,
    one("@lat", "latitude", LATITUDE),
    one("@lon", "longitude", LONGITUDE),
    opt("@name", "name/text", text(0, 255), write=shortened("name/text", "@name", 255)),
    one(
        "@type",
        "kind",
        POINT_KIND,
        default=lambda point, ctx: PointKind.OTHER,
        rule="point-of-no-kind",
    ),
    parts={"name": Text},
    lost={"name/language": "the language of the site's name holds"},
)

IMAGE = _record(
    "EvseImageUrlType",
    Image,
    one("uri", "url", IMAGE_URI),
    opt("thumbUri", "thumbnail", IMAGE_URI),
    one("class", "kind", IMAGE_CLASS),
    one("type", "type", IMAGE_TYPE),
    opt("width", "width", PIXELS),
    opt("height", "height", PIXELS),
)

RELATED_RESOURCE = _record(
    "RelatedResourceType",
    Resource,
    one("uri", "url", RESOURCE_URI),
    one("class", "kind", RESOURCE_CLASS),
)

REGULAR_HOURS = _record(
    "RegularHoursType",
    RegularHours,
    one("@weekday", "weekday", WEEKDAY),
    one("@periodBegin", "begin", CLOCK),
    one("@periodEnd", "end", CLOCK),
)

EXCEPTIONAL_PERIOD = _record(
    "ExceptionalPeriodType",
    Period,
    one("periodBegin/DateTime", "begin", DATE_TIME),
    one("periodEnd/DateTime", "end", DATE_TIME),
)

HOURS = _record(
    "HoursType",
    OpeningHours,
    many("regularHours", "regular", REGULAR_HOURS, "these or the next; seven at most"),
    opt("twentyfourseven", "twentyfourseven", BOOLEAN),
    many("exceptionalOpenings", "openings", EXCEPTIONAL_PERIOD),
    many("exceptionalClosings", "closings", EXCEPTIONAL_PERIOD),
    one("closedCharging", "closed_charging", BOOLEAN),
)

STATUS_SCHEDULE = _record(
    "ChargePointScheduleType",
    ScheduledOperation,
    one("startDate/DateTime", "begin", DATE_TIME, write=whole("begin", "startDate/DateTime")),
    opt("endDate/DateTime", "end", DATE_TIME, write=whole("end", "endDate/DateTime")),
    one("status/ChargePointStatusType", "operation", STATIC_STATUS),
)

PARKING_SPOT = _record(
    "ParkingSpotInfo",
    ParkingSpot,
    one("parkingId", "id", PARKING_ID),
    many("restriction/RestrictionType", "restrictions", RESTRICTION),
    opt("floorLevel", "floor_level", FLOOR),
    opt("parkingSpotNumber", "number", SPOT_NUMBER),
)

CONNECTOR = _record(
    "ConnectorType",
    Connector,
    one(
        "connectorStandard/ConnectorStandard",
        "standard",
        CONNECTOR_STANDARD,
        uses=("power_type", "max_power", "max_voltage", "max_amperage"),
    ),
    one("connectorFormat/ConnectorFormat", "format", CONNECTOR_FORMAT),
    many("tariffId", "tariff_ids", TARIFF_ID, "one at most", rule="tariff-id-surrogate"),
    lost={"id": "a connector has no id in OCHP", "updated": "the EVSE's timestamp counts"},
)

RATINGS = _record(
    "RatingsType",
    Rating,
    one("maximumPower", "max_power", NUMBER),
    opt("guaranteedPower", "guaranteed_power", NUMBER),
    opt("nominalVoltage", "nominal_voltage", SMALL),
)

CHARGE_POINT_INFO = _record(
    "ChargePointInfo",
    Location,
    one(
        "evseId",
        "evses/0/evse_id",
        EVSE_ID,
        write=sites.evse_id,
        uses=("owner", "evses/0/uid", "publish"),
        rule="evse-id-style",
    ),
    one("locationId", "id", LOCATION_ID, write=sites.location_id, rule="location-id"),
    opt(
        "timestamp/DateTime",
        "updated",
        DATE_TIME,
        write=sites.timestamp,
        uses=("evses/0/updated",),
    ),
    one(
        "locationName",
        "name",
        text(1, 100),
        write=sites.name,
        default=sites.name_of_address,
        rule="name-of-address",
    ),
    one(
        "locationNameLang",
        "name_language",
        LANGUAGE,
        default=sites.partner_language,
        rule="partner-language",
    ),
    many(
        "images",
        "images",
        IMAGE,
        write=sites.images,
        uses=("evses/0/images",),
    ),
    many(
        "relatedResource",
        "resources",
        RELATED_RESOURCE,
        write=sites.resources,
        uses=("owner_business",),
    ),
    one("chargePointAddress", "address", ADDRESS, write=sites.address, rule="address-parts"),
    one(
        "chargePointLocation",
        "coordinates",
        GEO_POINT,
        write=sites.coordinates,
        uses=("evses/0/coordinates",),
    ),
    many("relatedLocation", "related", RELATED_LOCATION, write=sites.related),
    opt("timeZone", "time_zone", text(0, 255)),
    opt(
        "openingTimes",
        "opening",
        HOURS,
        write=hours.opening,
        uses=("closed_charging",),
        rule="weekly-windows",
    ),
    opt(
        "status/ChargePointStatusType",
        "evses/0/operation",
        STATIC_STATUS,
        write=sites.operation,
        uses=("evses/0/state",),
        rule="static-status",
    ),
    many(
        "statusSchedule",
        "evses/0/operation_schedule",
        STATUS_SCHEDULE,
        write=sites.schedule,
        uses=("evses/0/state_schedule",),
    ),
    opt("telephoneNumber", "phone", PHONE, write=sites.phone, rule="phone-separators"),
    one(
        "location/GeneralLocationType",
        "site_kind",
        SITE_KIND,
        write=sites.site_kind,
        default=lambda location, ctx: SiteKind.UNKNOWN,
        rule="site-kind",
    ),
    many(
        "parkingSpot",
        "evses/0/parking_spots",
        PARKING_SPOT,
        write=sites.parking_spots,
    ),
    many(
        "restriction/RestrictionType",
        "evses/0/restrictions",
        RESTRICTION,
        write=sites.restrictions,
    ),
    some(
        "authMethods/AuthMethodType",
        "evses/0/auth_methods",
        AUTH_METHOD,
        write=sites.auth_methods,
        uses=("evses/0/capabilities",),
        default=lambda location, ctx: (AuthMethod.LOCAL_KEY,),
        rule="auth-methods",
    ),
    some("connectors", "evses/0/connectors", CONNECTOR, write=sites.connectors),
    one(
        "chargePointType",
        "evses/0/current_type",
        CURRENT,
        write=sites.current_type,
        uses=("evses/0/connectors",),
        rule="current-of-connectors",
    ),
    opt(
        "ratings",
        "evses/0/rating",
        RATINGS,
        write=sites.rating,
        uses=("evses/0/connectors",),
        rule="rating-of-connectors",
    ),
    many("userInterfaceLang", "evses/0/ui_languages", LANGUAGE),
    opt(
        "maxReservation",
        "evses/0/max_reservation",
        SMALL,
        write=sites.max_reservation,
        uses=("evses/0/capabilities",),
    ),
    parts={"evses/0": Evse},
    lost={"evses/0/floor_level": "OCHP knows the floor of a parking spot alone"},
)


_UNPUBLISHED = "a site with publish = false is shown to nobody"
_NO_EVSE = "OCHP lists EVSEs, and the site has none"


def charge_points(*, needed: bool = False) -> Listed:
    """One location per EVSE that OCHP can say; an unpublished site is not said at all."""

    def candidates(message: Any, ctx: Context) -> Iterator[Candidate]:
        for place, location in enumerate(message.locations):
            yield from _parts(location, f"locations/{place}", ctx)

    return Listed(CHARGE_POINT_INFO, candidates, needed=needed)


def _parts(location: Location, path: str, ctx: Context) -> Iterator[Candidate]:
    """The site with each of its EVSEs alone."""
    if location.publish is False:
        yield Candidate(location, (path,), skip=("unpublished", _UNPUBLISHED))
    elif not location.evses:
        yield Candidate(location, (path,), skip=("site-without-evse", _NO_EVSE))
    elif len(location.evses) == 1:
        yield Candidate(location, (path,), sites.spoken(location))
    else:
        for place, evse in enumerate(location.evses):
            part = replace(location, evses=(evse,))
            below = f"{path}/evses/{place}"
            ctx.came_from(part, ("evses/0", below), ("", path))
            yield Candidate(part, (below,), sites.spoken(part))
