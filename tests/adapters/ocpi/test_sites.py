"""Records of one EVSE joined to OCPI Locations."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.ocpi.forms import FORMS
from gateway.errors import Inexpressible
from gateway.mapping import interpret
from gateway.mapping.context import Context
from gateway.model.base import PartyId
from gateway.model.location import (
    Business,
    GeoPoint,
    Image,
    ImageKind,
    Location,
    OpeningHours,
    PointKind,
    RegularHours,
    RelatedPoint,
    Resource,
    ResourceKind,
    SiteKind,
    Text,
)
from gateway.model.message import LocationUpload
from tests.adapters.ocpi.records import context, evse, notes, record

OLD = datetime(2031, 1, 1, tzinfo=UTC)
NEW = datetime(2031, 2, 1, tzinfo=UTC)


def said(*records: Location, ctx: Context | None = None) -> Any:
    ctx = ctx or context()
    return interpret.write(FORMS["Location list"].record, LocationUpload(locations=records), ctx)


def test_records_of_one_location_become_one() -> None:
    """One Location with an EVSE per record, in their order."""
    [site] = said(record(1), record(2), record(3))

    assert (site["country_code"], site["party_id"], site["id"]) == ("NL", "QGW", "HAVEN7")
    assert [e["uid"] for e in site["evses"]] == [f"NL*QGW*EHARBOUR7*{n}" for n in (1, 2, 3)]
    assert site["address"] == "Havenkade 12 B"


def test_other_operators_and_other_ids_stay_apart() -> None:
    foreign = record(1, {"evse_id": "DE*ABC*E1"})
    other = replace(record(2), id="HAVEN8")

    sites = said(record(1), foreign, other, record(3))

    assert [(s["party_id"], s["id"], len(s["evses"])) for s in sites] == [
        ("QGW", "HAVEN7", 2),
        ("ABC", "HAVEN7", 1),
        ("QGW", "HAVEN8", 1),
    ]


def test_the_newest_record_speaks_for_the_site() -> None:
    """What the others say otherwise is reported, for each record and field."""
    ctx = context()
    [site] = said(
        replace(record(1), updated=OLD, name="Old quay", phone="+31 1"),
        replace(record(2), updated=NEW),
        ctx=ctx,
    )

    assert site["name"] == "Havenkade"
    assert site["last_updated"] == "2031-02-01T00:00:00Z"
    assert [e["last_updated"] for e in site["evses"]] == [
        "2031-01-01T00:00:00Z",
        "2031-02-01T00:00:00Z",
    ]
    assert {
        ("dropped", "newest-record-speaks", f"locations/0/{field}") for field in ("name", "phone")
    } <= notes(ctx)


def test_an_evse_elsewhere_on_the_site_has_its_own_coordinates() -> None:
    elsewhere = GeoPoint(latitude=Decimal("52.0124"), longitude=Decimal("4.357100"))
    [site] = said(replace(record(1), updated=NEW), replace(record(2), coordinates=elsewhere))

    assert site["coordinates"]["latitude"] == "52.012340"
    assert "coordinates" not in site["evses"][0]
    assert site["evses"][1]["coordinates"]["latitude"] == "52.012400"


def test_pictures_are_joined_by_url() -> None:
    """The station's belong to the EVSE, the site's are shown once, files cannot be shown."""

    def picture(name: str, kind: ImageKind) -> Image:
        return Image(url=f"https://x.example/{name}", kind=kind, type="png")

    logo, photo = picture("logo", ImageKind.OPERATOR), picture("photo", ImageKind.OTHER_PHOTO)
    local = Image(url="file:///c/x.png", kind=ImageKind.LOCATION, type="png")
    ctx = context()
    [site] = said(
        replace(record(1), images=(logo, picture("one", ImageKind.STATION), local)),
        replace(record(2), images=(logo, photo, picture("two", ImageKind.STATION))),
        ctx=ctx,
    )

    assert [i["url"][-5:] for i in site["images"]] == ["/logo", "photo"]
    assert site["images"][1]["category"] == "OTHER"
    assert [[i["url"][-3:] for i in e["images"]] for e in site["evses"]] == [["one"], ["two"]]
    assert ("dropped", "no-web-address", "locations/0/images/1") in notes(ctx)
    assert "nearest-image-category" in {note.rule for note in ctx.notes}


def test_a_record_without_an_operator_is_left_out_and_reported() -> None:
    ctx = context()
    [site] = said(record(1), replace(record(2, {"evse_id": "0815"}), id="X"), ctx=ctx)

    assert site["id"] == "HAVEN7"
    assert ("dropped", "inexpressible", "locations/1") in notes(ctx)


def test_when_no_record_can_be_said_the_message_is_refused() -> None:
    with pytest.raises(Inexpressible, match="no EVSE id tells the operator"):
        said(record(1, {"evse_id": "0815"}))


def test_mandatory_fields_that_the_record_lacks_have_named_rules() -> None:
    ctx = context(names={"NL*QGW": "Quay Gateway"}, traced=True)
    [site] = said(record(1), ctx=ctx)

    assert site["publish"] is True
    assert site["time_zone"] == "Europe/Amsterdam"
    assert site["operator"] == {"name": "Quay Gateway"}
    assert site["last_updated"] == "2031-05-02T08:00:00Z"
    assert site["parking_type"] == "ON_STREET"
    found = notes(ctx)
    assert (
        "defaulted",
        "published-if-listed",
        "./0/publish",
    ) in found
    assert ("defaulted", "zone-of-site", "./0/time_zone") in found
    assert ("defaulted", "receipt-time", "./0/last_updated") in found


def test_a_zone_that_nobody_knows_is_said_as_utc_and_flagged() -> None:
    ctx = context()
    spain = replace(record(1), address=replace(record(1).address, country="ESP"))

    assert said(spain, ctx=ctx)[0]["time_zone"] == "UTC"
    assert ("defaulted", "utc-assumed", "./0/time_zone") in notes(ctx)
    assert said(spain, ctx=context(zone="Atlantic/Canary"))[0]["time_zone"] == "Atlantic/Canary"


def test_opening_hours() -> None:
    """Midnight is a minute early, a window of no time is none, the flag moves to the location."""
    ctx = context()
    hours = OpeningHours(
        regular=(
            RegularHours(weekday=1, begin="06:00", end="24:00"),
            RegularHours(weekday=2, begin="24:00", end="24:00"),
        ),
        closed_charging=False,
    )
    [site] = said(replace(record(1), opening=hours), ctx=ctx)

    assert site["charging_when_closed"] is False
    assert site["opening_times"] == {
        "twentyfourseven": False,
        "regular_hours": [{"weekday": 1, "period_begin": "06:00", "period_end": "23:59"}],
    }
    here = "locations/0/opening/regular"
    assert {
        ("approximated", "midnight-as-23:59", f"{here}/0/end"),
        ("dropped", "window-of-no-time", f"{here}/1"),
        ("defaulted", "not-twentyfourseven", "./0/opening_times/twentyfourseven"),
    } <= notes(ctx)


@pytest.mark.parametrize("kind", [SiteKind.PRIVATE, SiteKind.OTHER, SiteKind.UNKNOWN])
def test_kinds_of_site_that_ocpi_does_not_have(kind: SiteKind) -> None:
    ctx = context()
    [site] = said(replace(record(1), site_kind=kind), ctx=ctx)

    assert "parking_type" not in site
    assert ("dropped", "no-parking-type", "locations/0/site_kind") in notes(ctx)


def test_names_of_points_have_the_language_of_the_location() -> None:
    point = RelatedPoint(
        latitude=Decimal("52.012350"),
        longitude=Decimal("4.357000"),
        name=Text(text="Ingang"),
        kind=PointKind.ENTRANCE,
    )
    ctx = context()
    [site] = said(replace(record(1), related=(point,)), ctx=ctx)

    assert site["related_locations"] == [
        {
            "latitude": "52.012350",
            "longitude": "4.357000",
            "name": {"language": "nl", "text": "Ingang"},
        }
    ]
    assert ("dropped", "no-counterpart", "locations/0/related/0/kind") in notes(ctx)


def test_the_owners_page_needs_an_owner() -> None:
    page = Resource(url="https://own.example", kind=ResourceKind.OWNER_HOMEPAGE)
    info = Resource(url="https://info.example", kind=ResourceKind.STATION_INFO)
    ctx = context()
    [site] = said(replace(record(1), resources=(page, info)), ctx=ctx)

    assert "owner" not in site
    assert {
        ("dropped", "owner-without-name", "locations/0/resources/0"),
        ("dropped", "no-counterpart", "locations/0/resources/1"),
    } <= notes(ctx)

    [site] = said(replace(record(1), resources=(page,), owner_business=Business(name="Port")))
    assert site["owner"] == {"name": "Port", "website": "https://own.example"}


def test_a_house_number_of_zero_is_none() -> None:
    ctx = context()
    [site] = said(replace(record(1), address=replace(record(1).address, house_number="0")), ctx=ctx)

    assert site["address"] == "Havenkade"
    assert ("dropped", "no-house-number", "locations/0/address/house_number") in notes(ctx)


def test_locations_of_ocpi_pass_untouched_between_records() -> None:
    whole = replace(
        record(9, {"uid": "u9", "connectors": ()}),
        evses=(),
        owner=PartyId(country="DE", code="ACM"),
    )
    sites = said(record(1), whole, record(2))

    assert [(s["party_id"], len(s.get("evses", ()))) for s in sites] == [("QGW", 2), ("ACM", 0)]


def test_ids_that_were_agreed_are_used() -> None:
    ids = {("location", "HAVEN7"): "L-7", ("evse_uid", "NL*QGW*EHARBOUR7*1"): "u-1"}
    [site] = said(record(1), ctx=context(ids=ids))

    assert (site["id"], site["evses"][0]["uid"]) == ("L-7", "u-1")


def test_findings_name_the_record_that_each_part_came_from() -> None:
    """In a joined location the second EVSE is that of the second record."""
    ctx = context(traced=True)
    writing = interpret.Writing()
    message = LocationUpload(
        locations=(replace(record(1), updated=OLD), replace(record(2), updated=NEW))
    )
    interpret.write(FORMS["Location list"].record, message, ctx, writing=writing)
    by_target = {wrote.target: set(wrote.paths) for wrote in writing.wrote}

    assert by_target["/0/evses/0/evse_id"] == {"locations/0/evses/0/evse_id"}
    assert by_target["/0/evses/1/evse_id"] == {"locations/1/evses/0/evse_id"}
    assert by_target["/0/evses/0/last_updated"] == {"locations/0/updated"}
    assert by_target["/0/name"] == {"locations/0/name", "locations/1/name"}
    assert by_target["/0/party_id"] == {
        "locations/0/evses/0/evse_id",
        "locations/1/evses/0/evse_id",
    }
    assert by_target["/0/evses/1/connectors/0/standard"] == {
        "locations/1/evses/0/connectors/0/standard"
    }
    methods = [note for note in ctx.notes if note.rule == "card-kind-unsaid"]
    assert {note.origins for note in methods} == {
        ("locations/0/evses/0/auth_methods/0",),
        ("locations/1/evses/0/auth_methods/0",),
    }


def test_an_evse_without_connectors_cannot_be_said() -> None:
    with pytest.raises(Inexpressible, match="without connectors"):
        said(replace(record(1), evses=(evse(1, connectors=()),)))
