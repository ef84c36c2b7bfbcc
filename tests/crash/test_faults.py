"""The disk is full, the database gone, its file spoiled or an older one: partners are told so.

Each time: an answer within seconds that says "later" in the protocol's own way, no acknowledgement
of what is not on disk, and when the fault is over everything goes on without anybody's help.
"""

import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from tests.crash.between import Cable
from tests.crash.gateways import Process, opened
from tests.crash.load import Owed
from tests.crash.stage import Stage, stage
from tests.crash.test_crash import POSTGRESQL
from tests.crash.wire import call
from tests.gateway.store.conftest import SERVER

PATIENT = 30.0
"""Seconds within which a partner has its answer: a database that is silent is given 15 s, then
tried again for 10 s."""


async def refused_for_now(it: Stage, owed: Owed) -> None:
    """An upload is answered in time, and not acknowledged."""
    if owed not in it.load.owed:
        it.load.owed.append(owed)
    started = time.monotonic()
    assert not await owed.send("0" * 8), "acknowledged"
    assert time.monotonic() - started < PATIENT


async def partners_are_told(it: Stage) -> list[Owed]:
    """By each protocol: OCPI says 503 and 3000, OCHP ``server``; both say when to come again."""
    owed = [it.load.object_cdr("rijstroom"), *it.load.list_cdrs(1)]
    for each in owed:
        await refused_for_now(it, each)
    said, body = list(it.load.answers)[-2:]
    assert (said.status, b'"status_code":3000' in said.body) == (503, True)
    assert (body.status, b">server<" in body.body) == (200, True)
    for answer in (said, body):
        assert int(answer.headers["retry-after"]) > 0
    return owed


async def all_is_well(it: Stage, owed: list[Owed]) -> None:
    """What was refused comes again and arrives, once; nothing else has happened."""
    for each in owed:
        each.acknowledged.append(await it.load.until(each.send))
    await it.gateways[0].ready()
    await it.calm()
    assert it.faults() == []


def test_a_full_disk(tmp_path):
    """Nothing more can be written to any file of the process, its log included."""

    async def scenario() -> None:
        async with stage(tmp_path, "sqlite") as it:
            await it.take(it.load.object_cdr("rijstroom"))
            await it.calm()
            gateway = it.gateways[0]
            whole = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (1024, whole[1]))
            owed = await partners_are_told(it)
            resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, whole)
            await all_is_well(it, owed)

    asyncio.run(scenario())


AWAY = float(os.environ.get("ROAMGATE_CRASH_AWAY", "2"))
"""Seconds for which the database is away, beyond the first answers."""


async def not_ready(it: Stage) -> None:
    """Operators are told what is missing."""
    url = f"http://127.0.0.1:{it.gateways[0].admin}/readyz"
    answer = await call("GET", url, {})
    assert answer.status == 503
    assert not json.loads(answer.body)["checks"]["database"]["ok"]


@POSTGRESQL
@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_a_database_that_is_gone_for_a_while(tmp_path, how):
    """In the middle of deliveries; what became of those is remembered until it is back."""

    async def scenario() -> None:
        cable = await Cable(SERVER, 5432).mend()

        def between(address: str) -> str:
            parts = urlsplit(address)
            return urlunsplit(parts._replace(netloc=f"postgres@127.0.0.1:{cable.port}"))

        async with stage(tmp_path, f"postgresql://postgres@{SERVER}:5432", between=between) as it:
            await it.calm()
            it.servers[0].kinds, it.servers[0].trouble = ("slow",), 1.0
            first = [await it.take(it.load.object_cdr("rijstroom")) for _ in range(4)]
            await it.until(
                lambda: {seen.id for seen in it.emsp.seen} & {owed.id for owed in first},
                "a delivery is under way",
            )
            cable.cut() if how == "refuses" else cable.freeze()
            owed = await partners_are_told(it)
            await not_ready(it)
            end = time.monotonic() + AWAY
            while time.monotonic() < end:  # partners come again and again, all are told in time
                await asyncio.gather(*(refused_for_now(it, one) for one in owed for _ in range(8)))
                await asyncio.sleep(0.5)
            await cable.mend() if how == "refuses" else cable.thaw()
            await all_is_well(it, owed)
            it.gateways[0].signal(signal.SIGTERM)
            assert await it.gateways[0].ended() == 0

    asyncio.run(scenario())


async def started_again(gateway: Process) -> str | None:
    """None when it serves again, else what it said when it gave up."""
    before = len(gateway.log.read_text(encoding="utf-8"))
    await gateway.start()
    ready = asyncio.create_task(gateway.ready())
    ended = asyncio.create_task(gateway.ended())
    await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        ended.cancel()
        return None
    ready.cancel()
    assert ended.result() == 1
    return gateway.log.read_text(encoding="utf-8")[before:]


