"""A long list whose sender dies, or at whose gateway dies, in the midst of it."""

import asyncio
import json
import random
from urllib.parse import urlsplit

import pytest

from gateway.demo import data
from gateway.demo.ochp import wrapped
from tests.crash.load import EVSES
from tests.crash.stage import Stage, stage
from tests.crash.test_crash import POSTGRESQL
from tests.gateway.store.conftest import SERVER

MANY = list(data.ochp_evses("AT", "ALP", 2000, seed=7))[100:]
"""None of those that are there before."""
ROOT = "SetChargePointListRequest"
KILLS = 4


def told(it: Stage) -> dict[str, str]:
    """The status of each EVSE of the operator as the home-CSP was told last."""
    found = {}
    for seen in it.emsp.seen:
        site = json.loads(seen.content) if seen.kind == "locations" else {"party_id": ""}
        if site["party_id"] == "ALP":
            found |= {evse["evse_id"]: evse["status"] for evse in site["evses"]}
    return found


async def half_of_it(it: Stage, message: bytes) -> None:
    """A client that dies before it has sent all."""
    parts = urlsplit(it.gateways[0].url)
    _, out = await asyncio.open_connection(parts.hostname, parts.port)
    head = f'POST /ochp/1.4 HTTP/1.1\r\nHost: x\r\nSOAPAction: ""\r\nContent-Length: {len(message)}'
    out.write(f"{head}\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n".encode())
    out.write(message[: len(message) * 9 // 10])
    await out.drain()
    await asyncio.sleep(0.2)
    out.transport.abort()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "address",
    ["sqlite", pytest.param(f"postgresql://postgres@{SERVER}", marks=POSTGRESQL)],
    ids=["sqlite", "postgresql"],
)
def test_a_full_list_that_is_broken_off(tmp_path, address):
    """Half a message changes nothing. A kill may leave some of it taken, but nothing is withdrawn
    before all is there; sent again it has the effect of one."""
    chance = random.Random(4)

    async def scenario() -> None:
        async with stage(tmp_path, address) as it:
            await it.calm()
            gateway = it.gateways[0]
            before = told(it)
            assert set(before) == {evse["evse_id"] for evse in EVSES}
            whole = "".join(map(data.ochp_charge_point, MANY))
            for _ in range(2):
                await half_of_it(it, wrapped(ROOT, whole, "alpenstrom", "of-alpenstrom"))
            await it.calm()
            assert told(it) == before

            async def send(correlation: str) -> bool:
                body = await it.load._soap(ROOT, whole, "alpenstrom", correlation)
                return it.load._soap_taken(body, correlation)

            for _ in range(KILLS):
                sending = asyncio.create_task(it.load.until(send))
                await asyncio.sleep(0.3 + 1.5 * chance.random())
                if sending.done():
                    break
                sending.cancel()
                await gateway.killed()
                await gateway.start()
                await gateway.ready()
                await it.calm(120)
                there = told(it)
                if {there[id] for id in before} != set(before.values()):
                    # killed when all was done but the answer
                    assert there.keys() >= {evse["evse_id"] for evse in MANY}, "withdrawn too early"
                    break
            await it.load.until(send)
            await it.calm(120)
            after = told(it)
            assert set(after) == {evse["evse_id"] for evse in (*EVSES, *MANY)}
            assert {after[id] for id in before} == {"REMOVED"}
            assert "REMOVED" not in {after[evse["evse_id"]] for evse in MANY}
            assert it.faults() == []

    asyncio.run(scenario())
