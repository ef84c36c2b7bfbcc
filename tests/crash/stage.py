"""Everything that a scenario of the crash tests needs, on one stage: gateways, partners, load."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.store import Store
from tests.crash import verdict
from tests.crash.gateways import Nursery, Process, database, opened
from tests.crash.load import Load, Owed
from tests.crash.partners import Emsp, Hub
from tests.crash.wire import Asked, Said, Server


class Held:
    """A partner that takes what comes and answers only when it is told."""

    def __init__(self, process: Callable[[Asked], Said]) -> None:
        self._process = process
        self.release = asyncio.Event()
        self.release.set()
        self.waiting = 0

    async def answer(
        self, asked: Asked, process: Callable[[Asked], Said], out: asyncio.StreamWriter
    ) -> bool:
        said = process(asked)
        self.waiting += 1
        await self.release.wait()
        self.waiting -= 1
        out.write(said.bytes())
        return True


@dataclass
class Stage:
    """Gateways on one database, between partners that behave."""

    gateways: list[Process]
    database: str
    """As the gateways see it."""
    store: Store
    load: Load
    emsp: Emsp
    hub: Hub
    servers: list[Server]

    def faults(self) -> list[str]:
        """Everything that speaks against the gateway, when nothing is under way any more."""
        broken = [fault for server in self.servers for fault in server.faults]
        return broken + verdict.against(self.load, self.store, self.emsp, self.hub)

    async def until(self, ready: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait until something is so."""
        end = asyncio.get_running_loop().time() + seconds
        while not await asyncio.to_thread(ready):
            assert asyncio.get_running_loop().time() < end, what
            await asyncio.sleep(0.05)

    async def calm(self, seconds: float = 60) -> None:
        """Wait until partners have been given everything."""
        await self.until(self.nothing_owed, "something is still owed", seconds)

    def nothing_owed(self) -> bool:
        with self.store.begin() as tx:
            waiting = [row for row in tx.outbox.find("pending") if row.party != "@gateway"]
            for row in waiting:
                tx.outbox.hurry(row.id)
        return not waiting

    async def take(self, owed: Owed) -> Owed:
        """Have a gateway acknowledge something."""
        self.load.owed.append(owed)
        owed.acknowledged.append(await self.load.until(owed.send))
        return owed


@asynccontextmanager
async def stage(
    folder: Path,
    address: str,
    *,
    processes: int = 1,
    lease: float = 0,
    hosts: Sequence[str] = (),
    between: Callable[[str], str] = str,
) -> AsyncIterator[Stage]:
    """``processes`` are started and ready, or one on each of ``hosts``; ``between`` gives the
    address that they have of the database, where something stands between."""
    chance = random.Random(1)
    emsp, hub = Emsp("rijstroom"), Hub("clearing")
    servers = [await Server(each.process, chance).start() for each in (emsp, hub)]
    emsp.url = servers[0].url
    try:
        with database(address, folder) as place:
            async with Nursery() as nursery:
                seen = between(place)
                urls = emsp.url, servers[1].url
                gateways = [
                    Process(nursery, folder, seen, *urls, lease=lease, host=host)
                    for host in hosts or ["-"] * processes
                ]
                for gateway in gateways:
                    await gateway.start()
                for gateway in gateways:
                    await gateway.ready()
                load = Load(gateways, chance)
                await load.prepare()
                made = Stage(gateways, seen, opened(place), load, emsp, hub, servers)
                try:
                    yield made
                finally:
                    made.store.close()
    finally:
        for server in servers:
            server.close()
