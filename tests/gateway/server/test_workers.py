"""``roamgate serve --workers``: several processes on the same sockets and one store.

Under load throughout: every CDR that was answered with ``ok`` reaches its receiver once, whatever
becomes of the workers meanwhile.
"""

import json
import signal
import subprocess
import time
from collections import Counter

import psycopg
import pytest
import pytest_twisted
from psycopg import sql
from twisted.internet import reactor
from twisted.internet.defer import DeferredList, ensureDeferred

from gateway.client import HttpClient, Timeouts
from gateway.demo import data
from gateway.demo.ochp import OchpCaller, text
from gateway.errors import GatewayError
from gateway.http import HttpCall
from gateway.routing.delivery import AT_ONCE
from tests.gateway.store.conftest import DATABASES, SERVER
from tests.support.gate import Gate, pause, token_header, until

EVSES = list(data.ochp_evses("AT", "ALP", 10, seed=2))
TOKEN = data.ocpi_token("NL", "RYS", 1)
CLIENTS = 8
EACH = 5
"""Changes of one object that each client makes."""
REST = 0.15
"""Seconds between two requests of a client; the machine has other things to do too."""


@pytest.fixture(params=DATABASES)
def gate(request, tmp_path):
    """Registered partners, and where two workers will run."""
    if request.param == "sqlite":
        gate = Gate(tmp_path)
        yield gate
        pytest_twisted.blockon(ensureDeferred(gate.close()))
        return
    name = f"roamgate_workers_{time.time_ns()}"
    server = psycopg.connect(host=SERVER, user="postgres", dbname="postgres", autocommit=True)
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    gate = Gate(tmp_path, f"postgresql://postgres@{SERVER}/{name}")
    yield gate
    pytest_twisted.blockon(ensureDeferred(gate.close()))
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    server.execute(drop)
    server.close()


def patient(gate):
    """Partners that a busy machine keeps from answering have not failed: who hears no answer in
    time has to send again, and here only what a killed process was sending may come twice."""
    gate.wait_for_partners("30s")


class Load:
    """Clients with a connection each, who upload CDRs one after the other."""

    def __init__(self, gate):
        self._gate = gate
        self._going = True
        self._next = 0
        self._clients = [HttpClient(reactor, Timeouts(total=20)) for _ in range(CLIENTS)]
        self.taken, self.failed, self.slowest = set(), [], 0.0
        self._ended = DeferredList([ensureDeferred(self._ask(each)) for each in self._clients])

    async def _ask(self, client):
        caller = OchpCaller(client.fetch, self._gate.soap, "alpenstrom", "secret-of-alpenstrom")
        while self._going:
            number, self._next = self._next, self._next + 1
            evse = EVSES[number % len(EVSES)]
            record = data.ochp_cdr(evse, number, TOKEN["uid"], TOKEN["contract_id"])
            while True:
                begun = time.monotonic()
                try:
                    answer = await caller.call("AddCDRsRequest", record)
                except GatewayError as error:
                    self.failed.append(str(error))
                    continue  # the same one again: who got no answer does not know
                assert text(answer, "result/resultCode/resultCode") == "ok"
                self.slowest = max(self.slowest, time.monotonic() - begun)
                self.taken.add(number)
                break
            await pause(REST)

    async def goes_on(self, count=30):
        """Wait for so many more."""
        wanted = len(self.taken) + count
        await until(lambda: len(self.taken) >= wanted, "the load goes on", patience=60)

    async def end(self):
        self._going = False
        await self._ended
        for client in self._clients:
            await client.close()


