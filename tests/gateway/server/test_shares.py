"""What one partner gets: its own rate, its own places; and a busy one on sockets beside a calm one.

The partners are a CPO that pushes to OCPI as fast as it can and an OCHP EMSP that asks now and
then, and the other way round.
"""

import json
import threading
from typing import Any
from unittest.mock import patch

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred, DeferredList, ensureDeferred

from gateway.adapter import Partner
from gateway.errors import Busy
from gateway.http import HttpCall
from gateway.model.message import TokenQuery
from gateway.routing import exchange, tokens
from gateway.server.config_options import PartnerLimits
from gateway.server.limits import Limits
from gateway.server.route_limits import share
from gateway.server.shares import Share, Shares
from tests.support.gate import Gate, logged, token_header, until

ACME, ABC = (Partner(id, id, frozenset(), (), "ochp-1.4") for id in ("acme", "abc"))


def test_one_partner_cannot_take_all_places() -> None:
    """``docs/security.md`` says so of what holds where nothing else is configured."""
    usual = PartnerLimits()
    assert usual.concurrent + usual.waiting < Limits().requests / 4


class Seconds:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def shares(seconds: Seconds, **limits: int) -> Shares:
    usual = {"rate": 10, "burst": 20, "concurrent": 1000, "waiting": 0} | limits
    own = {"abc": Share(rate=1, burst=1, concurrent=1, waiting=0)}
    return Shares(Share(**usual), own, seconds)


def entered(one: Shares, partner: Partner = ACME) -> tuple[Any, "Deferred[None]"]:
    turn = one.turn()
    return turn, ensureDeferred(turn.enter(partner))


def result(entering: "Deferred[None]") -> Any:
    """None when it may go on, Busy, or ``waiting``."""
    found: list[Any] = ["waiting"]
    entering.addBoth(lambda value: found.__setitem__(0, getattr(value, "value", value)))
    return found[0]


def test_a_bucket_empties_and_fills() -> None:
    seconds = Seconds()
    one = shares(seconds)
    assert [result(entered(one)[1]) for _ in range(20)] == [None] * 20
    refused = result(entered(one)[1])
    assert (refused.code, refused.after) == ("rate", 1)
    seconds.now += 0.5
    assert [type(result(entered(one)[1])) for _ in range(6)] == [type(None)] * 5 + [Busy]
    seconds.now += 1000
    assert [type(result(entered(one)[1])) for _ in range(21)] == [type(None)] * 20 + [Busy]


def test_workers_have_an_equal_part_each() -> None:
    """All of them together give a party what is configured, and each gives it something."""
    limits = PartnerLimits(rate=10, burst=21, concurrent=1, waiting=0)
    assert share(limits) == Share(rate=10, burst=21, concurrent=1, waiting=0)
    assert share(limits, 4) == Share(rate=3, burst=6, concurrent=1, waiting=0)


def test_partners_do_not_share() -> None:
    one = shares(Seconds())
    assert result(entered(one, ABC)[1]) is None
    assert result(entered(one, ABC)[1]).after == 1
    assert result(entered(one, ACME)[1]) is None


def test_who_waits_goes_on_in_order_of_arrival() -> None:
    one = shares(Seconds(), concurrent=1, waiting=2)
    turns = [entered(one) for _ in range(4)]
    assert [str(result(each)) for _, each in turns] == [
        "None", "waiting", "waiting", "too many requests at once",
    ]  # fmt: skip
    turns[0][0].leave()
    assert turns[1][1].called
    assert not turns[2][1].called
    turns[0][0].leave()  # a second time means nothing
    assert not turns[2][1].called
    turns[1][0].leave()
    assert turns[2][1].called
    turns[2][0].leave()
    assert result(entered(one)[1]) is None


def test_who_gives_up_waiting_leaves_no_gap() -> None:
    one = shares(Seconds(), concurrent=1, waiting=1)
    first, (gone, waiting) = entered(one)[0], entered(one)
    waiting.cancel()
    assert isinstance(result(waiting), CancelledError)
    gone.leave()
    second = entered(one)
    assert result(second[1]) == "waiting"
    first.leave()
    assert second[1].called


# ---------------------------------------------------------------- on sockets

LIMITS = """
[limits.partner]
rate = 10000
burst = 10000
concurrent = 4
waiting = 8
"""
SITES = "/ocpi/2.2.1/sender/tokens"


@pytest.fixture
def small(tmp_path: Any) -> Any:
    """A gateway with small shares; the CPO has a rate of its own."""
    gate = Gate(tmp_path)
    text = gate.config.read_text()
    text = text.replace(
        '[party.ocpi]\ntoken_in = "token-a-of-havenlader"',
        "[party.limits]\nrate = 5\nburst = 50\nconcurrent = 4\nwaiting = 8\n"
        '[party.ocpi]\ntoken_in = "token-a-of-havenlader"',
    )
    gate.config.write_text(text + LIMITS)

    async def begin() -> None:
        await gate.start()
        await gate.register()

    pytest_twisted.blockon(ensureDeferred(begin()))
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


def asked(gate: Gate, correlation: str) -> HttpCall:
    headers = {"authorization": token_header(gate.cpo.presents), "x-correlation-id": correlation}
    return HttpCall(method="GET", url=gate.url + SITES, headers=headers)


