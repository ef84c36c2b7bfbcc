"""Sites: joined from records, told to those who may know, left out of full lists."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import NotPermitted
from gateway.model.location import EvseState, Operation, ScheduledOperation
from gateway.model.message import (
    LocationList,
    LocationQuery,
    LocationUpload,
    Page,
    Receipt,
    ResultCode,
    StatusUpload,
)
from gateway.model.packing import pack
from tests.gateway.routing.samples import ACM, CPO, XYZ, free, record, site
from tests.gateway.routing.town import Town

A, C = EvseState.AVAILABLE, EvseState.CHARGING


def upload(town: Town, who: str, *locations: Any, full: bool = False) -> Receipt:
    reply: Receipt = town.ask(who, LocationUpload(locations=locations, full=full))
    return reply


def seen(town: Town, who: str, **query: Any) -> LocationList:
    reply: LocationList = town.ask(who, LocationQuery(**query))
    return reply


def states(location: Any) -> dict[str, EvseState]:
    return {evse.evse_id: evse.state for evse in location.evses}


def test_records_of_one_evse_are_pushed_as_one_site(town: Town) -> None:
    assert upload(town, "lists-cpo", record("1"), record("2")).result.code is ResultCode.OK
    (told,) = town.got("objects-emp", LocationUpload)
    (location,) = told.locations
    assert (location.id, location.owner) == ("L1", ACM)
    assert states(location) == dict.fromkeys(("DE*ACM*E1", "DE*ACM*E2"), EvseState.UNKNOWN)


def test_a_further_record_keeps_the_evses_that_are_there(town: Town) -> None:
    upload(town, "lists-cpo", record("1"))
    town.got("objects-emp")
    upload(town, "lists-cpo", record("2"))
    (told,) = town.got("objects-emp", LocationUpload)
    assert list(states(told.locations[0])) == ["DE*ACM*E1", "DE*ACM*E2"]


def test_a_record_sent_again_in_other_letters_is_kept_in_those(town: Town) -> None:
    """Numbers and instants that are equal in value but not in what was sent."""
    at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    first = record("1", updated=at)
    there = at.astimezone(timezone(timedelta(hours=2)))
    longer = replace(first.coordinates, latitude=Decimal(f"{first.coordinates.latitude}0"))
    for again in (first, replace(first, updated=there), replace(first, coordinates=longer)):
        upload(town, "lists-cpo", again)
        (found,) = seen(town, "lists-emp").locations
        assert pack(found) == pack(again)


def test_records_come_back_as_they_were(town: Town) -> None:
    """Whoever speaks the same protocol gets the very records, extras of each included."""
    one = record("1", extras={"ochp-1.4": {"images/class": "x"}}, phone="+49 1")
    two = record("2", phone="+49 2")
    upload(town, "lists-cpo", one, two)
    assert seen(town, "lists-emp").locations == (one, two)
    (told,) = town.got("house", LocationUpload)
    assert told.locations == (one, two)


def test_the_same_content_has_no_second_effect(town: Town) -> None:
    for times in (None, record().updated):
        upload(town, "lists-cpo", record("1", updated=times))
    upload(town, "objects-cpo", site(A))
    town.got("objects-emp")
    town.got("house")
    newer = site(A).updated.replace(hour=13)
    assert upload(town, "objects-cpo", replace(site(A), updated=newer)).result.code == "ok"
    upload(town, "lists-cpo", record("1"))
    assert town.got("objects-emp") == []
    assert town.got("house") == []


def test_what_is_older_than_what_is_known_is_ignored(town: Town) -> None:
    upload(town, "objects-cpo", site(A, name="new"))
    older = site(A).updated.replace(hour=1)
    upload(town, "objects-cpo", replace(site(A, name="old"), updated=older))
    assert seen(town, "objects-emp").locations[0].name == "new"


def test_foreign_objects_are_refused_and_the_others_taken(town: Town) -> None:
    foreign = record("9", operator="NL*CPO")
    reply = upload(town, "lists-cpo", record("1"), foreign)
    assert reply.result.code is ResultCode.PARTLY
    assert reply.locations == (foreign,)
    assert "NL*CPO" in reply.reasons[0]
    assert [one.id for one in seen(town, "lists-emp").locations] == ["L1"]
    alone = upload(town, "lists-cpo", foreign)
    assert alone.result.code is ResultCode.INVALID_ID


def test_an_evse_id_of_another_connected_operator_cannot_be_claimed(town: Town) -> None:
    stolen = site(A)
    evse = replace(stolen.evses[0], evse_id="DE*ACM*E1")
    reply = upload(town, "objects-cpo", replace(stolen, evses=(evse,)))
    assert reply.result.code is ResultCode.INVALID_ID
    assert seen(town, "objects-emp").locations == ()


def test_a_full_list_closes_what_it_leaves_out(town: Town) -> None:
    upload(town, "lists-cpo", record("1"), record("2"), record("3", "L2"))
    town.got("objects-emp")
    town.got("house")
    upload(town, "lists-cpo", record("1"), full=True)
    told = {
        location.id: states(location)
        for message in town.got("objects-emp", LocationUpload)
        for location in message.locations
    }
    removed = EvseState.REMOVED
    assert told == {
        "L1": {"DE*ACM*E1": EvseState.UNKNOWN, "DE*ACM*E2": removed},
        "L2": {"DE*ACM*E3": removed},
    }
    listed = {
        one.evses[0].evse_id: one.evses[0].operation
        for message in town.got("house", LocationUpload)
        for one in message.locations
    }
    assert listed["DE*ACM*E2"] is listed["DE*ACM*E3"] is Operation.CLOSED
    upload(town, "lists-cpo", record("1"), full=True)
    assert town.got("objects-emp") == []


def test_a_full_list_that_is_refused_as_a_whole_closes_nothing(town: Town) -> None:
    """Somebody else's file, sent by mistake, is answered as refused: then nothing has happened."""
    upload(town, "lists-cpo", record("1"))
    before = seen(town, "objects-emp").locations

    reply = upload(town, "lists-cpo", record("1", operator="NL*CPO"), full=True)

    assert reply.result.code is ResultCode.INVALID_ID
    assert seen(town, "objects-emp").locations == before
    assert states(before[0]) == {"DE*ACM*E1": EvseState.UNKNOWN}


