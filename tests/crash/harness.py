"""Kills the gateway at random instants under load, and judges what its partners have afterwards.

    python -m tests.crash.harness --kills 300 --seed 7 --database sqlite
    python -m tests.crash.harness --kills 300 --seed 7 --processes 2 \
        --database postgresql://postgres@127.0.0.1:5432
    python -m tests.crash.harness --kills 100 --workers 2       # of a supervisor; reloads between

Exit code 1 when anything speaks against the gateway; every fault is a line. On PostgreSQL a
database is made on the server and dropped again. Partners misbehave all the while: see ``wire.py``.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from gateway.store import Store
from tests.crash import verdict
from tests.crash.gateways import Nursery, Process, database, opened
from tests.crash.load import Load
from tests.crash.partners import Emsp, Hub
from tests.crash.wire import Server

PATIENCE = 120.0
"""Seconds until everything has to be delivered, once partners behave."""


@dataclass
class Run:
    """What happened, and what speaks against it."""

    kills: int = 0
    blows: Counter[str] = field(default_factory=Counter)
    """What was killed, and how often workers were told to be replaced (``reload``)."""
    acknowledged: int = 0
    processed: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    """Requests that a receiver had processed before."""
    lost: int = 0
    """Attempts that the ledger explains as lost with a process."""
    seconds: float = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self.processed.items()))
        blows = ", ".join(f"{count} {what}" for what, count in sorted(self.blows.items()))
        return (
            f"{self.kills} kills ({blows}) in {self.seconds:.0f} s; "
            f"{self.acknowledged} CDRs acknowledged; "
            f"receivers processed {counts}, {self.repeated} of them again; "
            f"{self.lost} attempts lost with a process; {len(self.faults)} faults"
        )


async def crash(
    folder: Path,
    address: str,
    *,
    kills: int,
    seed: int,
    processes: int = 1,
    workers: int = 1,
    trouble: float = 0.15,
    longest: float = 1.5,
) -> Run:
    """Run it all. ``longest``: seconds that a process lives at most; some live longer, and half of
    them only count from when they serve, so that a slow machine acknowledges something too. What
    has ``workers`` takes seconds to start, so it lives as many times longer."""
    chance = random.Random(seed)
    emsp, hub = Emsp("rijstroom"), Hub("clearing")
    servers = [await Server(each.process, chance).start() for each in (emsp, hub)]
    emsp.url, hub_url = servers[0].url, servers[1].url
    run, started = Run(), time.monotonic()
    try:
        with database(address, folder) as place:
            async with Nursery() as nursery:
                gateways = [
                    Process(nursery, folder, place, emsp.url, hub_url, workers=workers)
                    for _ in range(processes)
                ]
                load = Load(gateways, chance)
                for gateway in gateways:
                    await gateway.start()
                for gateway in gateways:
                    await gateway.ready()
                await load.prepare()
                for server in servers:
                    server.trouble = trouble
                sending = asyncio.create_task(load.run(senders=6, pause=0.05))
                while run.kills < kills and not sending.done():
                    patient = chance.random() < 0.1
                    wait = chance.random() * longest * workers * (3 if patient else 1)
                    victim = chance.choice(gateways)
                    if chance.random() < 0.5:  # else it may die before it serves
                        await victim.ready()
                    await asyncio.sleep(wait)
                    what = await victim.struck(chance)
                    run.blows[what] += 1
                    run.kills = run.blows.total() - run.blows["reload"]
                for server in servers:
                    server.trouble = 0
                load.going = False
                await asyncio.wait_for(sending, PATIENCE)
                store = await asyncio.to_thread(opened, place)
                try:
                    await _calm(store, load)
                    for gateway in gateways:
                        await gateway.ready()
                        gateway.signal(signal.SIGTERM)
                        if code := await gateway.ended():
                            run.faults.append(f"exit code {code} after SIGTERM")
                        run.faults += gateway.errors()
                    run.faults += (fault for server in servers for fault in server.faults)
                    run.faults += await asyncio.to_thread(verdict.against, load, store, emsp, hub)
                    _count(run, store, load, emsp, hub)
                    if run.acknowledged <= run.kills:
                        run.faults.append("so few were acknowledged that this says nothing")
                finally:
                    store.close()
    finally:
        for server in servers:
            server.close()
    run.seconds = time.monotonic() - started
    return run


async def _calm(store: Store, load: Load) -> None:
    """Wait until partners have been given everything."""

    def owed() -> int:
        with store.begin() as tx:
            rows = tx.outbox.find("pending", limit=100_000)
            waiting = [row for row in rows if row.party != "@gateway"]
            for row in waiting:
                tx.outbox.hurry(row.id)
            return len(waiting)

    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if await asyncio.to_thread(owed) == 0 and await load.fetch_once() == 0:
            return
        await asyncio.sleep(0.2)


def _count(run: Run, store: Store, load: Load, emsp: Emsp, hub: Hub) -> None:
    run.acknowledged = sum(bool(owed.acknowledged) for owed in load.owed)
    for receiver in (emsp, hub):
        before = set()
        for each in receiver.seen:
            run.processed[each.kind] += 1
            what = (each.kind, each.id, each.content)
            run.repeated += what in before
            before.add(what)
    with store.read() as tx:
        run.lost = len(tx.ledger.find(outcome=verdict.LOST, limit=1_000_000))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="sqlite", help="sqlite, or a PostgreSQL server's URL")
    parser.add_argument("--processes", type=int, default=1, help="gateways on the database")
    parser.add_argument("--workers", type=int, default=1, help="processes of each gateway")
    parser.add_argument(
        "--trouble", type=float, default=0.15, help="share of answers that go wrong"
    )
    parser.add_argument("--folder", type=Path, help="where the logs and the database are left")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        run = asyncio.run(
            crash(
                folder,
                options.database,
                kills=options.kills,
                seed=options.seed,
                processes=options.processes,
                workers=options.workers,
                trouble=options.trouble,
            )
        )
    for fault in run.faults[:50]:
        print(fault[:1500])
    print(run)
    return 1 if run.faults else 0


if __name__ == "__main__":
    sys.exit(main())
