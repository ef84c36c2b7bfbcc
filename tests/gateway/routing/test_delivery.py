"""The outbox worker: order, pauses, giving up, parts of a batch, restarts."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import BadAnswer, Inexpressible, Refused, Unreachable, Untrusted
from gateway.model.location import EvseState
from gateway.model.message import (
    CdrUpload,
    LocationUpload,
    Receipt,
    Result,
    ResultCode,
    SessionUpload,
    StatusUpload,
    TariffUpload,
    TokenUpload,
)
from gateway.model.status import EvseStatus
from gateway.routing.delivery import LEASE, Deliveries, Effort
from gateway.routing.parties import Agreement
from gateway.routing.transcript import Said
from tests.gateway.routing.samples import (
    CPO,
    listed_cdr,
    listed_token,
    record,
    session,
    site,
    tariff,
    token,
)
from tests.gateway.routing.town import AGREEMENTS, PARTIES, Town

A = EvseState.AVAILABLE


def owe(town: Town, *places: str) -> None:
    """Something for one partner."""
    for place in places or ("loc1",):
        town.ask("objects-cpo", LocationUpload(locations=(site(A, place=place),)))


def emp(town: Town) -> Any:
    return town.links["objects-emp"]


@pytest.fixture
def quiet(make_town: Any) -> Town:
    """A town in which only one home-CSP is told anything."""
    town: Town = make_town(PARTIES, (Agreement("objects-cpo", "objects-emp"),))
    return town


@pytest.mark.parametrize("error", [Unreachable("down"), Untrusted("401"), BadAnswer("3000")])
def test_a_temporary_failure_is_tried_again_after_growing_pauses(quiet: Town, error: Any) -> None:
    town = quiet
    emp(town).answers[LocationUpload] = error
    owe(town)
    for pause in (5, 10, 20, 40):
        town.deliver()
        assert len(emp(town).take()) == 1
        town.later(seconds=pause - 1)
        assert emp(town).take() == []
        town.clock.advance(seconds=1)
    (waiting,) = town.pending()
    assert type(error).__name__ in (waiting.error or "")
    del emp(town).answers[LocationUpload]
    town.deliver()
    assert len(emp(town).take()) == 1
    assert town.pending() == []
    assert town.dead() == []


def test_a_pause_has_a_longest_and_is_spread() -> None:
    effort = Effort()
    assert effort.pause(1, 1.0) == timedelta(seconds=5)
    assert effort.pause(1, 0.0) == timedelta(seconds=2.5)
    assert effort.pause(1000, 1.0) == timedelta(minutes=15)


def test_after_its_time_a_delivery_is_given_up_with_the_reason(quiet: Town) -> None:
    town = quiet
    emp(town).answers[LocationUpload] = Unreachable("down")
    owe(town)
    for _ in range(40):
        town.later(minutes=5)
    (dead,) = town.dead()
    assert dead.error.startswith("given up after ")
    assert "Unreachable: down" in dead.error
    assert town.pending() == []


@pytest.mark.parametrize(
    "answer",
    [
        Refused("2001"),
        Inexpressible("no place for it"),
        Receipt(result=Result(code=ResultCode.PARTLY), locations=(site(),), reasons=("2001: no",)),
        Receipt(result=Result(code=ResultCode.OK), reasons=("2001: no",)),
        Receipt(result=Result(code=ResultCode.FORMAT, text="no")),
    ],
)
def test_what_is_refused_is_given_up_at_once(quiet: Town, answer: Any) -> None:
    town = quiet
    emp(town).answers[LocationUpload] = [answer]
    owe(town)
    town.deliver()
    (dead,) = town.dead()
    assert "no" in dead.error or "2001" in dead.error
    owe(town, "loc2")
    town.deliver()
    assert [one.locations[0].id for one in emp(town).take()] == ["loc1", "loc2"]


@pytest.mark.parametrize("code", [ResultCode.SERVER, ResultCode.NOT_AUTHORIZED])
def test_an_error_at_the_partners_side_is_tried_again(quiet: Town, code: ResultCode) -> None:
    town = quiet
    emp(town).answers[LocationUpload] = [Receipt(result=Result(code=code, text="oops"))]
    owe(town)
    town.deliver()
    assert town.dead() == []
    town.later(seconds=5)
    assert town.pending() == []


def test_a_party_out_of_reach_is_left_alone_as_a_whole(quiet: Town) -> None:
    town = quiet
    emp(town).answers[LocationUpload] = Unreachable("down")
    owe(town, *(f"loc{number}" for number in range(30)))
    town.deliver()
    assert len(emp(town).take()) == 1
    waiting = town.pending()
    assert len(waiting) == 30
    # what is known to be in vain is not even claimed
    assert sum(row.attempts for row in waiting) <= 16
    town.later(seconds=5)
    assert len(emp(town).take()) == 1
    del emp(town).answers[LocationUpload]
    town.later(seconds=10)
    assert len(emp(town).take()) == 30
    assert town.pending() == []


def test_a_party_that_asks_to_wait_is_left_alone_so_long(
    quiet: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Retry-After`` counts where it is longer than our own pause, up to the longest."""
    town = quiet
    monkeypatch.setattr(Said, "wait", lambda said, now: timedelta(minutes=2))
    emp(town).answers[LocationUpload] = [Unreachable("503")]
    owe(town, "loc1", "loc2")
    town.deliver()
    assert len(emp(town).take()) == 1
    town.later(seconds=119)
    assert emp(town).take() == []
    town.later(seconds=1)
    assert len(emp(town).take()) == 2


