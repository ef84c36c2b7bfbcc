"""Locations, EVSEs, connectors, and live status.

Source: OCPI 2.2.1 Locations module.
Wire: a status of its own does not exist; it is said as the part of an EVSE object that a PATCH
would carry, with the ids that the URL would carry (``location_id``, ``uid``) beside it.
Limits: OCPI has no time to live of a status, no parking status, no language of a location's name.
Why: decoding is one to one; what other protocols say in another shape is turned into OCPI's by the
functions of ``sites.py`` and ``stations.py``.
"""

from datetime import datetime

import msgspec

from adapters.ocpi import fates, sites, stations
from adapters.ocpi.kinds import (
    CAPABILITY,
    CLOCK,
    CONNECTOR_FORMAT,
    CONNECTOR_TYPE,
    COUNT,
    COUNTRY,
    FACILITY,
    IMAGE_CATEGORY,
    LATITUDE,
    LONGITUDE,
    PARKING_RESTRICTION,
    PARKING_TYPE,
    PIXELS,
    POWER_TYPE,
    STATUS,
    TOKEN_TYPE,
    URL,
    UTC,
    WEEKDAY,
    WIRE,
    ci,
    key,
    string,
)
from adapters.ocpi.parts import DISPLAY_TEXT, ENERGY_MIX, GEO_LOCATION, OWNER
from gateway import iso
from gateway.errors import Inexpressible
from gateway.mapping.context import Context
from gateway.mapping.kinds import BOOLEAN
from gateway.mapping.record import Record, inline, many, one, opt, some
from gateway.model.base import PartyId
from gateway.model.location import (
    Address,
    Business,
    Connector,
    Evse,
    Image,
    ImageKind,
    Location,
    OpeningHours,
    Period,
    RegularHours,
    RelatedPoint,
    ResourceKind,
    ScheduledState,
    SiteKind,
    Text,
)
from gateway.model.status import EvseStatus
from gateway.model.token import PublishToken

# -- sub-classes -----------------------------------------------------------------------------

_NEAREST_IMAGE = {
    ImageKind.OTHER_PHOTO: ImageKind.OTHER,
    ImageKind.OTHER_LOGO: ImageKind.OTHER,
    ImageKind.OTHER_GRAPHIC: ImageKind.OTHER,
}

_NO_WEB_ADDRESS = ("ftp:", "file:")


def _thumbnail(obj: Image, ctx: Context) -> str | None:
    if obj.thumbnail is None or not obj.thumbnail.startswith(_NO_WEB_ADDRESS):
        return obj.thumbnail
    ctx.dropped("thumbnail", "no-web-address")
    return None


IMAGE = Record(
    "Image",
    Image,
    WIRE,
    "OCPI 2.2.1 Locations, Image class",
    (
        one("url", "url", URL),
        opt("thumbnail", "thumbnail", URL, write=_thumbnail),
        one(
            "category",
            "kind",
            IMAGE_CATEGORY,
            write=fates.near("kind", "category", _NEAREST_IMAGE, "nearest-image-category"),
        ),
        one("type", "type", ci(4)),
        opt("width", "width", PIXELS),
        opt("height", "height", PIXELS),
    ),
)


def _images(obj: Location | Evse, ctx: Context) -> tuple[Image, ...]:
    """Pictures that a browser can load, of a file type that OCPI can name."""
    faults = [_fault_of(image) for image in obj.images]
    if not any(faults):
        return obj.images
    for place, fault in enumerate(faults):
        if fault:
            ctx.dropped(f"images/{place}", fault)
    pairs = zip(obj.images, faults, strict=True)
    return tuple(image for image, fault in pairs if not fault)


def _fault_of(image: Image) -> str | None:
    if image.url.startswith(_NO_WEB_ADDRESS):
        return "no-web-address"
    return None if image.type.isascii() and len(image.type) <= 4 else "file-type-not-in-ocpi"


BUSINESS_DETAILS = Record(
    "BusinessDetails",
    Business,
    WIRE,
    "OCPI 2.2.1 Locations, BusinessDetails class",
    (
        one("name", "name", string(100)),
        opt("website", "website", URL),
        opt("logo", "logo", IMAGE),
    ),
)

PUBLISH_TOKEN = Record(
    "PublishTokenType",
    PublishToken,
    WIRE,
    "OCPI 2.2.1 Locations, PublishTokenType class",
    (
        opt("uid", "uid", ci(36)),
        opt("type", "kind", TOKEN_TYPE),
        opt("visual_number", "visual_number", string(64)),
        opt("issuer", "issuer", string(64)),
        opt("group_id", "group_id", ci(36)),
    ),
)


