"""What a site and its EVSEs say in OCHP: one record per EVSE, functions for what changes shape.

Source: OCHP 1.4, ChargePointInfo and the classes below it; OCPI 2.2.1, Location, EVSE, Connector.
Limits: each function takes a ``Location`` of exactly one EVSE. What OCHP has no word for is noted
as dropped at its own place; what it says more coarsely as approximated.
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from adapters.ochp.kinds import (
    CONNECTOR_STANDARD,
    IMAGE_TYPE,
    IMAGE_URI,
    PARKING_ID,
    PHONE,
    PIXELS,
    RESOURCE_URI,
    RESTRICTION,
    fits,
)
from adapters.ochp.shape import (
    cut,
    evse_text,
    location_wire_id,
    owner_noted,
    postal_address,
    tariff_wire_id,
)
from gateway import iso
from gateway.mapping.context import Context
from gateway.mapping.kinds import exponent
from gateway.model.ids import evse_key, evse_owner
from gateway.model.location import (
    Address,
    AuthMethod,
    Connector,
    CurrentType,
    Evse,
    EvseState,
    GeoPoint,
    Image,
    ImageKind,
    Location,
    Operation,
    ParkingSpot,
    PowerType,
    Rating,
    Resource,
    ResourceKind,
    Restriction,
    ScheduledOperation,
    SiteKind,
)

_SIX = Decimal("0.000001")
_METHODS: dict[str, tuple[AuthMethod, ...]] = {
    "RFID_READER": (AuthMethod.RFID_MIFARE_CLASSIC, AuthMethod.RFID_MIFARE_DESFIRE),
    "CREDIT_CARD_PAYABLE": (AuthMethod.CREDIT_CARD,),
    "DEBIT_CARD_PAYABLE": (AuthMethod.DEBIT_CARD,),
}
_OPERATIONS = {
    EvseState.INOPERATIVE: Operation.INOPERATIVE,
    EvseState.PLANNED: Operation.PLANNED,
    EvseState.REMOVED: Operation.CLOSED,
    EvseState.UNKNOWN: Operation.UNKNOWN,
}
_DC = {"CHADEMO", "IEC_62196_T1_COMBO", "IEC_62196_T2_COMBO"}
_COARSER = {SiteKind.ON_DRIVEWAY: SiteKind.PRIVATE, SiteKind.ALONG_MOTORWAY: SiteKind.OTHER}


def spoken(location: Location) -> bool:
    """The site is in OCHP's shape: all that OCHP requires and OCPI has no word for is there."""
    evse = _evse(location)
    return bool(evse.auth_methods and location.name_language and location.site_kind)


def _evse(location: Location) -> Evse:
    return location.evses[0] if location.evses else Evse()


# -- ids, names, place -----------------------------------------------------------------------


def evse_id(location: Location, ctx: Context) -> str | None:
    evse = _evse(location)
    if evse.evse_id is None:
        return None
    if location.owner is not None:
        owner_noted(location.owner, evse_owner(evse.evse_id), ctx, "owner", "evseId")
    if location.publish:
        ctx.carried("publish", "evseId", "on-the-list")
    same = evse.uid == evse.evse_id or (
        evse.uid is not None and evse_key(evse.uid) == evse_key(evse.evse_id)
    )
    if same:
        ctx.carried("evses/0/uid", "evseId", "one-evse-id")
    elif evse.uid is not None:
        ctx.dropped("evses/0/uid", "one-evse-id", "OCHP has no second id of an EVSE")
    if location.publish or evse.uid is not None:
        ctx.carried("evses/0/evse_id", "evseId")  # besides what is noted above
    return evse_text(evse.evse_id, spoken(location), ctx)


def location_id(location: Location, ctx: Context) -> str:
    return location.id if spoken(location) else location_wire_id(location.id, ctx)


def timestamp(location: Location, ctx: Context) -> Any:
    """When the EVSE changed, else when the site did; whole seconds."""
    evse = _evse(location)
    field = "updated" if evse.updated is None else "evses/0/updated"
    if evse.updated is not None and location.updated is not None:
        ctx.dropped("updated", "timestamp-of-evse", "the site's own time of change is not said")
    value = evse.updated or location.updated
    if value is None or not value.microsecond:
        if evse.updated is not None:
            ctx.carried(field, "timestamp/DateTime", "timestamp-of-evse")
        return value
    ctx.approximated(field, "timestamp/DateTime", "whole-seconds")
    return value.replace(microsecond=0)