def test_one_party_that_is_away_does_not_keep_the_others_waiting(town: Town) -> None:
    emp(town).answers[LocationUpload] = Unreachable("down")
    owe(town)
    town.deliver()
    assert len(town.links["house"].take(LocationUpload)) == 1


def test_after_an_outage_the_present_state_is_told_once(quiet: Town) -> None:
    town = quiet
    owe(town)
    town.deliver()
    emp(town).take()
    emp(town).answers[StatusUpload] = [Unreachable("down")]
    for state in (EvseState.CHARGING, EvseState.BLOCKED, EvseState.RESERVED):
        status = EvseStatus(evse_uid="loc1-1", location_id="loc1", state=state)
        town.ask("objects-cpo", StatusUpload(evses=(status,)))
        town.deliver()
    town.later(seconds=10)
    told = [one.evses[0].state for one in emp(town).take(StatusUpload)]
    assert told == [EvseState.CHARGING, EvseState.RESERVED]


def test_sessions_keep_their_order_over_failures(quiet: Town) -> None:
    town = quiet
    emp(town).answers[SessionUpload] = [BadAnswer("3000"), Unreachable("down")]
    for minute in range(3):
        when = session().updated.replace(minute=minute)
        step = session(updated=when, meter_id=str(minute))
        town.ask("objects-cpo", SessionUpload(sessions=(step,)))
    for _ in range(4):
        town.deliver()
        town.clock.advance(minutes=1)
    order = [one.sessions[0].meter_id for one in emp(town).take(SessionUpload)]
    assert order == ["0", "0", "0", "1", "2"]


def test_a_batch_goes_out_as_one_and_in_parts_when_it_cannot_be_said(town: Town) -> None:
    house = town.links["house"]
    house.answers[LocationUpload] = [Inexpressible("one of them"), None, Inexpressible("bad"), None]
    sites = tuple(record(str(number), f"L{number}") for number in range(3))
    town.ask("lists-cpo", LocationUpload(locations=sites))
    town.deliver()
    sizes = [len(one.locations) for one in house.take(LocationUpload)]
    assert sizes == [3, 1, 1, 1]
    (dead,) = town.dead()
    assert dead.object_key == "DE*ACM/L1"


def test_long_lists_are_sent_in_parts(make_town: Any) -> None:
    town = make_town(PARTIES, (Agreement("house", "lists-emp"),))
    tokens = tuple(listed_token(f"{number:X}") for number in range(1, 451))
    town.ask("lists-emp", TokenUpload(tokens=tokens))
    town.deliver()
    assert [len(one.tokens) for one in town.links["house"].take()] == [200, 200, 50]