@pytest.mark.parametrize("spoil", ["cut in half", "first page", "no database"])
def test_a_file_that_is_spoiled(tmp_path, spoil):
    """It does not start, and says why in one line; nothing is acknowledged from such a file."""

    async def scenario() -> None:
        async with stage(tmp_path, "sqlite") as it:
            await it.take(it.load.object_cdr("rijstroom"))
            await it.calm()
            it.gateways[0].signal(signal.SIGTERM)
            assert await it.gateways[0].ended() == 0
            it.store.close()
            file = tmp_path / "gate.db"
            good = file.read_bytes()
            bad = {
                "cut in half": good[: len(good) // 2],
                "first page": b"\xff" * 4096 + good[4096:],
                "no database": b"half a line of a backup script",
            }[spoil]
            file.write_bytes(bad)
            for beside in tmp_path.glob("gate.db-*"):
                beside.unlink()
            said = await started_again(it.gateways[0])
            assert said is not None
            assert said.startswith("roamgate: database: ")
            assert len(said.splitlines()) == 1
            file.write_bytes(good)
            assert await started_again(it.gateways[0]) is None
            it.store = opened(it.database)
            await all_is_well(it, [])

    asyncio.run(scenario())


def test_a_log_of_sqlite_that_is_torn(tmp_path):
    """Killed while writing: what was acknowledged is before the tear, and stays."""

    async def scenario() -> None:
        async with stage(tmp_path, "sqlite") as it:
            for _ in range(3):
                await it.take(it.load.object_cdr("rijstroom"))
            await it.gateways[0].killed()
            with (tmp_path / "gate.db-wal").open("ab") as log:
                log.write(b"\x00\xff" * 3000)
            assert await started_again(it.gateways[0]) is None
            await all_is_well(it, [])

    asyncio.run(scenario())


def _backup_of_a_file(address: str, folder: Path) -> Callable[[], None]:
    backup = sqlite3.connect(folder / "backup.db")
    with sqlite3.connect(folder / "gate.db") as database:
        database.backup(backup)
    backup.close()

    def restore() -> None:
        for old in folder.glob("gate.db-*"):
            old.unlink()
        (folder / "gate.db").write_bytes((folder / "backup.db").read_bytes())

    return restore


def _backup_of_a_server(address: str, folder: Path) -> Callable[[], None]:
    copy = str(folder / "backup.dump")
    subprocess.run(["pg_dump", "--format=custom", f"--file={copy}", address], check=True)
    parts = urlsplit(address)
    other, name = urlunsplit(parts._replace(path="/postgres")), parts.path[1:]

    def restore() -> None:
        with psycopg.connect(other, autocommit=True) as server:
            for words in ("DROP DATABASE {} WITH (FORCE)", "CREATE DATABASE {}"):
                server.execute(sql.SQL(words).format(sql.Identifier(name)))
        subprocess.run(["pg_restore", f"--dbname={address}", copy], check=True)

    return restore


@pytest.mark.parametrize(
    ("address", "backup"),
    [
        ("sqlite", _backup_of_a_file),
        pytest.param(f"postgresql://postgres@{SERVER}", _backup_of_a_server, marks=POSTGRESQL),
    ],
    ids=["sqlite", "postgresql"],
)
def test_a_backup_that_is_restored(tmp_path, address, backup):
    """What it still owes is delivered (again, the same); what came after it can come again."""

    async def scenario() -> None:
        async with stage(tmp_path, address) as it:
            await it.calm()
            it.servers[0].kinds, it.servers[0].trouble = ("busy",), 1.0
            early = [await it.take(it.load.object_cdr("rijstroom")) for _ in range(3)]
            early += [await it.take(one) for one in it.load.list_cdrs(1)]
            restore = await asyncio.to_thread(backup, it.database, tmp_path)
            it.servers[0].trouble = 0
            late = [await it.take(it.load.object_cdr("rijstroom")) for _ in range(3)]
            await it.calm()
            assert {owed.id for owed in (*early, *late)} <= it.emsp.contents("cdrs").keys()
            before = len(it.emsp.seen)
            it.gateways[0].signal(signal.SIGTERM)
            assert await it.gateways[0].ended() == 0
            it.store.close()
            await asyncio.to_thread(restore)

            assert await started_again(it.gateways[0]) is None
            it.store = opened(it.database)
            await it.calm()
            again = {seen.id for seen in it.emsp.seen[before:]}
            assert {owed.id for owed in early} <= again, "what it owed then comes again"
            with it.store.read() as tx:
                found = {one.id: tx.ledger.find(identifier=("cdr", one.id)) for one in late}
            assert not any(found.values()), "what came later is not known any more"
            for owed in (*early, *late):
                await it.load.until(owed.send)
            await it.calm()
            contents = it.emsp.contents("cdrs")
            assert {owed.id for owed in (*early, *late)} <= contents.keys()
            assert all(len(found) == 1 for found in contents.values())
            with it.store.read() as tx:
                assert tx.outbox.find("dead") == []

    asyncio.run(scenario())
