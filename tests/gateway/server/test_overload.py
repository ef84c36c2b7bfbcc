"""Ten times more than the gateway takes: it says "later" to what is over, in the words of each
protocol, answers the rest, and keeps nothing of either.

What is let in is held until the test lets go, so that nothing depends on how fast a machine is.
"""

import gc
import json
from unittest.mock import patch

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred

from gateway.demo import data
from gateway.routing.exchange import Exchange
from gateway.routing.transcript import Heard
from gateway.server import http
from tests.support.gate import Gate, pause, token_header, until

CONCURRENT, WAITING = 2, 3
LET_IN = CONCURRENT + WAITING
MANY = 10 * LET_IN
LIMITS = f"""
[limits.partner]
rate = 10000
burst = 10000
concurrent = {CONCURRENT}
waiting = {WAITING}
"""


@pytest.fixture
def gate(tmp_path):
    gate = Gate(tmp_path)
    gate.config.write_text(gate.config.read_text() + LIMITS)

    async def begin():
        await gate.start()
        await gate.register()

    pytest_twisted.blockon(ensureDeferred(begin()))
    with patch.object(http, "LATER_SECONDS", 0.0):
        yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


def by_ocpi(gate):
    token = token_header(gate.cpo.presents)
    return gate.call("POST", "/ocpi/2.2.1/sender/tokens/04A2B3/authorize", authorization=token)


def by_ochp(gate):
    question = (
        '<emtId representation="plain"><instance>04A2B3</instance>'
        "<tokenType>rfid</tokenType></emtId>"
    )
    return gate.post_soap(gate.signed("GetSingleRoamingAuthorisationRequest", question))


def shares(gate):
    """What each party has of the gateway: at work, waiting."""
    used = {party: (one.working, len(one.queue)) for party, one in gate.app.shares._used.items()}
    return {party: each for party, each in used.items() if any(each)}


async def heard(gate):
    """Requests of which something is in memory, when all is written; a thread keeps what it has
    done last, so it is given something else to do."""
    await gate.app.exchange.journal.flush()
    await gate.app.exchange.written(lambda tx: None)
    await pause(0)
    return sum(isinstance(each, Heard) for each in gc.get_objects())


async def test_what_is_over_is_told_so_and_the_rest_is_answered(gate):
    """By two parties at once; while it lasts there is so much in memory and no more."""
    held, ask = [], Exchange.ask_for

    async def holding(exchange, transcript, partner, message, correlation):
        held.append(Deferred())
        await held[-1]
        return await ask(exchange, transcript, partner, message, correlation)

    public, journal = gate.app._public, gate.app.exchange.journal
    with patch.object(Exchange, "ask_for", holding):
        asked = [ensureDeferred(by(gate)) for _ in range(MANY) for by in (by_ocpi, by_ochp)]
        refused = 2 * (MANY - LET_IN)
        await until(lambda: sum(each.called for each in asked) == refused, "others are answered")
        assert shares(gate) == dict.fromkeys(("havenlader", "alpenstrom"), (CONCURRENT, WAITING))
        assert (len(held), public.under_way) == (4, 2 * LET_IN)
        await until(lambda: not journal._waiting, "the refusals are in the ledger")
        answers = [each.result for each in asked if each.called]
        while held:
            held.pop().callback(None)
            await until(lambda: held or all(each.called for each in asked))
        every = [value for _, value in await DeferredList(asked)]
    served = [each for each in every if each not in answers]
    assert (shares(gate), public.under_way) == ({}, 0)

    assert {each.headers["retry-after"] for each in answers} == {"1"}
    told = [each for each in answers if each.status == 429]
    assert {json.loads(each.body)["status_code"] for each in told} == {2000}
    faults = [each for each in answers if each.status == 503]
    assert all(b"soap:Server" in each.body for each in faults)
    assert len(told) == len(faults) == MANY - LET_IN
    assert [each.status for each in served].count(200) == LET_IN  # those of OCHP
    assert len(served) == 2 * LET_IN
    assert {json.loads(each.body)["status_code"] for each in served if each.status != 200} == {2004}


async def test_nothing_is_kept_of_what_was_answered(gate):
    """Not until Python looks for circles: by then thousands of messages would be in memory."""
    site = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
    token = token_header(gate.cpo.presents)
    path = f"/ocpi/2.2.1/receiver/locations/NL/HAV/{site['id']}"
    good = gate.signed("GetChargePointListRequest", who="fahrstrom")
    gc.collect()
    gc.disable()
    try:
        assert await heard(gate) == 0
        await DeferredList(
            [ensureDeferred(by(gate)) for _ in range(MANY) for by in (by_ocpi, by_ochp)]
        )
        for body in (json.dumps(site).encode(), b"{}", b"{"):
            await gate.call("PUT", path, body, authorization=token)
            await gate.call("PUT", path, body, authorization="Token wrong")
        for body in (
            good,
            good.replace(b"secret-", b"wrong-"),
            good[:-9],
            good.replace(b"Get", b"Got"),
        ):
            await gate.post_soap(body)
        assert await heard(gate) == 0
    finally:
        gc.enable()
