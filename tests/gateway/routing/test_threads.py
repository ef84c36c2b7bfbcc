"""The running process: threads, time limits and locks on the real reactor."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred

from gateway.errors import Unreachable
from gateway.model.location import EvseState
from gateway.model.message import LocationUpload
from gateway.routing.delivery import Deliveries
from gateway.routing.exchange import Exchange
from gateway.routing.parties import Directory
from gateway.routing.runtime import Outcome
from gateway.routing.threads import Threads
from gateway.store import Store
from tests.gateway.routing.samples import site
from tests.gateway.routing.town import AGREEMENTS, PARTIES, FakeLink


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(reactor)
    yield made
    made.stop()


async def test_work_is_done_outside_of_the_reactors_thread(threads: Threads) -> None:
    here = threading.get_ident()
    for writing in (True, False):
        there = await threads.in_thread(threading.get_ident, writing=writing)
        assert there != here

    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await threads.in_thread(fail, writing=True)


async def test_what_was_in_the_way_is_not_waited_for_longer_than_it_takes(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that could not be done at once is tried when a thread has done its writing."""
    monkeypatch.setattr("gateway.routing.threads.SOON", 3600)
    in_the_way = True

    def do(works: Sequence[str]) -> list[Outcome] | None:
        return None if in_the_way else [Outcome(work) for work in works]

    def end() -> None:
        nonlocal in_the_way
        in_the_way = False

    add = threads.together(do, "here")
    waiting = [add("a"), add("b")]
    assert await threads.in_thread(lambda: "read", writing=False) == "read"
    await threads.in_thread(end, writing=True)
    assert [await threads.within(10, each) for each in waiting] == ["a", "b"]


async def test_who_answers_too_late_is_out_of_reach(threads: Threads) -> None:
    cancelled: list[Any] = []
    never: Deferred[None] = Deferred(cancelled.append)
    with pytest.raises(Unreachable, match=r"within 0.01 s"):
        await threads.within(0.01, never)
    assert cancelled == [never]

    async def answer() -> int:
        return 7

    assert await threads.within(5, answer()) == 7


async def test_what_was_planned_for_later_ends_with_it() -> None:
    """A ledger that waits for its database would go on trying after the gateway has stopped."""
    stopped, running, called = Threads(reactor), Threads(reactor), []
    both: Deferred[None] = Deferred()
    stopped.later(0, lambda: called.append("stopped"))
    running.later(0, lambda: called.append("running"))
    running.later(0.01, lambda: both.callback(None))
    stopped.stop()
    await both
    running.stop()
    assert called == ["running"]


async def test_one_at_a_time_per_name(threads: Threads) -> None:
    order: list[str] = []
    gate: Deferred[None] = Deferred()

    async def one(name: str, key: str) -> None:
        async with threads.alone(key):
            order.append(f"{name} in")
            if name == "a":
                await gate
            order.append(f"{name} out")

    running = [ensureDeferred(one(*each)) for each in (("a", "k"), ("b", "k"), ("c", "other"))]
    assert order == ["a in", "c in", "c out"]
    gate.callback(None)
    for each in running:
        await each
    assert order == ["a in", "c in", "c out", "a out", "b in", "b out"]


async def test_an_upload_is_delivered_at_once(threads: Threads, store: Store, clock: Any) -> None:
    """Through real threads and the real reactor; the worker is woken, not waited for."""
    arrived: Deferred[Any] = Deferred()

    class Told(FakeLink):
        async def ask(self, message: Any, correlation_id: str) -> Any:
            reactor.callLater(0, arrived.callback, message)
            return await super().ask(message, correlation_id)

    exchange = Exchange(
        Directory(PARTIES, AGREEMENTS), store, {"objects-emp": Told()}, clock, threads
    )
    deliveries = Deliveries(exchange, clock)
    deliveries.start()
    cpo = exchange.directory.parties["objects-cpo"].partner
    await exchange.ask(cpo, LocationUpload(locations=(site(EvseState.AVAILABLE),)), "c")
    arrived.addTimeout(5, reactor)
    assert (await arrived).locations[0].id == "loc1"
    await deliveries.stop()
    assert deliveries.under_way == 0
    with store.read() as tx:
        assert tx.outbox.find("pending") == []
