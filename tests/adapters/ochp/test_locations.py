"""Sites of other protocols as charge points."""

from decimal import Decimal

import pytest

from adapters.ochp import messages as wire
from adapters.ochp.hours import joined, widest
from gateway.errors import Inexpressible
from gateway.mapping import interpret
from gateway.mapping.context import Context
from gateway.mapping.report import join
from gateway.model.base import PartyId
from gateway.model.location import (
    Address,
    AuthMethod,
    Business,
    EvseState,
    GeoPoint,
    Image,
    ImageKind,
    OpeningHours,
    Operation,
    Period,
    PowerType,
    Rating,
    RegularHours,
    RelatedPoint,
    Restriction,
    ScheduledState,
    SiteKind,
    Text,
)
from gateway.model.message import LocationUpload
from tests.adapters.ochp.world import (
    NOW,
    connector,
    context,
    evse,
    location,
    notes,
    rules,
    text,
    texts,
    written,
)

ITEM = "chargePointInfoArray"


def said(*locations, ctx=None):
    """The request that says sites, checked by the schema."""
    return written(wire.UPDATE_CHARGE_POINTS, LocationUpload(locations=locations), ctx)


def test_an_ordinary_site():
    ctx = context(language="nl")
    node = said(location(), ctx=ctx)
    assert text(node, f"{ITEM}/evseId") == "NL*QGW*EHARBOUR7*1"
    assert text(node, f"{ITEM}/locationNameLang") == "NLD"
    assert text(node, f"{ITEM}/chargePointAddress/address") == "Havenkade"
    assert text(node, f"{ITEM}/chargePointAddress/houseNumber") == "12 B"
    assert node.find(".//{*}chargePointLocation").attrib == {"lat": "52.011500", "lon": "4.357100"}
    assert text(node, f"{ITEM}/status/ChargePointStatusType") == "Operative"
    methods = texts(node, f"{ITEM}/authMethods/AuthMethodType")
    assert methods == ["RfidMifareCls", "RfidMifareDes"]
    assert text(node, f"{ITEM}/chargePointType") == "AC"
    assert text(node, f"{ITEM}/ratings/maximumPower") == "11.04"
    assert text(node, f"{ITEM}/ratings/nominalVoltage") == "230"
    here = "locations/0/evses/0"
    assert notes(ctx) == {
        ("one-evse-id", f"{here}/uid"),
        ("static-status", f"{here}/state"),
        ("no-counterpart", f"{here}/connectors/0/id"),
        ("no-counterpart", f"{here}/connectors/0/updated"),
        ("partner-language", "locations/0"),
        ("timestamp-of-evse", "locations/0/updated"),
    }


def test_a_site_of_three_evses_is_three_records():
    """One EVSE without id is noted and does not stop the others."""
    site = location(evse(), evse(evse_id=None), evse(evse_id="NL*QGW*EHARBOUR7*3"))
    ctx = context(evse_id_style="compact")
    node = said(site, location(evse(evse_id="NLQGWE9"), id="SITE9"), ctx=ctx)
    assert texts(node, f"{ITEM}/evseId") == ["NLQGWEHARBOUR7*1", "NLQGWEHARBOUR7*3", "NLQGWE9"]
    assert texts(node, f"{ITEM}/locationId") == ["SITE7", "SITE7", "SITE9"]
    assert ("inexpressible", "locations/0/evses/1") in notes(ctx)


def test_every_leaf_of_a_split_site_is_accounted_for():
    """The findings name each EVSE's own fields, and the site's once for all."""
    upload = LocationUpload(locations=(location(evse(), evse(evse_id="NL*QGW*E2")),))
    ctx = Context(context().facts, traced=True)
    writing = interpret.Writing()
    interpret.write(wire.UPDATE_CHARGE_POINTS, upload, ctx, writing=writing)
    paths = {leaf.target: leaf.paths for leaf in writing.wrote}
    root = "/UpdateChargePointListRequest/chargePointInfoArray"
    assert paths[f"{root}[2]/evseId"] == ("locations/0/evses/1/evse_id",)
    assert paths[f"{root}[2]/locationName"] == ("locations/0/name",)
    assert paths[f"{root}[1]/connectors[1]/connectorFormat/ConnectorFormat"] == (
        "locations/0/evses/0/connectors/0/format",
    )
    dropped = [note.origins for note in ctx.notes if note.rule == "one-evse-id"]
    assert dropped == [("locations/0/evses/0/uid",), ("locations/0/evses/1/uid",)]
    assert join([], writing.wrote, ctx.notes, str, "test")