def test_a_full_list_touches_nobody_elses_sites(town: Town) -> None:
    upload(town, "objects-cpo", site(A))
    upload(town, "lists-cpo", record("1"), full=True)
    found = {one.id: states(one) for one in seen(town, "objects-emp").locations}
    assert found["loc1"] == {"NL*CPO*ELOC11": A}


def test_a_closed_evse_that_comes_back_is_there_again(town: Town) -> None:
    upload(town, "lists-cpo", record("1"), record("2"))
    upload(town, "lists-cpo", record("1"), full=True)
    upload(town, "lists-cpo", record("2"))
    (location,) = seen(town, "objects-emp").locations
    assert states(location)["DE*ACM*E2"] is EvseState.UNKNOWN


def test_an_evse_that_moves_to_another_site_is_removed_at_the_first(town: Town) -> None:
    upload(town, "lists-cpo", record("1", "L1"), record("2", "L1"))
    town.got("objects-emp")
    town.got("house")
    upload(town, "lists-cpo", record("2", "L2"))
    told = {
        location.id: states(location)
        for message in town.got("objects-emp", LocationUpload)
        for location in message.locations
    }
    assert told["L1"]["DE*ACM*E2"] is EvseState.REMOVED
    assert told["L2"]["DE*ACM*E2"] is EvseState.UNKNOWN
    # who keeps a list by EVSE id must not hear that the EVSE is closed
    listed = [
        one
        for message in town.got("house", LocationUpload)
        for one in message.locations
        if one.evses[0].evse_id == "DE*ACM*E2"
    ]
    assert [(one.id, one.evses[0].operation) for one in listed] == [("L2", Operation.OPERATIVE)]


