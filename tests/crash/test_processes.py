"""Two gateways on one database, one of them frozen; and the same CDR at both at once."""

import asyncio
import os
import signal
from decimal import Decimal

import psycopg
import pytest

from gateway.demo import data
from tests.crash.gateways import Process
from tests.crash.load import SITE, TOKEN, Refused
from tests.crash.partners import Seen
from tests.crash.stage import Held, Stage, stage
from tests.crash.test_crash import POSTGRESQL
from tests.crash.wire import TROUBLES
from tests.gateway.store.conftest import SERVER

LEASE = 2.0
pytestmark = POSTGRESQL
ADDRESS = f"postgresql://postgres@{SERVER}"


def of(stage: Stage, kind: str, id: str) -> list[Seen]:
    return [seen for seen in stage.emsp.seen if (seen.kind, seen.id) == (kind, id)]


async def steps_of_a_session(stage: Stage, id: str, *steps: int) -> None:
    for step in steps:
        session = data.ocpi_session(SITE, TOKEN, 1, "ACTIVE")
        session |= {
            "id": id,
            "kwh": Decimal(step),
            "last_updated": f"2026-06-15T09:{step:02}:00Z",
        }
        await stage.load.put(f"sessions/NL/HAV/{id}", "havenlader", session)
        stage.load.sessions.setdefault(id, []).append(Decimal(step))


async def one_alone(it: Stage) -> tuple[Process, Process]:
    """The first gateway, which has everything to do, and the second, which has stopped."""
    first, second = it.gateways
    second.signal(signal.SIGTERM)
    assert await second.ended() == 0
    it.load.use(first)
    await it.calm()
    return first, second


def test_one_that_is_frozen_past_its_lease_and_thawed_late(tmp_path, monkeypatch):
    """What it had is taken over; when it wakes up it sends nothing of that, nor goes on with it."""

    async def scenario() -> None:
        async with stage(tmp_path, ADDRESS, processes=2, lease=LEASE) as it:
            first, second = await one_alone(it)
            held = Held(it.emsp.process)
            held.release.clear()
            monkeypatch.setitem(TROUBLES, "held", held.answer)
            it.servers[0].kinds, it.servers[0].trouble = ("held",), 1.0

            await steps_of_a_session(it, "S-1", 1, 2)
            for _ in range(15):
                await it.take(it.load.object_cdr("rijstroom"))
            await it.until(lambda: held.waiting >= 4, "deliveries are under way")
            first.signal(signal.SIGSTOP)
            it.servers[0].trouble = 0
            held.release.set()

            await second.start()
            await second.ready()
            it.load.use(second)
            await steps_of_a_session(it, "S-1", 3)
            await it.calm()
            seen = len(it.emsp.seen)

            first.signal(signal.SIGCONT)
            await first.ready()
            it.load.use(first)
            await it.take(it.load.object_cdr("rijstroom"))
            await it.calm()
            for gateway in it.gateways:
                gateway.signal(signal.SIGTERM)  # which ends what it goes on with, too
                assert await gateway.ended() == 0
            assert [one.id for one in it.emsp.seen[seen:]] == [it.load.owed[-1].id]
            assert it.faults() == []

    asyncio.run(scenario())


def test_one_that_is_frozen_right_before_it_sends(tmp_path):
    """It has claimed and cannot read yet what to send; when it wakes up it does not send it."""

    async def scenario() -> None:
        async with stage(tmp_path, ADDRESS, processes=2, lease=LEASE) as it:
            first, second = await one_alone(it)
            it.servers[0].kinds, it.servers[0].trouble = ("error",), 1.0
            site = SITE | {"name": "Frozen", "last_updated": "2031-01-01T00:00:00Z"}
            await it.load.put(f"locations/NL/HAV/{SITE['id']}", "havenlader", site)
            lock = "LOCK TABLE objects IN ACCESS EXCLUSIVE MODE"
            with psycopg.connect(it.database) as other:
                while True:
                    await asyncio.to_thread(other.execute, lock)
                    if not claimed(it):  # so nothing is on its way to the receiver
                        break
                    other.rollback()
                    await asyncio.sleep(0.05)  # the receiver answers what is
                it.servers[0].trouble = 0
                await it.until(lambda: claimed(it), "deliveries are claimed")
                first.signal(signal.SIGSTOP)
                assert of_those(it) == []

            await second.start()
            await second.ready()
            it.load.use(second)
            await it.calm()
            seen = len(it.emsp.seen)
            assert len(of_those(it)) == 1

            first.signal(signal.SIGCONT)
            await first.ready()
            it.load.use(first)
            await it.take(it.load.object_cdr("rijstroom"))
            await it.calm()
            for gateway in it.gateways:
                gateway.signal(signal.SIGTERM)
                assert await gateway.ended() == 0
            assert [one.id for one in it.emsp.seen[seen:]] == [it.load.owed[-1].id]
            assert it.faults() == []

    def claimed(it: Stage) -> bool:
        with it.store.read() as tx:
            waiting = tx.outbox.find("pending", party="rijstroom")
        return any(row.lease_owner for row in waiting)

    def of_those(it: Stage) -> list[str]:
        return [seen.id for seen in it.emsp.seen if "Frozen" in seen.content]

    asyncio.run(scenario())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another machine of this one")
