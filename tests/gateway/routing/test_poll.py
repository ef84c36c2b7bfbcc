"""Asking by schedule: what, when, from where on, and by one process at a time."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from gateway.errors import Unreachable
from gateway.model.charging import CdrState
from gateway.model.location import EvseState
from gateway.model.message import (
    CdrDecisions,
    CdrList,
    CdrQuery,
    CdrUpload,
    LocationList,
    LocationQuery,
    Result,
    ResultCode,
    SessionQuery,
    StatusList,
    StatusQuery,
    TariffList,
    TariffQuery,
    TokenList,
    TokenQuery,
)
from gateway.routing.poll import MARGIN, Polls
from gateway.routing.runtime import run
from tests.gateway.routing.samples import (
    CPO,
    cdr,
    free,
    listed_cdr,
    listed_token,
    record,
    site,
    tariff,
)
from tests.gateway.routing.town import AGREEMENTS, PARTIES, Town, party


@dataclass(frozen=True)
class Plan:
    status: timedelta = timedelta(seconds=60)
    locations: timedelta = timedelta(minutes=15)
    tokens: timedelta = timedelta(minutes=5)
    cdrs: timedelta = timedelta(minutes=15)
    full: time = time(3)


class Polled:
    """A town whose parties are asked."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.polls = Polls(town.exchange, Plan(), town.clock, chance=lambda: 0.0)

    def look(self) -> None:
        """Everything that is due, some at a time."""
        self.polls.start()
        for _ in range(20):
            self.polls.look()
        run(self.polls.stop())

    def asked(self, who: str = "house", wanted: Any = None, **later: float) -> list[Any]:
        self.town.clock.advance(**later)
        self.look()
        queries = (LocationQuery, StatusQuery, TariffQuery, TokenQuery, CdrQuery, SessionQuery)
        return [one for one in self.town.links[who].take(wanted) if isinstance(one, queries)]


@pytest.fixture
def polled(town: Town) -> Polled:
    return Polled(town)


def test_a_house_is_asked_for_everything_it_does_not_send(polled: Polled) -> None:
    assert polled.asked() == [
        LocationQuery(),
        TariffQuery(),
        StatusQuery(),
        CdrQuery(),
        TokenQuery(),
        CdrQuery(mine=True, state=CdrState.DECLINED),
        CdrQuery(mine=True, state=CdrState.APPROVED),
    ]


def test_an_object_protocol_is_asked_by_its_side(polled: Polled) -> None:
    assert polled.asked("objects-cpo") == [
        LocationQuery(),
        TariffQuery(),
        SessionQuery(),
        CdrQuery(),
    ]
    assert polled.asked("objects-emp") == [TokenQuery()]


def test_only_what_is_configured_is_asked_for(make_town: Any) -> None:
    cpo = party("objects-cpo", "ocpi-2.2.1", "cpo", "NL*CPO", pull=frozenset({"cdrs"}))
    parties = tuple(cpo if one.id == cpo.id else one for one in PARTIES)
    assert Polled(make_town(parties, AGREEMENTS)).asked("objects-cpo") == [CdrQuery()]


def test_the_next_question_is_from_the_start_of_the_last_success(polled: Polled) -> None:
    first = polled.town.clock.now
    polled.asked()
    assert polled.asked(wanted=LocationQuery, minutes=14) == []
    (query,) = polled.asked(wanted=LocationQuery, minutes=1)
    assert query.since == first - MARGIN
    second = polled.town.clock.now
    polled.town.links["house"].answers[LocationQuery] = Unreachable("down")
    (failed,) = polled.asked(wanted=LocationQuery, minutes=15)
    (again,) = polled.asked(wanted=LocationQuery, minutes=15)
    assert failed.since == again.since == second - MARGIN


def test_a_clock_that_was_ahead_leaves_nothing_out(polled: Polled) -> None:
    """From its mark, which is in the future now, nothing would be told: all is asked for again."""
    assert polled.asked("objects-cpo", CdrQuery, hours=1) == [CdrQuery()]
    assert polled.asked("objects-cpo", CdrQuery, hours=-1) == []
    began = polled.town.clock.now + timedelta(minutes=15)
    assert polled.asked("objects-cpo", CdrQuery, minutes=15) == [CdrQuery()]
    (query,) = polled.asked("objects-cpo", CdrQuery, minutes=15)
    assert query.since == began - MARGIN


def test_whole_lists_are_fetched_at_night_in_the_partys_zone(make_town: Any) -> None:
    house = party("house", "ochp-1.4", "hub", "DE*HUB", time_zone="Europe/Berlin")
    parties = tuple(house if one.id == house.id else one for one in PARTIES)
    polled = Polled(make_town(parties, AGREEMENTS))
    polled.asked()
    polled.town.clock.now = datetime(2031, 5, 3, 0, 59, tzinfo=UTC)
    assert all(query.since for query in polled.asked(wanted=LocationQuery))
    polled.town.clock.now = datetime(2031, 5, 3, 1, 0, tzinfo=UTC)
    polled.town.links["house"].take()
    assert LocationQuery() in polled.asked()