async def test_one_partner_cannot_starve_another(small: Gate) -> None:
    """Ten times as many requests as it gets: they are told to come back, the other is served."""

    async def calm() -> list[int]:
        statuses = []
        for _ in range(20):
            body = small.signed("GetChargePointListRequest", who="fahrstrom")
            statuses.append((await small.post_soap(body)).status)
        return statuses

    with logged() as lines:
        flood = [ensureDeferred(small.client.fetch(asked(small, "flood"))) for _ in range(200)]
        statuses = await calm()
        answers = [value for _, value in await DeferredList(flood)]
    assert statuses == [200] * 20
    counts = {status: sum(each.status == status for each in answers) for status in (200, 429)}
    assert sum(counts.values()) == 200
    assert counts[200] >= 12
    assert counts[429] >= 100
    told = next(each for each in answers if each.status == 429)
    assert int(told.headers["retry-after"]) >= 1
    assert json.loads(told.body)["status_code"] == 2000
    refused = [line for line in lines.of("flood") if line["outcome"] == "refused"]
    assert len(refused) == counts[429]
    assert {line["code"] for line in refused} <= {"rate", "queue"}
    assert {line["party"] for line in refused} == {"havenlader"}


async def test_lists_of_one_partner_do_not_take_all_threads(small: Gate) -> None:
    """While every list that it asks for hangs in the database, another partner gets its own."""
    hanging, go_on = threading.Event(), threading.Event()

    def slow(work: Any, message: Any) -> Any:
        hanging.set()
        assert go_on.wait(20)
        return tokens.query(work, message)

    with patch.dict(exchange.QUERIES, {TokenQuery: slow}):
        asking = [ensureDeferred(small.client.fetch(asked(small, "slow"))) for _ in range(12)]
        await until(hanging.is_set)
        body = small.signed("GetChargePointListRequest", who="fahrstrom")
        served = await small.post_soap(body)
        assert not any(each.called for each in asking)
        go_on.set()
        answers = [value for _, value in await DeferredList(asking)]
    assert served.status == 200
    assert {each.status for each in answers} == {200}


async def test_a_busy_soap_partner_is_told_so(small: Gate) -> None:
    """HTTP 503 with a fault of the receiver and the time to wait; others are served meanwhile."""
    body = small.signed("GetRoamingAuthorisationListRequest", who="alpenstrom")
    flood = [ensureDeferred(small.post_soap(body)) for _ in range(60)]
    served = await small.client.fetch(asked(small, "calm"))
    answers = [value for _, value in await DeferredList(flood)]
    assert served.status == 200
    assert {each.status for each in answers} == {200, 503}
    told = next(each for each in answers if each.status == 503)
    assert told.headers["retry-after"] == "1"
    assert b"soap:Server" in told.body
    assert b"try again after 1 s" in told.body


async def test_wrong_credentials_take_nothing_from_a_partner(small: Gate) -> None:
    """Who only says that it is somebody does not use up that one's share."""
    body = small.signed("GetRoamingAuthorisationListRequest", who="alpenstrom")
    wrong = body.replace(b"secret-of-alpenstrom", b"guess")
    await DeferredList([ensureDeferred(small.post_soap(wrong)) for _ in range(60)])
    assert (await small.post_soap(body)).status == 200


# ---------------------------------------------------------------- limits of a path


async def test_a_path_may_have_limits_of_its_own(tmp_path: Any) -> None:
    """Each limit with its own code, before and after the parser, in both notations."""
    gate = Gate(tmp_path)
    routes = (
        '[[limits.route]]\npath = "/ochp/1.4/live"\nlist_bytes = 2000\nbytes = 2000\n'
        "depth = 9\nelements = 100\n"
        '[[limits.route]]\npath = "/ocpi"\nbytes = 3000\ndepth = 5\nmembers = 100\n'
    )
    gate.config.write_text(gate.config.read_text() + routes)
    await gate.start()
    try:
        with logged() as lines:
            for number, (inner, path) in enumerate((
                ("<a/>" * 300, "/ochp/1.4/live"),
                ("<a>" * 9 + "</a>" * 9, "/ochp/1.4/live"),
                (" " * 3000, "/ochp/1.4/live"),
                (" " * 3000, "/ochp/1.4"),
            )):  # fmt: skip
                body = gate.signed("GetStatusRequest", inner, "fahrstrom")
                await gate.post_soap(body, path, **{"x-correlation-id": str(number)})
            await gate.register()
            own = {"authorization": token_header(gate.cpo.presents)}
            own |= {"content-type": "application/json"}
            put = "/ocpi/2.2.1/receiver/locations/NL/HAV/1"
            for number, content in enumerate((b"[" * 6 + b"]" * 6, b"[" + b"1," * 200 + b"1]",
                                              b" " * 4000), 10):  # fmt: skip
                await gate.call("PUT", put, content, **own, **{"x-correlation-id": str(number)})
        codes = [[line.get("code") for line in lines.of(str(n))] for n in (0, 1, 2, 3, 10, 11, 12)]
    finally:
        await gate.close()
    assert codes == [
        ["elements"], ["depth"], ["body-size"], [None],
        ["depth"], ["members"], ["body-size"],
    ]  # fmt: skip