def test_what_is_no_longer_agreed_is_not_sent(make_town: Any) -> None:
    town = make_town()
    ends = town.clock.now + timedelta(hours=1)
    row = Agreement("objects-cpo", "objects-emp", until=ends)
    town = make_town(PARTIES, (row,))
    emp(town).answers[LocationUpload] = [Unreachable("down")]
    owe(town)
    town.deliver()
    assert len(emp(town).take()) == 1
    town.later(hours=2)
    assert emp(town).take() == []
    assert town.pending() == []
    assert town.dead() == []


def test_an_error_of_our_own_does_not_stop_the_worker(quiet: Town) -> None:
    town = quiet
    emp(town).answers[LocationUpload] = [ZeroDivisionError()]
    owe(town)
    town.deliver()
    (waiting,) = town.pending()
    assert "ZeroDivisionError" in waiting.error
    town.later(seconds=5)
    assert town.pending() == []


def test_what_was_under_way_in_a_process_that_died_is_sent_again(quiet: Town) -> None:
    town = quiet
    owe(town)
    with town.store.begin() as tx:
        assert len(tx.outbox.claim("dead process", 10, LEASE)) == 1
    town.deliver()
    assert emp(town).take() == []
    town.clock.advance(seconds=30)
    town.deliver()
    assert len(emp(town).take()) == 1
    with town.store.read() as tx:
        (lost,) = [found.entry for found in tx.ledger.find(outcome="Lost")]
    assert (lost.party, lost.attempt, lost.direction) == ("objects-emp", 1, "out")
    assert "dead process" in (lost.reason or "")


def test_a_stopped_worker_gives_back_what_it_has_claimed(quiet: Town) -> None:
    town = quiet
    owe(town, *(f"loc{number}" for number in range(10)))
    started: list[Any] = []
    town.runtime.start = started.append  # nothing runs by itself
    worker = Deliveries(town.exchange, town.clock, chance=lambda: 0.0)
    worker.start()
    pump = started.pop()
    with pytest.raises(StopIteration):
        pump.send(None)
    running, started[:] = list(started), []
    assert worker.under_way == 4
    stopping = worker.stop()
    stopping.send(None)
    for coroutine in running:
        with pytest.raises(StopIteration):
            coroutine.send(None)
    assert worker.under_way == 0
    with town.store.begin() as tx:
        left = tx.outbox.claim("next", 100, timedelta(minutes=1))
    assert len(left) == 6
    assert len(emp(town).take()) == 4
    stopping.close()


def test_every_attempt_stands_in_the_ledger(quiet: Town) -> None:
    town = quiet
    emp(town).answers[LocationUpload] = [Unreachable("down")]
    town.ask("objects-cpo", LocationUpload(locations=(site(A),)), "corr-7")
    town.deliver()
    town.later(seconds=5)
    with town.store.read() as tx:
        entries = [found.entry for found in tx.ledger.find(correlation="corr-7")]
        by_evse = tx.ledger.find(identifier=("evse", "NLCPOELOC11"))
    assert [
        (e.direction, e.party, e.operation, e.outcome, e.attempt, e.reason)
        for e in reversed(entries)
    ] == [
        ("in", "objects-cpo", "LocationUpload", "ok", None, None),
        ("out", "objects-emp", "LocationUpload", "Unreachable", 1, "Unreachable: down"),
        ("out", "objects-emp", "LocationUpload", "ok", 2, None),
    ]
    assert {e.kind for e in entries} == {"locations"}
    assert town.deliveries.looked == town.clock.now
    assert len(by_evse) == 3


@pytest.mark.parametrize(
    ("push", "wanted"),
    [({"cdrs"}, [CdrUpload]), ({"tariffs"}, [TariffUpload]), (set(), [])],
)
def test_only_what_is_configured_is_pushed(make_town: Any, push: Any, wanted: Any) -> None:
    from tests.gateway.routing.town import party

    receiver = party("objects-emp", "ocpi-2.2.1", "emsp", "NL*TNM", push=frozenset(push))
    parties = tuple(receiver if one.id == receiver.id else one for one in PARTIES)
    town = make_town(parties, AGREEMENTS)
    town.ask("lists-cpo", CdrUpload(cdrs=(listed_cdr(),)))
    town.ask("lists-cpo", TariffUpload(tariffs=(tariff(),)))
    assert [type(one) for one in town.got("objects-emp")] == wanted
    assert CPO.code == "CPO"
    assert token().owner