def name(location: Location, ctx: Context) -> str | None:
    return cut(location.name, 100, ctx, "name", "locationName") if location.name else None


def name_of_address(location: Location, ctx: Context) -> str:
    place = location.address
    for part in ("street", "city"):
        ctx.inferred(f"address/{part}", "locationName", "name-of-address")
    return f"{place.street}, {place.city}"[:100].rstrip()


def partner_language(location: Location, ctx: Context) -> str:
    """The language set for the partner (two or three letters), else English."""
    return iso.language3(str(ctx.options.get("language", ""))) or "eng"


def address(location: Location, ctx: Context) -> Address:
    return postal_address(location.address, spoken(location), ctx)


def coordinates(location: Location, ctx: Context) -> GeoPoint:
    """The coordinates of the site, as all EVSEs of one site share them; six decimals."""
    point, own = location.coordinates, _evse(location).coordinates
    if own is not None and (own.latitude, own.longitude) != (point.latitude, point.longitude):
        ctx.dropped("evses/0/coordinates", "place-of-the-site")
    elif own is not None:
        ctx.carried("evses/0/coordinates/latitude", "chargePointLocation/@lat", "place-of-the-site")
        ctx.carried(
            "evses/0/coordinates/longitude", "chargePointLocation/@lon", "place-of-the-site"
        )
    target = "chargePointLocation"
    return rounded(point, "coordinates", target, ctx)  # type: ignore[no-any-return]


def rounded(point: Any, field: str, target: str, ctx: Context) -> Any:
    """A point with at most six decimals, which is 6 cm."""
    changes = {}
    for part, wire in (("latitude", "@lat"), ("longitude", "@lon")):
        value = getattr(point, part)
        near = value if exponent(value) >= -6 else value.quantize(_SIX)
        if near != value:
            ctx.approximated(f"{field}/{part}", f"{target}/{wire}", "six-decimals")
        if near is not value:
            changes[part] = near
    return ctx.came_from(replace(point, **changes), ("", field)) if changes else point


def related(location: Location, ctx: Context) -> tuple[Any, ...]:
    return tuple(
        rounded(point, f"related/{place}", "relatedLocation", ctx)
        for place, point in enumerate(location.related)
    )


def phone(location: Location, ctx: Context) -> str | None:
    """A number of digits, blanks and hyphens; other separators become blanks."""
    if location.phone is None or fits(PHONE, location.phone):
        return location.phone
    bare = " ".join("".join(c if c in "+0123456789-" else " " for c in location.phone).split())
    if fits(PHONE, bare):
        ctx.approximated("phone", "telephoneNumber", "phone-separators")
        return bare
    ctx.dropped("phone", "phone-not-in-ochp")
    return None


def site_kind(location: Location, ctx: Context) -> SiteKind | None:
    kind = location.site_kind
    if kind in _COARSER:
        ctx.approximated("site_kind", "location", "coarser-site-kind")
        return _COARSER[kind]
    return kind


# -- images and pages ------------------------------------------------------------------------


def images(location: Location, ctx: Context) -> tuple[Image, ...]:
    """The images of the site and of the EVSE that OCHP can say."""
    every = [(f"images/{i}", each) for i, each in enumerate(location.images)]
    every += [(f"evses/0/images/{i}", each) for i, each in enumerate(_evse(location).images)]
    made = []
    for path, image in every:
        if not fits(IMAGE_URI, image.url) or not fits(IMAGE_TYPE, image.type):
            ctx.dropped(path, "image-not-in-ochp")
            continue
        changes: dict[str, Any] = {}
        if image.kind is ImageKind.OTHER:
            changes["kind"] = ImageKind.OTHER_PHOTO
            ctx.approximated(f"{path}/kind", "images", "other-photo")
        for part, kind in (("thumbnail", IMAGE_URI), ("width", PIXELS), ("height", PIXELS)):
            value = getattr(image, part)
            if value is not None and not fits(kind, value):
                ctx.dropped(f"{path}/{part}", "image-not-in-ochp")
                changes[part] = None
        one = replace(image, **changes) if changes else image
        if one is not image or path.startswith("evses"):
            ctx.came_from(one, ("", path))
        made.append(one)
    return tuple(made)