def _point_name(obj: RelatedPoint, ctx: Context) -> Text | None:
    """The name of a point; an empty one says nothing, and a text of OCPI has something in it."""
    if obj.name is None or obj.name.text.strip():
        return obj.name
    ctx.dropped("name", "nothing-said", "the name is empty")
    return None


RELATED_LOCATION = Record(
    "AdditionalGeoLocation",
    RelatedPoint,
    WIRE,
    "OCPI 2.2.1 Locations, AdditionalGeoLocation class",
    (
        one("latitude", "latitude", LATITUDE),
        one("longitude", "longitude", LONGITUDE),
        opt("name", "name", DISPLAY_TEXT, write=_point_name),
    ),
)


def _closing(obj: RegularHours, ctx: Context) -> str:
    if obj.end != "24:00":
        return obj.end
    ctx.approximated("end", "period_end", "midnight-as-23:59")
    return "23:59"


REGULAR_HOURS = Record(
    "RegularHours",
    RegularHours,
    WIRE,
    "OCPI 2.2.1 Locations, RegularHours class",
    (
        one("weekday", "weekday", WEEKDAY),
        one("period_begin", "begin", CLOCK),
        one("period_end", "end", CLOCK, write=_closing),
    ),
)

EXCEPTIONAL_PERIOD = Record(
    "ExceptionalPeriod",
    Period,
    WIRE,
    "OCPI 2.2.1 Locations, ExceptionalPeriod class",
    (
        one("period_begin", "begin", UTC),
        one("period_end", "end", UTC),
    ),
)


def _regular(obj: OpeningHours, ctx: Context) -> tuple[RegularHours, ...]:
    """The weekly windows without those that begin when their day is over."""
    if all(window.begin != "24:00" for window in obj.regular):
        return obj.regular
    for place, window in enumerate(obj.regular):
        if window.begin == "24:00":
            ctx.dropped(f"regular/{place}", "window-of-no-time")
    return tuple(window for window in obj.regular if window.begin != "24:00")


HOURS = Record(
    "Hours",
    OpeningHours,
    WIRE,
    "OCPI 2.2.1 Locations, Hours class",
    (
        one(
            "twentyfourseven",
            "twentyfourseven",
            BOOLEAN,
            default=lambda obj, ctx: False,
            rule="not-twentyfourseven",
        ),
        many("regular_hours", "regular", REGULAR_HOURS, write=_regular),
        many("exceptional_openings", "openings", EXCEPTIONAL_PERIOD),
        many("exceptional_closings", "closings", EXCEPTIONAL_PERIOD),
    ),
)

STATUS_SCHEDULE = Record(
    "StatusSchedule",
    ScheduledState,
    WIRE,
    "OCPI 2.2.1 Locations, StatusSchedule class",
    (
        one("period_begin", "begin", UTC),
        opt("period_end", "end", UTC),
        one("status", "state", STATUS),
    ),
)

# -- connector, EVSE -------------------------------------------------------------------------


def _tariff_ids(obj: Connector, ctx: Context) -> tuple[str, ...]:
    return tuple(ctx.facts.wire_id("tariff", tariff) or tariff for tariff in obj.tariff_ids)


CONNECTOR = Record(
    "Connector",
    Connector,
    WIRE,
    "OCPI 2.2.1 Locations, Connector object",
    (
        one("id", "id", key(36)),
        one("standard", "standard", CONNECTOR_TYPE),
        one("format", "format", CONNECTOR_FORMAT),
        one("power_type", "power_type", POWER_TYPE),
        one("max_voltage", "max_voltage", COUNT),
        one("max_amperage", "max_amperage", COUNT),
        opt("max_electric_power", "max_power", COUNT),
        many("tariff_ids", "tariff_ids", ci(36), write=_tariff_ids),
        opt("terms_and_conditions", "terms_url", URL),
        one("last_updated", "updated", UTC, default=fates.now, rule=fates.RECEIPT),
    ),
)

