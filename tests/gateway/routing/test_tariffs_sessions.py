"""Tariffs and sessions: told, removed, hidden, ordered."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway.model.charging import SessionState
from gateway.model.message import (
    Page,
    ResultCode,
    SessionQuery,
    SessionUpload,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
)
from gateway.model.tariff import IndividualTariff
from tests.gateway.routing.samples import ACM, CPO, NOON, ref, session, tariff
from tests.gateway.routing.town import Town


def upload(town: Town, who: str, *tariffs: Any, full: bool = False) -> Any:
    return town.ask(who, TariffUpload(tariffs=tariffs, full=full))


def test_tariffs_are_told_once_and_with_their_owner(town: Town) -> None:
    assert upload(town, "lists-cpo", tariff()).result.code is ResultCode.OK
    (message,) = town.got("objects-emp", TariffUpload)
    assert [(one.id, one.owner) for one in message.tariffs] == [("DE*ACM*T1", ACM)]
    assert town.got("house", TariffUpload)[0].tariffs == (tariff(),)
    upload(town, "lists-cpo", tariff())
    assert town.got("objects-emp") == []


def test_foreign_tariffs_are_refused(town: Town) -> None:
    foreign = tariff("NL*CPO*T1")
    reply = upload(town, "lists-cpo", foreign, tariff())
    assert (reply.result.code, reply.tariffs) == (ResultCode.PARTLY, (foreign,))


@pytest.mark.parametrize("currency", ["EURO", "", "eur", "XYZ"])
def test_prices_in_no_currency_are_refused(town: Town, currency: str) -> None:
    """OCHP's schema lets anything pass; OCPI could not say it, and nobody could bill by it."""
    for wrong in (
        msgspec.structs.replace(tariff("DE*ACM*T2"), currency=currency),
        tariff(
            "DE*ACM*T3",
            elements=(),
            individual=(msgspec.structs.replace(individual(price="1"), currency=currency),),
        ),
    ):
        reply = upload(town, "lists-cpo", wrong, tariff())
        assert (reply.result.code, reply.tariffs) == (ResultCode.PARTLY, (wrong,))
        assert reply.reasons == (f"tariff {wrong.id}: {currency!r} is no currency",)
        assert upload(town, "lists-cpo", wrong).result.code is ResultCode.FORMAT
    assert [one.id for one in town.ask("lists-emp", TariffQuery()).tariffs] == ["DE*ACM*T1"]


def test_a_removed_tariff_is_told_as_removed(town: Town) -> None:
    upload(town, "objects-cpo", tariff("t1", owner=CPO), tariff("t2", owner=CPO))
    town.got("objects-emp")
    removal = TariffRemoval(owner=CPO, ids=("T1",))
    assert town.ask("objects-cpo", removal).result.code is ResultCode.OK
    (told,) = town.got("objects-emp")
    assert told == TariffRemoval(owner=CPO, ids=("T1",))
    assert [one.id for one in town.ask("objects-emp", TariffQuery()).tariffs] == ["t2"]
    again = town.ask("objects-cpo", removal)
    assert again.result.code is ResultCode.INVALID_ID
    assert town.ask("lists-cpo", removal).result.code is ResultCode.INVALID_ID


def test_a_full_list_removes_what_it_leaves_out(town: Town) -> None:
    upload(town, "objects-cpo", tariff("t1", owner=CPO), tariff("t2", owner=CPO))
    town.got("objects-emp")
    upload(town, "objects-cpo", tariff("t1", owner=CPO), full=True)
    assert town.got("objects-emp") == [TariffRemoval(owner=CPO, ids=("T2",))]
    upload(town, "objects-cpo", tariff("DE*ACM*T1"), full=True)  # refused as a whole
    assert town.got("objects-emp") == []


def test_a_tariff_removed_before_it_was_told_is_told_as_removed_only(town: Town) -> None:
    upload(town, "objects-cpo", tariff("t1", owner=CPO))
    town.ask("objects-cpo", TariffRemoval(owner=CPO, ids=("t1",)))
    assert [type(one) for one in town.got("objects-emp")] == [TariffRemoval]


def individual(*recipients: str, price: str) -> IndividualTariff:
    (element,) = tariff().elements
    component = element.components[0].__class__(
        item=element.components[0].item, price=Decimal(price)
    )
    return IndividualTariff(
        elements=(type(element)(components=(component,)),), recipients=recipients
    )


def test_prices_for_single_recipients_are_for_them_only(town: Town) -> None:
    offer = tariff(
        elements=(),
        individual=(individual("NL*TNM", price="0.1"), individual(price="0.9")),
    )
    upload(town, "lists-cpo", offer)
    (mine,) = town.ask("objects-emp", TariffQuery()).tariffs
    (common,) = town.ask("lists-emp", TariffQuery()).tariffs
    prices = [one.individual[0].elements[0].components[0].price for one in (mine, common)]
    assert prices == [Decimal("0.1"), Decimal("0.9")]
    assert mine.individual[0].recipients == ()
    assert len(mine.individual) == len(common.individual) == 1
    assert town.got("house", TariffUpload)[0].tariffs[0].individual == offer.individual


def test_a_tariff_for_somebody_else_is_not_there(town: Town) -> None:
    upload(town, "lists-cpo", tariff(elements=(), individual=(individual("FR-XYZ", price="1"),)))
    found = town.ask("objects-emp", TariffQuery(page=Page(offset=0, limit=10)))
    assert (found.tariffs, found.total) == ((), 0)
    assert town.got("objects-emp") == []


# -- sessions --------------------------------------------------------------------------------


def test_a_session_goes_to_its_home_csp_in_every_state(town: Town) -> None:
    for energy in ("1", "2", "3"):
        later = NOON + timedelta(minutes=int(energy))
        step = session(energy=Decimal(energy), updated=later)
        assert town.ask("objects-cpo", SessionUpload(sessions=(step,))).result.code == "ok"
    told = [message.sessions[0].energy for message in town.got("objects-emp", SessionUpload)]
    assert told == [Decimal(1), Decimal(2), Decimal(3)]
    (mine,) = town.ask("objects-emp", SessionQuery()).sessions
    assert mine.energy == 3
    (own,) = town.ask("objects-cpo", SessionQuery(owner=CPO, id="S1")).sessions
    assert own.id == "s1"
    assert town.ask("stranger", SessionQuery()).sessions == ()


def test_sessions_that_are_refused(town: Town) -> None:
    def take(one: Any) -> Any:
        return town.ask("objects-cpo", SessionUpload(sessions=(one,)))

    assert take(session(owner=ACM)).result.code is ResultCode.INVALID_ID
    nobody = take(session(token=ref("1", "FR-XYZ-C00000001-1")))
    assert (nobody.result.code, nobody.sessions) == (ResultCode.ROAMING, ("s1",))
    assert take(session(state=SessionState.COMPLETED)).result.code is ResultCode.OK
    after = session(updated=NOON + timedelta(hours=1))
    assert take(after).result.code is ResultCode.FORMAT
    stale = session(
        state=SessionState.COMPLETED, updated=NOON - timedelta(hours=1), energy=Decimal(9)
    )
    assert take(stale).result.code is ResultCode.OK
    assert town.ask("objects-emp", SessionQuery(id="s1")).sessions[0].energy == Decimal("1.5")