def resources(location: Location, ctx: Context) -> tuple[Resource, ...]:
    """The web pages, and the owner's own."""
    made = list(location.resources)
    owner = location.owner_business
    if owner is not None:
        for part in ("name", "logo"):
            if getattr(owner, part) is not None:
                ctx.dropped(f"owner_business/{part}", "no-counterpart")
        if owner.website is not None and fits(RESOURCE_URI, owner.website):
            page = Resource(url=owner.website, kind=ResourceKind.OWNER_HOMEPAGE)
            made.append(ctx.came_from(page, ("url", "owner_business/website")))
        elif owner.website is not None:
            ctx.dropped("owner_business/website", "address-not-in-ochp")
    return tuple(made)


# -- service ---------------------------------------------------------------------------------


def operation(location: Location, ctx: Context) -> Operation | None:
    """The static status; of a live one: in service, unless it says otherwise."""
    evse = _evse(location)
    if evse.operation is not None or evse.state is None:
        return evse.operation
    if evse.state not in _OPERATIONS:
        ctx.approximated("evses/0/state", "status", "static-status")
    return _OPERATIONS.get(evse.state, Operation.OPERATIVE)


def schedule(location: Location, ctx: Context) -> tuple[ScheduledOperation, ...]:
    """The planned static status; of planned live ones as ``operation`` does."""
    evse = _evse(location)
    if evse.operation_schedule or not evse.state_schedule:
        return evse.operation_schedule
    made = []
    for place, each in enumerate(evse.state_schedule):
        path = f"evses/0/state_schedule/{place}"
        if each.state not in _OPERATIONS:
            ctx.approximated(f"{path}/state", "statusSchedule", "static-status")
        planned = ScheduledOperation(
            begin=each.begin,
            end=each.end,
            operation=_OPERATIONS.get(each.state, Operation.OPERATIVE),
        )
        made.append(ctx.came_from(planned, ("operation", f"{path}/state"), ("", path)))
    return tuple(made)


def auth_methods(location: Location, ctx: Context) -> tuple[AuthMethod, ...]:
    """How a driver can start; capabilities that OCHP has no word for are noted."""
    evse = _evse(location)
    made: list[AuthMethod] = list(evse.auth_methods)
    for place, capability in enumerate(evse.capabilities):
        path, methods = f"evses/0/capabilities/{place}", _METHODS.get(capability, ())
        if methods and evse.auth_methods:
            ctx.dropped(path, "methods-are-said", capability)
            continue
        if not methods and capability != "RESERVABLE":
            ctx.dropped(path, "capability-not-in-ochp", capability)
        for method in methods:
            made.append(method)
            target = f"authMethods[{len(made)}]/AuthMethodType"
            ctx.carried(path, target, "method-of-capability")
    return tuple(made)


def max_reservation(location: Location, ctx: Context) -> int | None:
    evse = _evse(location)
    if evse.max_reservation is None and "RESERVABLE" in evse.capabilities:
        place = evse.capabilities.index("RESERVABLE")
        ctx.approximated(f"evses/0/capabilities/{place}", "maxReservation", "half-an-hour")
        return 30
    if "RESERVABLE" in evse.capabilities:
        place = evse.capabilities.index("RESERVABLE")
        ctx.carried(f"evses/0/capabilities/{place}", "maxReservation", "reservable-by-minutes")
    return evse.max_reservation


def restrictions(location: Location, ctx: Context) -> tuple[Restriction, ...]:
    made = []
    for place, each in enumerate(_evse(location).restrictions):
        if fits(RESTRICTION, each):
            made.append(each)
        else:
            ctx.dropped(f"evses/0/restrictions/{place}", "restriction-not-in-ochp", each.value)
    return tuple(made)


def parking_spots(location: Location, ctx: Context) -> tuple[ParkingSpot, ...]:
    made = []
    for place, spot in enumerate(_evse(location).parking_spots):
        if fits(PARKING_ID, spot.id):
            made.append(spot)
        else:
            ctx.dropped(f"evses/0/parking_spots/{place}", "parking-id-not-in-ochp")
    return tuple(made)


# -- technical equipment ---------------------------------------------------------------------