EVSE = Record(
    "EVSE",
    Evse,
    WIRE,
    "OCPI 2.2.1 Locations, EVSE object",
    (
        one("uid", "uid", key(36), write=stations.uid, uses=("evse_id",)),
        opt("evse_id", "evse_id", ci(48)),
        one("status", "state", STATUS, write=stations.state, uses=("operation",)),
        many(
            "status_schedule",
            "state_schedule",
            STATUS_SCHEDULE,
            write=stations.state_schedule,
            uses=("operation_schedule",),
        ),
        many(
            "capabilities",
            "capabilities",
            CAPABILITY,
            write=stations.capabilities,
            uses=("auth_methods", "max_reservation"),
        ),
        some(
            "connectors",
            "connectors",
            CONNECTOR,
            write=stations.need_connectors,
            uses=("rating", "current_type"),
        ),
        opt(
            "floor_level",
            "floor_level",
            string(4),
            write=stations.floor_level,
            uses=("parking_spots",),
        ),
        opt("coordinates", "coordinates", GEO_LOCATION),
        opt("physical_reference", "physical_reference", string(16)),
        many("directions", "directions", DISPLAY_TEXT),
        many(
            "parking_restrictions",
            "restrictions",
            PARKING_RESTRICTION,
            write=stations.restrictions,
            uses=("parking_spots",),
        ),
        many("images", "images", IMAGE, write=_images),
        one("last_updated", "updated", UTC, default=fates.now, rule=fates.RECEIPT),
    ),
)

# -- location --------------------------------------------------------------------------------


def _owner(obj: Location, ctx: Context) -> PartyId:
    owner = sites.location_owner(obj)
    if owner is None:
        raise fates.cannot(ctx, "party_id", "no EVSE id tells the operator")
    return owner


def street(obj: Address, ctx: Context) -> str:
    """Street and house number in one line, street first."""
    if obj.house_number is None:
        return obj.street
    if obj.house_number.strip() in ("", "0"):
        ctx.dropped("house_number", "no-house-number")
        return obj.street
    return f"{obj.street} {obj.house_number}"


ADDRESS = Record(
    "address",
    Address,
    WIRE,
    "OCPI 2.2.1 Locations, Location object",
    (
        one(
            "address",
            "street",
            string(255),
            write=street,
            uses=("house_number",),
            rule="street-and-number",
        ),
        one("city", "city", string(45)),
        opt("postal_code", "postal_code", string(10)),
        opt("state", "state", string(45)),
        one("country", "country", COUNTRY),
    ),
)

_NO_PARKING_TYPE = {SiteKind.OTHER: None, SiteKind.UNKNOWN: None, SiteKind.PRIVATE: None}


def _related(obj: Location, ctx: Context) -> tuple[RelatedPoint, ...]:
    """Points with their names in the language of the location's own name."""
    language = obj.name_language
    nameless = [p for p in obj.related if p.name is not None and p.name.language is None]
    if language is not None and not nameless:
        ctx.dropped("name_language", "no-language-of-name")
    if language is None or not nameless:
        return obj.related
    made = []
    for place, point in enumerate(obj.related):
        if point.name is not None and point.name.language is None:
            name = msgspec.structs.replace(point.name, language=language)
            point = msgspec.structs.replace(point, name=name)
            here = f"related/{place}"
            ctx.came_from(point, ("", here), ("name/language", "name_language"))
        made.append(point)
    return tuple(made)


def _evses(obj: Location, ctx: Context) -> tuple[Evse, ...]:
    """The EVSEs; one without a time of its own changed when its record did."""
    if obj.updated is None or all(evse.updated is not None for evse in obj.evses):
        return obj.evses
    made = []
    for place, evse in enumerate(obj.evses):
        if evse.updated is None:
            evse = msgspec.structs.replace(evse, updated=obj.updated)
            ctx.came_from(evse, ("", f"evses/{place}"), ("updated", "updated"))
        made.append(evse)
    return tuple(made)


def _owner_details(obj: Location, ctx: Context) -> Business | None:
    """The owner, with the web site that stands among the pages about the site."""
    owner = obj.owner_business
    for place, page in enumerate(obj.resources):
        here = f"resources/{place}"
        if page.kind is ResourceKind.OWNER_HOMEPAGE and owner and owner.website is None:
            owner = msgspec.structs.replace(owner, website=page.url)
            ctx.came_from(owner, ("", "owner_business"), ("website", f"{here}/url"))
        elif page.kind is ResourceKind.OWNER_HOMEPAGE and not owner:
            ctx.dropped(here, "owner-without-name")
        else:
            ctx.dropped(here)
    return owner