def test_a_whole_site_takes_the_place_of_what_was_there(town: Town) -> None:
    upload(town, "objects-cpo", site(A, A))
    upload(town, "objects-cpo", site(A))
    (location,) = seen(town, "objects-emp").locations
    assert states(location) == {"NL*CPO*ELOC11": A, "NL*CPO*ELOC12": EvseState.REMOVED}


def test_only_partners_with_an_agreement_see_anything(town: Town) -> None:
    upload(town, "lists-cpo", record("1"))
    nothing = seen(town, "stranger")
    assert nothing.locations == ()
    assert nothing.result.code is ResultCode.ROAMING
    assert town.got("stranger") == []
    assert len(seen(town, "objects-emp").locations) == 1


def test_the_owner_finds_its_own_site_in_any_case(town: Town) -> None:
    upload(town, "objects-cpo", site(A, C))
    (mine,) = seen(town, "objects-cpo", owner=CPO, id="LOC1").locations
    assert mine.id == "loc1"
    assert seen(town, "stranger", owner=XYZ, id="loc1").locations == ()
    with pytest.raises(NotPermitted):
        seen(town, "objects-cpo")


def test_pages_go_from_the_oldest_creation_on(town: Town) -> None:
    for number in range(5):
        upload(town, "lists-cpo", record(str(number), f"L{number}"))
        town.clock.advance(minutes=1)
    upload(town, "lists-cpo", record("0", "L0", name="again"))
    first = seen(town, "objects-emp", page=Page(offset=0, limit=2))
    rest = seen(town, "objects-emp", page=Page(offset=2, limit=10))
    assert [one.id for one in first.locations] == ["L0", "L1"]
    assert [one.id for one in rest.locations] == ["L2", "L3", "L4"]
    assert first.total == rest.total == 5


def test_windows_are_on_the_time_of_receipt(town: Town) -> None:
    upload(town, "objects-cpo", site(A, place="first"))
    town.clock.advance(minutes=10)
    middle = town.clock.now
    upload(town, "objects-cpo", site(A, place="second"))
    assert [one.id for one in seen(town, "objects-emp", since=middle).locations] == ["second"]
    assert [one.id for one in seen(town, "objects-emp", until=middle).locations] == ["first"]


def test_a_status_moves_the_site_only_for_those_who_get_it_with_the_site(town: Town) -> None:
    upload(town, "lists-cpo", record("1"))
    town.clock.advance(minutes=10)
    since = town.clock.now
    assert town.ask("lists-cpo", StatusUpload()).result.code is ResultCode.OK
    town.ask("lists-cpo", StatusUpload(evses=(free("1"),)))
    (location,) = seen(town, "objects-emp", since=since).locations
    assert states(location) == {"DE*ACM*E1": A}
    assert seen(town, "lists-emp", since=since).locations == ()


def test_static_status_and_its_schedule_come_before_live_status(town: Town) -> None:
    planned = ScheduledOperation(begin=town.clock.now, operation=Operation.INOPERATIVE)
    upload(
        town,
        "lists-cpo",
        record("1", operation=Operation.PLANNED),
        record("2", schedule=(planned,)),
        record("3"),
    )
    town.ask("lists-cpo", StatusUpload(evses=(free("1"), free("2"), free("3"))))
    (location,) = seen(town, "objects-emp").locations
    assert states(location) == {
        "DE*ACM*E1": EvseState.PLANNED,
        "DE*ACM*E2": EvseState.INOPERATIVE,
        "DE*ACM*E3": A,
    }


def test_a_partner_that_only_asks_is_sent_nothing(town: Town) -> None:
    upload(town, "lists-cpo", record("1"))
    assert town.pending("lists-emp") == []
    assert len(seen(town, "lists-emp").locations) == 1


def test_a_restart_loses_nothing_that_is_owed(town: Town, make_town: Any) -> None:
    upload(town, "lists-cpo", record("1"))
    again = make_town()
    (told,) = again.got("objects-emp", LocationUpload)
    assert told.locations[0].id == "L1"
    assert again.got("objects-emp") == []
