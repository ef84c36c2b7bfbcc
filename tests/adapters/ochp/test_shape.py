"""Addresses, ids and times in OCHP's form."""

import uuid
from datetime import UTC, datetime

import pytest

from adapters.ochp.shape import (
    cdr_wire_id,
    contract_text,
    evse_text,
    local,
    location_wire_id,
    postal_address,
    split_number,
    tariff_wire_id,
    zone_of,
)
from gateway.errors import Inexpressible
from gateway.model.location import Address
from tests.adapters.ochp.world import CPO, context, notes

EVSE = "NL*QGW*EHARBOUR7*1"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("Havenkade 12", ("Havenkade", "12")),
        ("Havenkade 12b", ("Havenkade", "12B")),
        ("Havenkade 12 b", ("Havenkade", "12 B")),
        ("Rue de la Gare 5-7", ("Rue de la Gare", "5-7")),
        ("Straße des 17. Juni 135", ("Straße des 17. Juni", "135")),
        ("Havenkade", ("Havenkade", None)),
        ("12 Main Street", ("12 Main Street", None)),
        ("Havenkade 1234567", ("Havenkade 1234567", None)),
        ("A 1", ("A 1", None)),
        ("Platz 1/2", ("Platz 1/2", None)),
    ],
)
def test_split_number(line, parts):
    assert split_number(line) == parts


def address(**changes) -> Address:
    values = {"street": "Havenkade 12", "city": "Delft", "country": "NLD", "postal_code": "2611"}
    return Address(**{**values, **changes})


def test_address_is_brought_within_lengths():
    ctx = context()
    made = postal_address(address(street="x" * 50, city="y" * 46), False, ctx)
    assert (made.street, made.city) == ("x" * 45, "y" * 45)
    assert notes(ctx) == {("cut-at-45", "address/street"), ("cut-at-45", "address/city")}


@pytest.mark.parametrize(
    ("code", "said", "rule"),
    [
        ("2611 AB", "2611 AB", None),
        ("2611 ab", "2611 AB", None),
        ("2611_ab", "2611 AB", "postal-code-letters"),
        ("12345678901", "1234567890", "postal-code-letters"),
        ("—", "-", "no-postal-code"),
        (None, "-", "no-postal-code"),
    ],
)
def test_postal_code(code, said, rule):
    ctx = context()
    assert postal_address(address(postal_code=code), False, ctx).postal_code == said
    assert {note.rule for note in ctx.notes} == ({rule} if rule else set())


def test_a_house_number_that_does_not_fit_joins_the_line():
    ctx = context()
    made = postal_address(address(street="Havenkade", house_number="12-14 bis"), False, ctx)
    assert (made.street, made.house_number) == ("Havenkade 12-14 bis", None)
    assert notes(ctx) == {("joined", "address/house_number")}
    assert postal_address(address(house_number="12b"), False, context()).house_number == "12B"


def test_an_address_in_ochps_shape_is_left_alone():
    """Its line may end in a number that is no house number."""
    held = address(street="Gate 12")
    assert postal_address(held, True, context()) is held


def test_alpha_2_countries_become_alpha_3():
    assert postal_address(address(country="NL"), False, context()).country == "NLD"


@pytest.mark.parametrize(
    ("text", "style", "said"),
    [
        (EVSE, "keep", EVSE),
        (EVSE, "compact", "NLQGWEHARBOUR7*1"),
        ("NLQGWEHARBOUR7*1", "separated", EVSE),
        ("nl*qgw*Eharbour7", "keep", "NL*QGW*EHARBOUR7"),
        ("BE-BEC-E041503001", "keep", "BE*BEC*E041503001"),
        ("+49*823*1234*5678", "keep", "DE*823*E1234*5678"),
        ("DE*ICE*E*1*2", "compact", "DE*ICE*E*1*2"),
        ("pole 7", "keep", "POLE 7"),
    ],
)
def test_evse_ids(text, style, said):
    assert evse_text(text, False, context(evse_id_style=style)) == said


def test_spoken_evse_ids_keep_their_case():
    assert evse_text("nlqgwe1", True, context()) == "nlqgwe1"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("DE-XYZ-C01234567-2", {}, "DE-XYZ-C01234567-2"),
        ("DE*XYZ*C01234567", {}, "DE-XYZ-C01234567"),
        ("DE-XYZC01234567-2", {}, "DE-XYZ-C01234567-2"),
        ("NL-TNM-012204-5", {}, "NL-TNM-C00122045-K"),
        ("NL*TNM*012204*5", {"din_contract": "00"}, "NL-TNM-000122045-U"),
        ("visitor", {}, "visitor"),
    ],
)
def test_contract_ids(text, options, said):
    assert contract_text(text, context(**options)) == said


