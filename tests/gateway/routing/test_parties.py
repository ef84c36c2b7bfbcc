"""Who is who, who may exchange what, and who stands behind a clearing house."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import ConfigError
from gateway.model.base import PartyId
from gateway.routing.parties import CPO_SIDE, EMSP_SIDE, Agreement, Directory
from tests.gateway.routing.samples import ACM, CPO, TNM
from tests.gateway.routing.town import PARTIES, party

NOW = datetime(2031, 5, 2, tzinfo=UTC)
UNKNOWN = PartyId(country="SE", code="ABC")
HUB = PartyId(country="DE", code="HUB")
P = {one.id: one for one in PARTIES}


def directory(*agreements: Agreement) -> Directory:
    return Directory(PARTIES, agreements)


def test_a_code_names_a_party_in_a_role() -> None:
    found = directory()
    assert found.owner_of(CPO) is P["objects-cpo"]
    assert found.provider_of(TNM) is P["objects-emp"]
    assert found.named(TNM, CPO_SIDE) is None
    assert found.named(HUB, CPO_SIDE) is found.named(HUB, EMSP_SIDE) is P["house"]


def test_a_hub_stands_for_its_codes_and_for_all_that_are_nobodys() -> None:
    found = directory()
    assert found.owner_of(UNKNOWN) is found.provider_of(UNKNOWN) is P["house"]
    assert found.speaks_for(P["house"], UNKNOWN, CPO_SIDE)
    assert not found.speaks_for(P["house"], CPO, CPO_SIDE)
    assert not found.speaks_for(P["lists-cpo"], UNKNOWN, CPO_SIDE)
    assert not found.speaks_for(P["lists-cpo"], ACM, EMSP_SIDE)
    assert found.owner_of(None) is None


def test_of_two_hubs_the_one_that_sent_an_object_is_meant() -> None:
    other = party("other-house", "ochp-1.4", "hub", "DE*OTH")
    found = Directory((*PARTIES, other), ())
    assert found.owner_of(UNKNOWN, "other-house") is other
    assert found.owner_of(UNKNOWN, "house") is P["house"]


def test_an_agreement_holds_for_modules_days_and_codes() -> None:
    row = Agreement(
        "objects-cpo",
        "objects-emp",
        frozenset({"cdrs"}),
        NOW,
        NOW + timedelta(days=1),
        emsp_codes=(TNM,),
    )
    found = directory(row)
    cpo, emsp = P["objects-cpo"], P["objects-emp"]
    assert found.may(cpo, emsp, "cdrs", NOW)
    assert not found.may(cpo, emsp, "locations", NOW)
    assert not found.may(cpo, emsp, "cdrs", NOW - timedelta(microseconds=1))
    assert not found.may(cpo, emsp, "cdrs", NOW + timedelta(days=1))
    assert found.may(cpo, emsp, "cdrs", NOW, emsp_code=TNM)
    assert not found.may(cpo, emsp, "cdrs", NOW, emsp_code=UNKNOWN)
    assert not found.may(emsp, cpo, "cdrs", NOW)


def test_what_a_protocol_or_a_role_does_not_have_is_not_exchanged() -> None:
    lists, objects = P["lists-cpo"], P["objects-emp"]
    row = Agreement("lists-cpo", "objects-emp")
    assert not directory(row).may(lists, objects, "sessions", NOW)
    guide = party("guide", "ocpi-2.2.1", "nsp", "NL*NSP")
    found = Directory((*PARTIES, guide), (Agreement("objects-cpo", "guide"),))
    assert found.may(P["objects-cpo"], guide, "locations", NOW)
    assert not found.may(P["objects-cpo"], guide, "cdrs", NOW)


def test_the_home_csp_is_the_party_itself_or_the_hub_that_is_agreed() -> None:
    cpo = P["objects-cpo"]
    to_house = directory(Agreement("objects-cpo", "house"))
    assert to_house.home_of(UNKNOWN, cpo, "cdrs", NOW, CPO) is P["house"]
    assert to_house.home_of(HUB, cpo, "cdrs", NOW, CPO) is P["house"]
    # connected itself, but without agreement: not through the hub either
    assert to_house.home_of(TNM, cpo, "cdrs", NOW, CPO) is None
    assert directory().home_of(UNKNOWN, cpo, "cdrs", NOW, CPO) is None
    both = directory(Agreement("objects-cpo", "house"), Agreement("objects-cpo", "objects-emp"))
    assert both.home_of(TNM, cpo, "cdrs", NOW, CPO) is P["objects-emp"]


def test_all_faults_are_reported_together() -> None:
    twice = party("twice", "ochp-1.4", "cpo", "DE*ACM")
    with pytest.raises(ConfigError) as caught:
        Directory(
            (*PARTIES, twice), (Agreement("nobody", "lists-cpo"), Agreement("house", "house"))
        )
    assert [str(one) for one in caught.value.problems] == [
        "party twice: DE*ACM in the same role is party lists-cpo",
        "agreement: nobody is no party",
        "agreement: lists-cpo has no role of a home-CSP",
    ]
