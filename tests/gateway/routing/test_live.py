"""Live status: two ways of saying it, time to live, sending again, queries."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.model.location import EvseState, Operation, ScheduledOperation
from gateway.model.message import (
    LocationQuery,
    LocationUpload,
    ResultCode,
    StatusQuery,
    StatusScope,
    StatusUpload,
)
from gateway.model.status import EvseStatus, MajorStatus, MinorStatus, ParkingStatus
from gateway.routing.status import PAIR, STATE, complete
from tests.gateway.routing.samples import busy, free, record, site
from tests.gateway.routing.town import Town

AVAILABLE, NOT, UNKNOWN = MajorStatus.AVAILABLE, MajorStatus.NOT_AVAILABLE, MajorStatus.UNKNOWN


def say(town: Town, who: str, *statuses: EvseStatus, **more: Any) -> Any:
    return town.ask(who, StatusUpload(evses=statuses, **more))


@pytest.fixture
def harbour(town: Town) -> Town:
    """Two EVSEs of a list, two of a whole site; everybody has heard of them."""
    town.ask("lists-cpo", LocationUpload(locations=(record("1"), record("2"))))
    states = (EvseState.AVAILABLE, EvseState.CHARGING)
    town.ask("objects-cpo", LocationUpload(locations=(site(*states),)))
    town.got("objects-emp")
    town.got("house")
    return town


def told_states(town: Town, who: str) -> dict[str, EvseState]:
    return {
        status.evse_id: status.state
        for message in town.got(who, StatusUpload)
        for status in message.evses
    }


@pytest.mark.parametrize(("pair", "state"), STATE.items())
def test_every_pair_has_a_state(pair: Any, state: EvseState) -> None:
    said = complete(EvseStatus(evse_id="x", major=pair[0], minor=pair[1]))
    assert (said.major, said.minor, said.state) == (*pair, state)


@pytest.mark.parametrize(("state", "pair"), PAIR.items())
def test_every_state_has_a_pair(state: EvseState, pair: Any) -> None:
    said = complete(EvseStatus(evse_id="x", state=state))
    assert (said.major, said.minor) == pair
    if pair[0]:
        assert STATE[pair] is state


def test_an_illegal_pair_is_read_by_its_major_part() -> None:
    said = complete(EvseStatus(evse_id="x", major=UNKNOWN, minor=MinorStatus.CHARGING))
    assert said.state is EvseState.UNKNOWN


def test_an_illegal_pair_is_not_sent_on(harbour: Town) -> None:
    """OCHP 1.4, live status: other pairs must not be sent. The finding tells what became of it."""
    wrong = EvseStatus(evse_id="DE*ACM*E1", major=MajorStatus.AVAILABLE, minor=MinorStatus.CHARGING)
    reply = harbour.ask("lists-cpo", StatusUpload(evses=(wrong,)), "c-pair")
    assert reply.result.code is ResultCode.OK
    found = harbour.ask("lists-emp", StatusQuery()).evses
    (told,) = [one for one in found if one.evse_id == wrong.evse_id]
    assert (told.major, told.minor, told.state) == (
        MajorStatus.AVAILABLE,
        None,
        EvseState.AVAILABLE,
    )
    with harbour.store.read() as tx:
        findings = [
            entry.findings
            for row in tx.ledger.find(correlation="c-pair")
            if (entry := tx.ledger.get(row.entry.id)) and entry.findings
        ]
    assert any(b"pair-not-defined" in each for each in findings)


def test_a_change_is_told_as_a_state_and_once(harbour: Town) -> None:
    say(harbour, "lists-cpo", busy("1"))
    assert told_states(harbour, "objects-emp") == {"DE*ACM*E1": EvseState.CHARGING}
    say(harbour, "lists-cpo", busy("1"))
    assert harbour.got("objects-emp") == []


def test_a_status_of_an_object_protocol_is_told_as_a_pair_with_an_end(harbour: Town) -> None:
    blocked = EvseStatus(evse_uid="loc1-1", location_id="loc1", state=EvseState.BLOCKED)
    say(harbour, "objects-cpo", blocked)
    (message,) = harbour.got("house", StatusUpload)
    (status,) = message.evses
    assert status.evse_id == "NL*CPO*ELOC11"
    assert (status.major, status.minor) == (NOT, MinorStatus.BLOCKED)
    assert status.ttl == harbour.clock.now + timedelta(minutes=5)


def test_a_state_inside_a_site_is_live_status_too(harbour: Town) -> None:
    states = (EvseState.RESERVED, EvseState.CHARGING)
    newer = site(*states, updated=harbour.clock.now + timedelta(hours=5))
    harbour.ask("objects-cpo", LocationUpload(locations=(newer,)))
    (message,) = harbour.got("house")
    assert [(s.evse_id, s.minor) for s in message.evses] == [
        ("NL*CPO*ELOC11", MinorStatus.RESERVED)
    ]
    # who gets status with the site is sent the state alone, as nothing else changed
    assert told_states(harbour, "objects-emp") == {"NL*CPO*ELOC11": EvseState.RESERVED}


def test_after_its_time_to_live_a_status_is_unknown_and_told(harbour: Town) -> None:
    ends = harbour.clock.now + timedelta(minutes=5)
    say(harbour, "lists-cpo", free("1", ttl=ends))
    assert told_states(harbour, "objects-emp") == {"DE*ACM*E1": EvseState.AVAILABLE}
    harbour.clock.advance(minutes=4, seconds=59)
    assert told_states(harbour, "objects-emp") == {}
    harbour.clock.advance(seconds=1)
    assert told_states(harbour, "objects-emp") == {"DE*ACM*E1": EvseState.UNKNOWN}
    assert harbour.got("objects-emp") == []


def test_a_lapsed_status_is_seen_as_unknown_before_anybody_was_told(harbour: Town) -> None:
    say(harbour, "lists-cpo", free("1"), ttl=harbour.clock.now + timedelta(minutes=5))
    harbour.clock.advance(minutes=5)
    (found,) = (
        one for one in harbour.ask("lists-emp", StatusQuery()).evses if one.evse_id == "DE*ACM*E1"
    )
    assert (found.major, found.minor) == (UNKNOWN, None)
    sites = harbour.ask("objects-emp", LocationQuery()).locations
    assert sites[0].evses[0].state is EvseState.UNKNOWN


def test_a_status_sent_in_time_again_does_not_lapse(harbour: Town) -> None:
    say(harbour, "lists-cpo", free("1"), ttl=harbour.clock.now + timedelta(minutes=5))
    harbour.later(minutes=4)
    say(harbour, "lists-cpo", free("1"), ttl=harbour.clock.now + timedelta(minutes=5))
    harbour.got("objects-emp")
    harbour.clock.advance(minutes=4)
    assert told_states(harbour, "objects-emp") == {}
    harbour.clock.advance(minutes=1)
    assert told_states(harbour, "objects-emp") == {"DE*ACM*E1": EvseState.UNKNOWN}


def test_the_end_survives_a_restart(harbour: Town, make_town: Any) -> None:
    say(harbour, "lists-cpo", free("1"), ttl=harbour.clock.now + timedelta(minutes=5))
    harbour.got("objects-emp")
    now = harbour.clock.now
    again = make_town()
    again.clock.now = now + timedelta(minutes=6)
    assert told_states(again, "objects-emp") == {"DE*ACM*E1": EvseState.UNKNOWN}


def test_status_without_an_end_is_sent_again_before_its_time(harbour: Town) -> None:
    blocked = EvseStatus(evse_uid="loc1-1", location_id="loc1", state=EvseState.BLOCKED)
    say(harbour, "objects-cpo", blocked)
    harbour.got("house")
    for _ in range(3):
        harbour.clock.advance(minutes=3, seconds=59)
        assert harbour.got("house") == []
        harbour.clock.advance(seconds=1)
        (message,) = harbour.got("house", StatusUpload)
        ends = {status.evse_id: status.ttl for status in message.evses}
        assert ends == dict.fromkeys(
            ("NL*CPO*ELOC11", "NL*CPO*ELOC12"), harbour.clock.now + timedelta(minutes=5)
        )
    assert harbour.got("objects-emp", StatusUpload)[1:] == []


def test_out_of_service_hides_live_status_from_those_who_know_one_state(town: Town) -> None:
    town.ask("lists-cpo", LocationUpload(locations=(record(operation=Operation.INOPERATIVE),)))
    town.got("objects-emp")
    say(town, "lists-cpo", free("1"))
    assert told_states(town, "objects-emp") == {"DE*ACM*E1": EvseState.INOPERATIVE}


def test_status_of_foreign_and_unknown_evses(harbour: Town) -> None:
    foreign = EvseStatus(evse_id="NL*CPO*ELOC11", major=AVAILABLE)
    reply = say(harbour, "lists-cpo", foreign, free("1"))
    assert reply.result.code is ResultCode.PARTLY
    nowhere = EvseStatus(evse_uid="nowhere", location_id="loc1", state=EvseState.AVAILABLE)
    assert say(harbour, "objects-cpo", nowhere).result.code is ResultCode.INVALID_ID
    # a list may send status before the site
    assert say(harbour, "lists-cpo", free("77")).result.code is ResultCode.OK
    harbour.ask("lists-cpo", LocationUpload(locations=(record("77", "L7"),)))
    (message,) = harbour.got("objects-emp", LocationUpload)
    assert message.locations[0].evses[0].state is EvseState.AVAILABLE


def test_status_in_its_three_scopes(town: Town) -> None:
    spots = ("DE*ACM*P1",)
    town.ask("lists-cpo", LocationUpload(locations=(record("1", spots=spots), record("2"))))
    say(town, "lists-cpo", free("1"), parkings=(ParkingStatus(parking_id="DE*ACM*P1", status=NOT),))

    def pairs(scope: StatusScope, field: str) -> dict[str, Any]:
        found = getattr(town.ask("lists-emp", StatusQuery(scope=scope)), field)
        return {one.evse_id: (one.major, one.minor) for one in found}

    assert pairs(StatusScope.EVSE, "evses") == {"DE*ACM*E1": (AVAILABLE, MinorStatus.AVAILABLE)}
    assert pairs(StatusScope.COMBINED, "combined") == {
        "DE*ACM*E1": (NOT, MinorStatus.BLOCKED),
        "DE*ACM*E2": (UNKNOWN, None),
    }
    parkings = town.ask("lists-emp", StatusQuery(scope=StatusScope.PARKING)).parkings
    assert [(one.parking_id, one.status) for one in parkings] == [("DE*ACM*P1", NOT)]
    assert town.ask("stranger", StatusQuery()).result.code is ResultCode.ROAMING


def test_status_since_an_instant(harbour: Town) -> None:
    say(harbour, "lists-cpo", free("1"))
    harbour.clock.advance(minutes=1)
    since = harbour.clock.now
    say(harbour, "lists-cpo", free("2"))
    for scope, field in ((StatusScope.EVSE, "evses"), (StatusScope.COMBINED, "combined")):
        found = getattr(harbour.ask("lists-emp", StatusQuery(since=since, scope=scope)), field)
        assert [one.evse_id for one in found] == ["DE*ACM*E2"]


def test_an_older_word_does_not_replace_a_newer_one(harbour: Town) -> None:
    now = harbour.clock.now
    uid = {"evse_uid": "loc1-1", "location_id": "loc1"}
    say(harbour, "objects-cpo", EvseStatus(**uid, state=EvseState.BLOCKED, updated=now))
    old = now - timedelta(minutes=1)
    say(harbour, "objects-cpo", EvseStatus(**uid, state=EvseState.AVAILABLE, updated=old))
    states = harbour.ask("objects-emp", LocationQuery(id="loc1")).locations[0].evses
    assert states[0].state is EvseState.BLOCKED


def test_a_state_that_came_with_a_site_is_sent_again_too(town: Town) -> None:
    town.ask("objects-cpo", LocationUpload(locations=(site(EvseState.AVAILABLE),)))
    town.got("house")
    town.clock.advance(minutes=4)
    (message,) = town.got("house")
    assert [one.evse_id for one in message.evses] == ["NL*CPO*ELOC11"]


def test_a_schedule_that_turns_is_told_to_those_who_know_one_state(town: Town) -> None:
    begin, end = town.clock.now + timedelta(hours=1), town.clock.now + timedelta(hours=2)
    repair = ScheduledOperation(begin=begin, end=end, operation=Operation.INOPERATIVE)
    town.ask("lists-cpo", LocationUpload(locations=(record("1", schedule=(repair,)),)))
    say(town, "lists-cpo", free("1"))
    town.got("objects-emp")
    town.got("house")
    seen = []
    for _ in range(3):
        town.clock.advance(minutes=59, seconds=59)
        assert town.got("objects-emp") == []
        since = town.clock.now
        town.clock.advance(seconds=1)
        for message in town.got("objects-emp", LocationUpload):
            seen.append(message.locations[0].evses[0].state)
            window = town.ask("objects-emp", LocationQuery(since=since)).locations
            assert [one.id for one in window] == ["L1"]
    assert seen == [EvseState.INOPERATIVE, EvseState.AVAILABLE]
    assert town.links["house"].take(LocationUpload) == []


def test_each_status_lapses_at_its_own_time(harbour: Town) -> None:
    now = harbour.clock.now
    say(harbour, "lists-cpo", free("1", ttl=now + timedelta(minutes=5)))
    say(harbour, "lists-cpo", free("2", ttl=now + timedelta(minutes=9)))
    harbour.got("objects-emp")
    harbour.clock.advance(minutes=5)
    assert told_states(harbour, "objects-emp") == {"DE*ACM*E1": EvseState.UNKNOWN}
    harbour.clock.advance(minutes=4)
    assert told_states(harbour, "objects-emp") == {"DE*ACM*E2": EvseState.UNKNOWN}


def test_changes_in_between_do_not_put_off_what_is_to_be_sent_again(harbour: Town) -> None:
    """The second EVSE never changes; it is told again in time all the same."""
    again = []
    for minute in range(9):
        state = EvseState.BLOCKED if minute % 2 else EvseState.RESERVED
        changed = EvseStatus(evse_uid="loc1-1", location_id="loc1", state=state)
        say(harbour, "objects-cpo", changed)
        told = [s.evse_id for m in harbour.got("house", StatusUpload) for s in m.evses]
        if "NL*CPO*ELOC12" in told:
            again.append(minute)
        harbour.clock.advance(minutes=1)
    assert again == [4, 8]