@pytest.mark.parametrize(
    ("site", "reason"),
    [
        (location(publish=False), "shown to nobody"),
        (location(evse(evse_id=None)), "evseId: has no value"),
        (location(evse(evse_id="DE*ICE*E*1*2")), "is no EvseId"),
        (location(evse(evse_id="7-1")), "is no EvseId"),
        (location(evse(connectors=())), "connectors: has no value"),
        (location(evse(connectors=(connector(standard="GBT_DC"),))), "connectors: has no value"),
        (location(address=Address(street="x", city="Delft", country="NLD")), "fewer than 2"),
        (location(address=Address(street="Kade", city="Delft", country="Holland")), "country"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_reason(site, reason):
    with pytest.raises(Inexpressible, match=reason):
        said(site)


def test_a_site_without_evses_is_refused():
    site = location()
    empty = type(site)(id="X", address=site.address, coordinates=site.coordinates, owner=site.owner)
    with pytest.raises(Inexpressible, match="the site has none"):
        said(empty)


def test_connectors_that_ochp_does_not_know_are_left_out():
    ctx = context()
    node = said(location(evse(connectors=(connector(standard="GBT_AC"), connector()))), ctx=ctx)
    assert len(node.findall(".//{*}connectors")) == 1
    assert ("connector-not-in-ochp", "locations/0/evses/0/connectors/0") in notes(ctx)


def test_tariffs_of_a_connector():
    """One at most, by its id in OCHP."""
    ctx = context({("tariff", "day"): "NLQGWTDAY01"})
    node = said(location(evse(connectors=(connector(tariff_ids=("day", "night")),))), ctx=ctx)
    assert texts(node, f"{ITEM}/connectors/tariffId") == ["NLQGWTDAY01"]
    assert ("one-tariff-only", "locations/0/evses/0/connectors/0/tariff_ids/1") in notes(ctx)
    made = said(location(evse(connectors=(connector(tariff_ids=("day",)),))))
    assert text(made, f"{ITEM}/connectors/tariffId").startswith("NL*QGW*T")


@pytest.mark.parametrize(
    ("connectors", "kind", "power", "volts"),
    [
        ((connector(max_power=22000),), "AC", "22", "230"),
        ((connector(), connector(power_type=PowerType.DC, max_power=50000)), "DC", "50", "230"),
        ((connector(power_type=PowerType.AC_1_PHASE),), "AC", "3.68", "230"),
        ((connector(power_type=None, standard="CHADEMO", max_power=1),), "DC", "0.001", "230"),
        ((connector(max_voltage=None),), "AC", None, None),
        ((connector(max_power=350000, max_voltage=1500),), "AC", "350", None),
    ],
)
def test_current_and_rating_of_connectors(connectors, kind, power, volts):
    node = said(location(evse(connectors=connectors)))
    assert text(node, f"{ITEM}/chargePointType") == kind
    assert text(node, f"{ITEM}/ratings/maximumPower") == power
    assert text(node, f"{ITEM}/ratings/nominalVoltage") == volts


def test_a_rating_of_its_own_is_kept():
    rating = Rating(max_power=Decimal("7.40"), guaranteed_power=Decimal("3.7"))
    node = said(location(evse(rating=rating)))
    assert text(node, f"{ITEM}/ratings/maximumPower") == "7.40"
    assert text(node, f"{ITEM}/ratings/guaranteedPower") == "3.7"


@pytest.mark.parametrize(
    ("state", "status", "rule"),
    [
        (EvseState.AVAILABLE, "Operative", "static-status"),
        (EvseState.CHARGING, "Operative", "static-status"),
        (EvseState.OUT_OF_ORDER, "Operative", "static-status"),
        (EvseState.INOPERATIVE, "Inoperative", None),
        (EvseState.PLANNED, "Planned", None),
        (EvseState.REMOVED, "Closed", None),
        (EvseState.UNKNOWN, "Unknown", None),
        (None, None, None),
    ],
)
def test_static_status(state, status, rule):
    ctx = context()
    node = said(location(evse(state=state)), ctx=ctx)
    assert text(node, f"{ITEM}/status/ChargePointStatusType") == status
    assert ("static-status" in rules(ctx.notes)) is (rule is not None)


def test_status_schedule():
    plan = ScheduledState(begin=NOW.replace(microsecond=5), state=EvseState.INOPERATIVE)
    ctx = context()
    node = said(location(evse(state_schedule=(plan,))), ctx=ctx)
    assert text(node, f"{ITEM}/statusSchedule/startDate/DateTime") == "2031-05-02T09:00:00Z"
    assert text(node, f"{ITEM}/statusSchedule/status/ChargePointStatusType") == "Inoperative"
    assert "whole-seconds" in rules(ctx.notes)


def test_capabilities():
    """What is left without a word of OCHP's is noted; somebody must be able to start."""
    ctx = context()
    node = said(location(evse(capabilities=("UNLOCK_CAPABLE", "RESERVABLE"))), ctx=ctx)
    assert texts(node, f"{ITEM}/authMethods/AuthMethodType") == ["LocalKey"]
    assert text(node, f"{ITEM}/maxReservation") == "30"
    assert notes(ctx) >= {
        ("capability-not-in-ochp", "locations/0/evses/0/capabilities/0"),
        ("half-an-hour", "locations/0/evses/0/capabilities/1"),
        ("auth-methods", "locations/0"),
    }
    node = said(location(evse(capabilities=("CREDIT_CARD_PAYABLE", "DEBIT_CARD_PAYABLE"))))
    methods = texts(node, f"{ITEM}/authMethods/AuthMethodType")
    assert methods == ["DirectCreditcard", "DirectDebitcard"]
    own = evse(auth_methods=(AuthMethod.ISO_15118,), capabilities=())
    assert texts(said(location(own)), f"{ITEM}/authMethods/AuthMethodType") == ["Iec15118"]


def hours(*windows: str, **more) -> OpeningHours:
    regular = tuple(
        RegularHours(weekday=int(day), begin=begin, end=end)
        for day, begin, end in (window.split() for window in windows)
    )
    return OpeningHours(**{"twentyfourseven": False, "regular": regular, **more})


WEEK_WITH_LUNCH = [
    f"{day} {times}" for day in range(1, 6) for times in ("08:00 12:00", "13:00 18:30")
]


@pytest.mark.parametrize(
    ("opening", "windows", "rule"),
    [
        (hours("1 08:00 18:00"), [("1", "08:00", "18:00")], None),
        (hours("7 00:00 24:00"), [("7", "00:00", "24:00")], None),
        (
            hours(*WEEK_WITH_LUNCH),
            [(str(day), "13:00", "18:30") for day in range(1, 6)],
            "widest-window-a-day",
        ),
        (
            hours(*(f"{day} {t}" for day in range(1, 8) for t in ("06:00 12:00", "12:00 20:00"))),
            [(str(day), "06:00", "20:00") for day in range(1, 8)],
            None,
        ),
    ],
)
def test_weekly_windows(opening, windows, rule):
    ctx = context()
    node = said(location(opening=opening, closed_charging=False), ctx=ctx)
    found = [
        (each.get("weekday"), each.get("periodBegin"), each.get("periodEnd"))
        for each in node.iter("{*}regularHours")
    ]
    assert found == windows
    assert ("widest-window-a-day" in rules(ctx.notes)) is (rule is not None)
    assert text(node, f"{ITEM}/openingTimes/closedCharging") == "false"


def test_always_open():
    ctx = context()
    opening = hours("1 08:00 18:00", twentyfourseven=True)
    node = said(location(opening=opening), ctx=ctx)
    assert text(node, f"{ITEM}/openingTimes/twentyfourseven") == "true"
    assert node.find(".//{*}regularHours") is None
    assert text(node, f"{ITEM}/openingTimes/closedCharging") == "true"
    assert rules(ctx.notes) >= {"always-open", "charging-when-closed"}


def test_only_exceptions():
    opening = hours(openings=(Period(begin=NOW, end=NOW.replace(hour=12, microsecond=7)),))
    node = said(location(opening=opening))
    assert text(node, f"{ITEM}/openingTimes/twentyfourseven") == "false"
    path = f"{ITEM}/openingTimes/exceptionalOpenings/periodEnd/DateTime"
    assert text(node, path) == "2031-05-02T12:00:00Z"


def test_windows_are_joined_only_where_they_touch():
    windows = hours("1 08:00 12:00", "1 12:00 13:00", "2 12:00 13:00", "1 14:00 15:00").regular
    assert [(w.weekday, w.begin, w.end) for w in joined(windows)] == [
        (1, "08:00", "13:00"),
        (1, "14:00", "15:00"),
        (2, "12:00", "13:00"),
    ]
    assert [w.begin for w in widest(joined(windows))] == ["08:00", "12:00"]


def test_names():
    ctx = context()
    node = said(location(name="x" * 101), location(evse(evse_id="NLQGWE2"), name=None), ctx=ctx)
    assert texts(node, f"{ITEM}/locationName") == ["x" * 100, "Havenkade 12 b, Delft"]
    assert {("cut-at-100", "locations/0/name"), ("name-of-address", "locations/1")} <= notes(ctx)


@pytest.mark.parametrize(
    ("kind", "said_as"),
    [
        (SiteKind.ON_DRIVEWAY, "private"),
        (SiteKind.ALONG_MOTORWAY, "other"),
        (SiteKind.UNDERGROUND_GARAGE, "underground-garage"),
        (None, "unknown"),
    ],
)
def test_site_kind(kind, said_as):
    node = said(location(site_kind=kind))
    assert text(node, f"{ITEM}/location/GeneralLocationType") == said_as


def test_points_have_six_decimals():
    ctx = context()
    point = RelatedPoint(
        latitude=Decimal("52.0115004"),
        longitude=Decimal("4.3"),
        name=Text(text="n" * 300, language="nld"),
    )
    fine = GeoPoint(latitude=Decimal("52.0115006"), longitude=Decimal("-0.0000001"))
    node = said(location(related=(point,), coordinates=fine), ctx=ctx)
    assert dict(node.find(".//{*}relatedLocation").attrib) == {
        "lat": "52.011500",
        "lon": "4.300000",
        "name": "n" * 255,
        "type": "other",
    }
    assert node.find(".//{*}chargePointLocation").get("lat") == "52.011501"
    assert rules(ctx.notes) >= {"six-decimals", "cut-at-255", "point-of-no-kind"}


def test_images():
    pictures = (
        Image(url="https://x.example/a.png", kind=ImageKind.OTHER, type="png", width=0),
        Image(url="https://x.example/b.jpeg", kind=ImageKind.OWNER, type="image/jpeg"),
        Image(url="data:image/png;base64,AA", kind=ImageKind.OWNER, type="png"),
    )
    station = Image(url="ftp://x.example/c.gif", kind=ImageKind.STATION, type="gif")
    ctx = context()
    node = said(location(evse(images=(station,)), images=pictures), ctx=ctx)
    assert texts(node, f"{ITEM}/images/class") == ["otherPhoto", "stationPhoto"]
    assert node.find(".//{*}width") is None
    assert notes(ctx) >= {
        ("other-photo", "locations/0/images/0/kind"),
        ("image-not-in-ochp", "locations/0/images/0/width"),
        ("image-not-in-ochp", "locations/0/images/1"),
        ("image-not-in-ochp", "locations/0/images/2"),
    }


def test_what_ochp_has_no_word_for_is_noted_at_its_place():
    ctx = context()
    site = location(
        evse(
            restrictions=(Restriction.EV_ONLY, Restriction.TAXIS),
            coordinates=GeoPoint(latitude=Decimal(1), longitude=Decimal(2)),
            physical_reference="A7",
        ),
        owner=PartyId(country="DE", code="ABC"),
        operator=Business(name="Op"),
        owner_business=Business(name="Own", website="https://own.example"),
        facilities=("HOTEL",),
        phone="+31 (0)15-123/45",
    )
    node = said(site, ctx=ctx)
    assert texts(node, f"{ITEM}/restriction/RestrictionType") == ["evonly"]
    assert text(node, f"{ITEM}/relatedResource/uri") == "https://own.example"
    assert text(node, f"{ITEM}/telephoneNumber") == "+31 0 15-123 45"
    assert notes(ctx) >= {
        ("restriction-not-in-ochp", "locations/0/evses/0/restrictions/1"),
        ("place-of-the-site", "locations/0/evses/0/coordinates"),
        ("no-counterpart", "locations/0/evses/0/physical_reference"),
        ("owner-in-id", "locations/0/owner"),
        ("no-counterpart", "locations/0/operator"),
        ("no-counterpart", "locations/0/owner_business/name"),
        ("no-counterpart", "locations/0/facilities"),
        ("phone-separators", "locations/0/phone"),
    }


def test_a_full_upload_is_the_set_operation():
    upload = LocationUpload(locations=(location(),), full=True)
    node = written(wire.SET_CHARGE_POINTS, upload)
    assert interpret.read(wire.SET_CHARGE_POINTS, node).full is True
    made = interpret.read(wire.SET_CHARGE_POINTS, node).locations[0]
    assert made.evses[0].operation is Operation.OPERATIVE
    assert made.owner is None