def _time_zone(obj: Location, ctx: Context) -> str:
    """The zone of the site by its first EVSE or its country; UTC where both tell nothing."""
    evse_id = next((evse.evse_id for evse in obj.evses if evse.evse_id), None)
    country = obj.address.country
    stored = ctx.facts.time_zone(evse_id=evse_id, country=country)
    zone = stored or iso.zone(country)
    if zone and not stored:
        ctx.carried("address/country", "time_zone", "zone-of-country")
    if zone is None:
        ctx.defaulted("time_zone", "utc-assumed", "the country has several zones or is unknown")
    return zone or "UTC"


def _opening(obj: Location, ctx: Context) -> OpeningHours | None:
    """The opening hours without the flag that OCPI has at the location."""
    if obj.opening is None or obj.opening.closed_charging is None:
        return obj.opening
    made = msgspec.structs.replace(obj.opening, closed_charging=None)
    ctx.came_from(made, ("", "opening"))
    if not made.regular and not made.twentyfourseven:
        ctx.approximated("opening", "opening_times", "only-exceptions", "no weekly hours were said")
    return made


def _charging_when_closed(obj: Location, ctx: Context) -> bool | None:
    if obj.closed_charging is None and obj.opening is not None:
        return obj.opening.closed_charging
    return obj.closed_charging


def _updated(obj: Location, ctx: Context) -> datetime | None:
    return obj.updated or sites.updated(obj)


LOCATION = Record(
    "Location",
    Location,
    WIRE,
    "OCPI 2.2.1 Locations, Location object",
    (
        inline("owner", OWNER, write=_owner, uses=("evses",)),
        one("id", "id", key(36), write=fates.agreed_id("location")),
        one(
            "publish", "publish", BOOLEAN, default=lambda obj, ctx: True, rule="published-if-listed"
        ),
        many("publish_allowed_to", "publish_to", PUBLISH_TOKEN),
        opt("name", "name", string(255)),
        inline("address", ADDRESS),
        one("coordinates", "coordinates", GEO_LOCATION),
        many(
            "related_locations",
            "related",
            RELATED_LOCATION,
            write=_related,
            uses=("name_language",),
        ),
        opt(
            "parking_type",
            "site_kind",
            PARKING_TYPE,
            write=fates.near("site_kind", "parking_type", _NO_PARKING_TYPE, "no-parking-type"),
        ),
        many("evses", "evses", EVSE, write=_evses),
        many("directions", "directions", DISPLAY_TEXT),
        opt("operator", "operator", BUSINESS_DETAILS),
        opt("suboperator", "suboperator", BUSINESS_DETAILS),
        opt(
            "owner",
            "owner_business",
            BUSINESS_DETAILS,
            write=_owner_details,
            uses=("resources",),
        ),
        many("facilities", "facilities", FACILITY),
        one("time_zone", "time_zone", string(255), default=_time_zone, rule="zone-of-site"),
        opt("opening_times", "opening", HOURS, write=_opening),
        opt(
            "charging_when_closed",
            "closed_charging",
            BOOLEAN,
            write=_charging_when_closed,
            uses=("opening/closed_charging",),
        ),
        many("images", "images", IMAGE, write=_images),
        opt("energy_mix", "energy_mix", ENERGY_MIX),
        one(
            "last_updated",
            "updated",
            UTC,
            write=_updated,
            uses=("evses",),
            default=fates.now,
            rule=fates.RECEIPT,
        ),
    ),
    lost={"phone": "help_phone came with OCPI 2.3.0"},
)

# -- live status -----------------------------------------------------------------------------


def _addressed(obj: EvseStatus, ctx: Context) -> str | None:
    found = stations.uid(obj, ctx)
    if found is None:
        raise Inexpressible("a status names neither an EVSE id nor a uid")
    return found


EVSE_STATUS = Record(
    "EVSE status",
    EvseStatus,
    WIRE,
    "OCPI 2.2.1 Locations, EVSE object in a PATCH",
    (
        opt(
            "location_id", "location_id", key(36), write=fates.agreed_id("location", "location_id")
        ),
        opt("uid", "evse_uid", key(36), write=_addressed, uses=("evse_id",)),
        opt("evse_id", "evse_id", ci(48)),
        one("status", "state", STATUS, write=stations.live_state, uses=("major", "minor")),
        many(
            "status_schedule",
            "state_schedule",
            STATUS_SCHEDULE,
            write=stations.reserved_later,
            uses=("minor", "ttl"),
        ),
        one("last_updated", "updated", UTC, default=fates.now, rule=fates.RECEIPT),
    ),
)