def answer(town: Town, who: str, *answers: Any) -> None:
    kinds = {
        LocationList: LocationQuery,
        StatusList: StatusQuery,
        TariffList: TariffQuery,
        TokenList: TokenQuery,
        CdrList: CdrQuery,
    }
    for one in answers:
        town.links[who].answers[kinds[type(one)]] = one


def test_what_is_fetched_goes_the_way_of_an_upload(polled: Polled) -> None:
    town = polled.town
    answer(
        town,
        "house",
        LocationList(locations=(record("1", operator="SE*XYZ"),)),
        StatusList(evses=(free("1").__class__(evse_id="SE*XYZ*E1", major="available"),)),
        TariffList(tariffs=(tariff("SE*XYZ*T1"),)),
        TokenList(tokens=(listed_token("C0FFEE", "SE-ABC-C00000001-1"),)),
    )
    polled.look()
    (seen,) = town.ask("objects-emp", LocationQuery()).locations
    assert seen.evses[0].state is EvseState.AVAILABLE
    assert [one.id for one in town.ask("lists-emp", TariffQuery()).tariffs] == ["SE*XYZ*T1"]
    assert [one.uid for one in town.ask("lists-cpo", TokenQuery()).tokens] == ["C0FFEE"]


def test_a_whole_list_closes_what_it_leaves_out_but_a_partial_or_refused_one_does_not(
    polled: Polled,
) -> None:
    town = polled.town
    both = (site(EvseState.AVAILABLE), site(EvseState.AVAILABLE, place="loc2"))
    answer(town, "objects-cpo", LocationList(locations=both))
    polled.look()

    def removed() -> list[str]:
        return [
            one.id
            for one in town.ask("objects-emp", LocationQuery()).locations
            if one.evses[0].state is EvseState.REMOVED
        ]

    partly = Result(code=ResultCode.PARTLY, text="1 left out")
    answer(town, "objects-cpo", LocationList(locations=both[:1], result=partly))
    town.clock.advance(days=1)
    polled.look()
    assert removed() == []
    answer(town, "objects-cpo", LocationList(result=Result(code=ResultCode.ROAMING)))
    town.clock.advance(days=1)
    polled.look()
    assert removed() == []
    answer(town, "objects-cpo", LocationList(locations=both[:1]))
    town.clock.advance(days=1)
    polled.look()
    assert removed() == ["loc2"]


def test_cdrs_of_a_house_are_fetched_delivered_and_confirmed(polled: Polled) -> None:
    town = polled.town
    one = listed_cdr("SEXYZ01", evse_id="SE*XYZ*E1", state=CdrState.ACCEPTED)
    town.links["house"].answers[CdrQuery] = [CdrList(cdrs=(one,))]
    polled.look()
    assert [m.cdrs[0].id for m in town.got("objects-emp", CdrUpload)] == ["SEXYZ01"]
    (word,) = town.got("house", CdrDecisions)
    assert [ref.cdr_id for ref in word.approved] == ["SEXYZ01"]


def test_a_decision_that_a_house_reports_is_the_home_csps(polled: Polled) -> None:
    town = polled.town
    town.ask("objects-cpo", CdrUpload(cdrs=(cdr(contract="SE-ABC-C00000001-1"),)))
    (message,) = town.got("house", CdrUpload)
    told = message.cdrs[0]

    def reported(mine: bool, state: Any) -> CdrList:
        return CdrList(cdrs=(told.__class__(**_fields(told) | {"state": state}),) if mine else ())

    town.links["house"].answers[CdrQuery] = [
        CdrList(),
        reported(True, CdrState.DECLINED),
        CdrList(),
    ]
    polled.look()
    with town.store.read() as tx:
        assert tx.objects.get("cdr", str(CPO), "CDR-1").state == "declined"


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def test_two_processes_ask_once(polled: Polled, make_town: Any) -> None:
    now = polled.town.clock.now
    other = Polled(make_town())
    other.town.clock.now = now
    assert polled.asked(wanted=StatusQuery)
    assert other.asked(wanted=StatusQuery) == []
    assert other.asked(wanted=StatusQuery, seconds=60)
    assert polled.asked(wanted=StatusQuery) == []


def test_a_restart_goes_on_from_where_it_was(polled: Polled, make_town: Any) -> None:
    first = polled.town.clock.now
    polled.asked()
    again = Polled(make_town())
    again.town.clock.now = first + timedelta(minutes=20)
    (query,) = again.asked(wanted=LocationQuery)
    assert query.since == first - MARGIN


def test_a_failure_of_one_party_leaves_the_others_alone(polled: Polled) -> None:
    town = polled.town
    town.links["house"].answers = dict.fromkeys(
        (LocationQuery, StatusQuery, TariffQuery, TokenQuery, CdrQuery), Unreachable("down")
    )
    assert len(polled.asked("house")) == 7
    assert len(polled.asked("objects-cpo")) == 4
    with town.store.read() as tx:
        failed = tx.ledger.find(party="house", outcome="Unreachable")
    assert len(failed) == 7
