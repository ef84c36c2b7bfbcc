"""What was accepted survives: a stop, a stop in the middle of sending, and a kill.

Nothing is lost, and no partner that has confirmed a message gets it again.
"""

import json
import signal
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
import pytest_twisted
from twisted.internet.defer import ensureDeferred

from gateway.demo import data
from gateway.demo.ochp import text
from gateway.http import Response
from gateway.routing.delivery import AT_ONCE, LEASE
from gateway.server.app import utc_now
from tests.support.gate import Gate, pause, token_header, until

SITE = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
EVSES = list(data.ochp_evses("AT", "ALP", 10, seed=2))
TOKEN = data.ocpi_token("NL", "RYS", 1)
SOON = timedelta(seconds=0.1)


@pytest.fixture
def gate(tmp_path):
    """Registered partners that are down; the gateway runs where a test says."""
    gate = Gate(tmp_path)
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))


def record(number):
    return data.ochp_cdr(EVSES[number], number, TOKEN["uid"], TOKEN["contract_id"])


async def uploads(gate):
    """A site, live status, a card and CDRs: everything that somebody else has to be given."""
    await gate.cpo.put("locations", SITE)
    await gate.emsp.put("tokens", TOKEN)
    points = "".join(map(data.ochp_charge_point, EVSES))
    await gate.alpen.said_ok("UpdateChargePointListRequest", points)
    answer = await gate.alpen.call("AddCDRsRequest", "".join(map(record, range(10))))
    assert text(answer, "result/resultCode/resultCode") == "ok"


def everything_arrived(gate):
    """Each partner has all of it, each thing once, in good form."""
    assert gate.emsp.faults == gate.cpo.faults == gate.hub.faults == []
    sites = {SITE["id"], *(evse["location_id"] for evse in EVSES)}
    assert gate.emsp.got["locations"].keys() == sites
    assert gate.emsp.calls["PUT locations"] == len(sites)
    assert len(gate.emsp.got["cdrs"]) == len(EVSES)
    assert gate.emsp.calls["POST cdrs"] == len(EVSES)
    assert [*gate.cpo.got["tokens"]] == [TOKEN["uid"]]
    assert gate.cpo.calls["PUT tokens"] == 1
    assert gate.hub.charge_points.keys() == {evse["evse_id"] for evse in SITE["evses"]}
    assert gate.hub.calls["UpdateChargePointListRequest"] == 1
    assert [*gate.hub.tokens] == [TOKEN["uid"]]


def pending(gate):
    """To whom something is still owed, by the database of a process that runs."""
    with closing(sqlite3.connect(gate.config.with_name("gate.db"))) as database:
        rows = database.execute("SELECT party FROM deliveries WHERE state = 'pending'")
        return {party for (party,) in rows} - {"@gateway"}


async def registered(gate):
    await gate.start(retry_after=SOON)
    await gate.register()


async def everybody(gate, *, up):
    for place in gate.places.values():
        if up:
            place.up()
        else:
            await place.down()


async def test_stopped_before_delivery(gate):
    """All partners are down; the next process gives them everything."""
    await registered(gate)
    await everybody(gate, up=False)
    await uploads(gate)
    before = {(row.party, row.kind) for row in gate.owed("pending")}
    await gate.stop()

    await everybody(gate, up=True)
    await gate.start(retry_after=SOON)
    assert {(row.party, row.kind) for row in gate.owed("pending")} <= before
    await gate.quiet()
    everything_arrived(gate)


async def test_stopped_while_sending(gate):
    """What a stop breaks off is due at once for the next process."""
    gate.wait_for_partners("1s")
    await registered(gate)
    hanging = []

    async def hang(request):
        hanging.append(request)
        await pause(30)
        return Response(status=204)

    for place in gate.places.values():
        place.trouble = hang
    await uploads(gate)
    await until(lambda: len(hanging) >= 2, "deliveries are under way")
    started = utc_now()
    await gate.stop()
    assert utc_now() - started < timedelta(seconds=5)

    for place in gate.places.values():
        place.trouble = None
    await gate.start(retry_after=SOON)
    await gate.quiet()  # long before any lease ends
    everything_arrived(gate)


async def test_a_partner_that_has_confirmed_gets_nothing_twice(gate):
    """Restarted again and again: what was delivered stays delivered."""
    await registered(gate)
    await uploads(gate)
    await gate.quiet()
    for _ in range(2):
        await gate.stop()
        await gate.start(retry_after=SOON)
        await gate.quiet()
    everything_arrived(gate)


async def test_killed_before_delivery(gate):
    """kill -9 right after the answers; the next process gives the partners everything."""
    process = gate.spawn()
    await gate.ready()
    await gate.register()
    await everybody(gate, up=False)
    await uploads(gate)
    process.kill()
    process.wait()

    await everybody(gate, up=True)
    await gate.start(lambda: utc_now() + timedelta(minutes=1), retry_after=SOON)
    await gate.quiet()
    everything_arrived(gate)
    assert (
        json.loads(
            (
                await gate.call(
                    "GET",
                    f"/ocpi/2.2.1/receiver/locations/NL/HAV/{SITE['id']}",
                    authorization=token_header(gate.cpo.presents),
                )
            ).body
        )["status_code"]
        == 1000
    )


async def test_killed_while_sending(gate):
    """What a killed process was sending is taken over when its lease has ended."""
    process = gate.spawn()
    await gate.ready()
    await gate.register()
    hanging = []

    async def hang(request):
        hanging.append(request)
        await pause(30)
        return Response(status=204)

    gate.places["rijstroom"].trouble = hang
    await uploads(gate)
    await until(lambda: len(hanging) == AT_ONCE, "deliveries are under way")
    await until(lambda: pending(gate) == {"rijstroom"}, "what the others took is settled")
    process.send_signal(signal.SIGKILL)
    process.wait()

    gate.places["rijstroom"].trouble = None
    await gate.start(lambda: utc_now() + LEASE + timedelta(seconds=1), retry_after=SOON)
    await gate.quiet()
    everything_arrived(gate)