def connectors(location: Location, ctx: Context) -> tuple[Connector, ...]:
    """The connectors whose standard OCHP knows, each with one tariff at most."""
    evse = _evse(location)
    if spoken(location):
        return evse.connectors
    owner = (evse_owner(evse.evse_id) if evse.evse_id else None) or location.owner
    made: list[Connector] = []
    for place, connector in enumerate(evse.connectors):
        path = f"evses/0/connectors/{place}"
        if not fits(CONNECTOR_STANDARD, connector.standard):
            ctx.dropped(path, "connector-not-in-ochp", connector.standard)
            continue
        ids = connector.tariff_ids[:1]
        for extra in range(1, len(connector.tariff_ids)):
            ctx.dropped(f"{path}/tariff_ids/{extra}", "one-tariff-only")
        said = tuple(filter(None, (tariff_wire_id(each, owner, ctx) for each in ids)))
        if ids and not said:
            ctx.dropped(f"{path}/tariff_ids/0", "tariff-id-not-in-ochp")
        elif said != ids:
            target = f"connectors[{len(made) + 1}]/tariffId[1]"
            ctx.carried(f"{path}/tariff_ids/0", target, "tariff-id-surrogate")
            ctx.inferred("evses/0/evse_id", target, "tariff-id-surrogate")
        one = connector if said == connector.tariff_ids else replace(connector, tariff_ids=said)
        made.append(connector if one is connector else ctx.came_from(one, ("", path)))
    return tuple(made)


def is_dc(connector: Any) -> bool:
    """Whether a connector gives direct current, by its power type or else its standard."""
    if connector.power_type is not None:
        return bool(connector.power_type is PowerType.DC)
    return connector.standard in _DC


def current_type(location: Location, ctx: Context) -> CurrentType | None:
    """DC as soon as one connector is."""
    evse = _evse(location)
    known = _known(evse)
    if evse.current_type is not None or not known:
        return evse.current_type
    for place, connector in known:
        field = "standard" if connector.power_type is None else "power_type"
        path = f"evses/0/connectors/{place}/{field}"
        ctx.inferred(path, "chargePointType", "current-of-connectors")
    return CurrentType.DC if any(is_dc(each) for _, each in known) else CurrentType.AC


def _known(evse: Evse) -> list[tuple[int, Connector]]:
    """The connectors whose standard OCHP knows, with their places."""
    pairs = enumerate(evse.connectors)
    return [(place, each) for place, each in pairs if fits(CONNECTOR_STANDARD, each.standard)]


def watts(connector: Connector) -> int | None:
    """The power of a connector: as stated, else from volts, amperes and phases."""
    if connector.max_power is not None:
        return connector.max_power
    if connector.max_voltage is None or connector.max_amperage is None:
        return None
    phases = 3 if connector.power_type is PowerType.AC_3_PHASE else 1
    return connector.max_voltage * connector.max_amperage * phases


def rating(location: Location, ctx: Context) -> Rating | None:
    """The rating of the EVSE; else that of its strongest connector that is said."""
    evse = _evse(location)
    if evse.rating is not None:
        return evse.rating
    known = _known(evse)
    rated = [(watts(each) or 0, place) for place, each in known]
    power, strongest = max(rated, default=(0, 0), key=lambda pair: pair[0])
    if not power:
        return None
    for place, connector in known:
        path, stated = f"evses/0/connectors/{place}", connector.max_power is not None
        parts = ("max_power",) if stated else ("max_voltage", "max_amperage", "power_type")
        if place != strongest:
            for part in ("max_power", "max_voltage", "max_amperage"):
                ctx.dropped(f"{path}/{part}", "strongest-connector")
        elif len({power for power, _ in rated}) > 1:
            for part in parts:
                ctx.approximated(f"{path}/{part}", "ratings/maximumPower", "strongest-connector")
                ctx.inferred(f"{path}/{part}", "ratings/nominalVoltage", "strongest-connector")
        elif stated:
            ctx.carried(f"{path}/max_power", "ratings/maximumPower", "w-to-kw")
        else:
            for part in parts:
                ctx.inferred(f"{path}/{part}", "ratings/maximumPower", "volts-times-amperes")
    path = f"evses/0/connectors/{strongest}"
    volts = evse.connectors[strongest].max_voltage
    if volts is not None and not 0 < volts <= 1000:
        ctx.dropped(f"{path}/max_voltage", "voltage-not-in-ochp")
        volts = None
    made = Rating(max_power=(Decimal(power) / 1000).normalize(), nominal_voltage=volts)
    return ctx.came_from(  # type: ignore[no-any-return]
        made, ("nominal_voltage", f"{path}/max_voltage")
    )