class Log:
    """What the processes have logged so far."""

    def __init__(self, path):
        self._file = path.open(encoding="utf-8")
        self._lines, self._rest = [], ""

    def lines(self, event=None):
        *whole, self._rest = (self._rest + self._file.read()).split("\n")
        self._lines += map(json.loads, whole)
        return [line for line in self._lines if event in (None, line["event"])]

    def pids(self):
        """The processes of the workers by number."""
        return {line["worker"]: line["pid"] for line in self.lines("worker started")}

    def least(self):
        """How many calls the worker with the fewest has answered."""
        shares = Counter(line["worker"] for line in self.lines("soap call"))
        return min(shares[0], shares[1])

    async def until(self, event, count=1):
        """Wait for so many lines of an event; starting takes long on a busy machine."""
        await until(lambda: len(self.lines(event)) >= count, event, patience=60)


async def changes_at_once(gate):
    """Changes of one object over several connections, so by several workers: none is lost."""
    clients = [HttpClient(reactor, Timeouts(total=20)) for _ in range(CLIENTS)]
    site = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
    await gate.cpo.put("locations", site)
    place = f"{gate.url}/ocpi/2.2.1/receiver/locations/NL/HAV/{site['id']}"
    headers = {"authorization": token_header(gate.cpo.presents)}

    async def put_some(client, first):
        for number in range(first, first + EACH):
            await put(client, number)

    async def put(client, number):
        evse = {**site["evses"][0], "uid": f"more-{number}", "evse_id": f"NL*HAV*EMORE{number}"}
        call = HttpCall(
            method="PUT",
            url=f"{place}/more-{number}",
            headers=headers,
            body=json.dumps(evse).encode(),
        )
        answer = await client.fetch(call)
        assert answer.status == 201, answer.body

    await DeferredList(
        [ensureDeferred(put_some(client, at * EACH)) for at, client in enumerate(clients)],
        fireOnOneErrback=True,
    )
    known = await gate.client.fetch(HttpCall(method="GET", url=place, headers=headers))
    evses = json.loads(known.body)["data"]["evses"]
    uids = {evse["uid"] for evse in evses if evse["status"] != "REMOVED"}
    assert uids >= {f"more-{number}" for number in range(CLIENTS * EACH)}
    for client in clients:
        await client.close()


@pytest.mark.timeout(300)  # nine processes are started in it
async def test_workers_under_load(gate, tmp_path):
    """They share the work; one may be killed, all may be replaced, and a stop is in order."""
    patient(gate)
    with (tmp_path / "log").open("wb") as out:
        process = gate.spawn("--workers", "2", log=out.fileno())
    log = Log(tmp_path / "log")
    await log.until("all workers are ready")
    await gate.register()
    await gate.emsp.put("tokens", TOKEN)
    points = "".join(map(data.ochp_charge_point, EVSES))
    await gate.alpen.said_ok("UpdateChargePointListRequest", points)
    await changes_at_once(gate)
    load = Load(gate)

    await until(lambda: log.least() > 10, "both have their share")
    assert load.failed == []

    process_of = log.pids()
    subprocess.run(["kill", "-9", str(process_of[0])], check=True)
    await load.goes_on()
    await log.until("gateway started", 3)
    assert log.pids()[0] != process_of[0]
    await load.goes_on()
    assert len(load.failed) <= CLIENTS, "only what the killed one was answering"

    load.failed.clear()
    process.send_signal(signal.SIGHUP)
    await log.until("workers have been replaced")
    await log.until("worker has left", 2)
    await load.goes_on()
    assert load.failed == []
    assert {line["exit_code"] for line in log.lines("worker has left")} == {0}

    await load.end()
    process.send_signal(signal.SIGTERM)
    await until(lambda: process.poll() is not None, "they stop")
    assert process.returncode == 0, log.lines()[-20:]
    assert [line for line in log.lines() if "exc_info" in line or "exception" in line] == []

    await gate.start()
    await gate.quiet()
    received = set(gate.emsp.got["cdrs"])
    assert {f"ATALP{number:012}" for number in load.taken} <= received
    twice = [fault for fault in gate.emsp.faults if fault.endswith("came twice")]
    assert gate.emsp.faults == twice
    assert len(twice) <= AT_ONCE, "only what the killed one was sending"
    assert gate.owed("dead") == []