def test_cdr_id_that_fits_is_kept():
    assert cdr_wire_id("nlqgw42", EVSE, False, context()) == "NLQGW42"
    assert cdr_wire_id("F" * 32, EVSE, True, context()) == "F" * 32


def test_cdr_id_surrogates():
    """The same id gives the same surrogate; a UUID gives its own bytes."""
    ctx = context()
    one = uuid.UUID("0191d7a8-9a5a-7c3e-8f5b-2b1f0c9d8e7f")
    made = cdr_wire_id(str(one), EVSE, False, ctx)
    assert made == cdr_wire_id(str(one).upper(), EVSE, False, context())
    assert made.startswith("NLQGW")
    assert len(made) == 31
    other = cdr_wire_id("session/42", EVSE, False, ctx)
    assert len(other) == 36
    assert cdr_wire_id("session/43", EVSE, False, ctx) != other
    assert cdr_wire_id("F" * 32, EVSE, False, ctx) != "F" * 32
    assert {note.rule for note in ctx.notes} == {"cdr-id-surrogate"}


def test_agreed_ids_come_first():
    ids = {("cdr", "x"): "NLQGW1", ("tariff", "x"): "NLQGWT1", ("location", "x"): "L1"}
    assert cdr_wire_id("x", EVSE, False, context(ids)) == "NLQGW1"
    assert tariff_wire_id("x", None, context(ids)) == "NLQGWT1"
    assert location_wire_id("x", context(ids)) == "L1"


def test_tariff_ids():
    assert tariff_wire_id("NL*QGW*TDAY01", None, context()) == "NL*QGW*TDAY01"
    assert tariff_wire_id("day", None, context()) is None
    made = tariff_wire_id("day", CPO, context())
    assert made == tariff_wire_id("DAY", CPO, context())
    assert made.startswith("NL*QGW*T")
    assert len(made) == 17
    compact = tariff_wire_id("day", CPO, context(evse_id_style="compact"))
    assert compact == made.replace("*", "")


def test_location_ids():
    """Characters are not left out: SITE-7 and SITE_7 are two sites."""
    assert location_wire_id("site 7", context()) == "SITE 7"
    ctx = context()
    made = {location_wire_id(each, ctx) for each in ("SITE-7", "SITE_7", "S" * 16)}
    assert len(made) == 3
    assert {len(each) for each in made} == {15}
    assert {note.rule for note in ctx.notes} == {"location-id-surrogate"}


@pytest.mark.parametrize(
    ("instant", "said"),
    [
        (datetime(2031, 10, 26, 0, 30, tzinfo=UTC), "2031-10-26T02:30:00+02:00"),
        (datetime(2031, 10, 26, 1, 30, tzinfo=UTC), "2031-10-26T02:30:00+01:00"),
        (datetime(2031, 3, 30, 0, 59, 59, tzinfo=UTC), "2031-03-30T01:59:59+01:00"),
        (datetime(2031, 3, 30, 1, 0, tzinfo=UTC), "2031-03-30T03:00:00+02:00"),
        (datetime(2031, 1, 1, 0, 0, 0, 999, UTC), "2031-01-01T01:00:00+01:00"),
    ],
)
def test_local_times_of_nights_of_clock_change(instant, said):
    assert local(instant, zone_of(context(), None, "NLD")).isoformat() == said


def test_a_zone_at_utc_has_a_numeric_offset():
    zone = zone_of(context(time_zone="Europe/Lisbon"), None, "PRT")
    assert local(datetime(2031, 1, 1, tzinfo=UTC), zone).isoformat().endswith("+00:00")


def test_zones_come_from_the_site_then_the_partner_then_the_country():
    assert zone_of(context(zone="Atlantic/Azores"), EVSE, "PRT").key == "Atlantic/Azores"
    assert zone_of(context(time_zone="Europe/Lisbon"), EVSE, "PRT").key == "Europe/Lisbon"
    assert zone_of(context(), EVSE, "DEU").key == "Europe/Berlin"


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe", "", "\0"])
def test_no_zone_is_refused_not_guessed(name):
    with pytest.raises(Inexpressible):
        zone_of(context(time_zone=name), EVSE, "PRT")