def test_a_machine_that_is_lost(tmp_path, monkeypatch):
    """The other one cannot know, and takes over what it had when its leases are over."""

    async def scenario() -> None:
        async with stage(tmp_path, ADDRESS, hosts=["first", "second"], lease=LEASE) as it:
            await it.calm()
            lost, stays = it.gateways
            with it.store.read() as tx:
                assert tx.outbox.holders() == []
            held = Held(it.emsp.process)
            held.release.clear()
            monkeypatch.setitem(TROUBLES, "held", held.answer)
            it.servers[0].kinds, it.servers[0].trouble = ("held",), 1.0
            for gateway in it.gateways:
                it.load.use(gateway)
                for _ in range(4):
                    await it.take(it.load.object_cdr("rijstroom"))
            await it.until(lambda: held.waiting >= 8, "both have deliveries under way")
            with it.store.read() as tx:
                assert len({name.partition("-")[0] for name in tx.outbox.holders()}) == 2
            await lost.killed()
            it.servers[0].trouble = 0
            held.release.set()
            it.load.use(stays)
            await it.take(it.load.object_cdr("rijstroom"))
            await it.calm()
            assert it.faults() == []

    asyncio.run(scenario())


def test_the_same_cdr_at_two_processes_at_once(tmp_path):
    """All are acknowledged, by either protocol; its receiver gets it once."""

    async def scenario() -> None:
        async with stage(tmp_path, ADDRESS, processes=2) as it:
            for owed in (it.load.object_cdr("rijstroom"), *it.load.list_cdrs(1)):
                it.load.owed.append(owed)
                for _ in range(3):
                    asked = [it.load.until(owed.send, at) for at in it.gateways for _ in range(3)]
                    owed.acknowledged += await asyncio.gather(*asked)
                await it.calm()
                assert len(of(it, "cdrs", owed.id)) == 1
            assert it.faults() == []

    asyncio.run(scenario())


def test_other_content_under_one_id_at_two_processes_at_once(tmp_path):
    """One of them is taken, the others are told so; the receiver has the one that was taken."""

    async def scenario() -> None:
        async with stage(tmp_path, ADDRESS, processes=2) as it:
            for _ in range(3):
                rivals = it.load.rivals(4)
                asked = [
                    it.load.until(rival.send, it.gateways[place % 2])
                    for place, rival in enumerate(rivals)
                ]
                answers = await asyncio.gather(*asked, return_exceptions=True)
                refused = [answer for answer in answers if isinstance(answer, Refused)]
                assert len(refused) == len(rivals) - 1
                (place,) = (n for n, answer in enumerate(answers) if isinstance(answer, str))
                rivals[place].acknowledged.append(str(answers[place]))
                it.load.owed.append(rivals[place])
                await it.calm()
                assert len(of(it, "cdrs", rivals[0].id)) == 1
            assert it.faults() == []

    asyncio.run(scenario())


def test_a_receiver_that_takes_a_cdr_and_drops_the_connection(tmp_path):
    """It gets it again, the very same, and the ledger tells both attempts."""

    async def scenario() -> None:
        async with stage(tmp_path, "sqlite") as it:
            await it.calm()
            it.servers[0].kinds, it.servers[0].trouble = ("reset after",), 1.0
            owed = await it.take(it.load.object_cdr("rijstroom"))
            await it.until(lambda: of(it, "cdrs", owed.id), "it has come")
            it.servers[0].trouble = 0
            await it.calm()
            got = of(it, "cdrs", owed.id)
            assert len(got) >= 2
            assert len({seen.content for seen in got}) == 1
            with it.store.read() as tx:
                entries = tx.ledger.find(correlation=owed.acknowledged[0], direction="out")
            outcomes = [found.entry.outcome for found in reversed(entries)]
            assert outcomes == ["Unreachable"] * (len(got) - 1) + ["ok"]
            assert it.faults() == []

    asyncio.run(scenario())
