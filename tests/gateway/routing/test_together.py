"""Many requests share a transaction: each gets its own result, after it is on disk."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater

from gateway.errors import Malformed, StoreUnavailable
from gateway.routing.threads import Threads
from gateway.routing.together import Together
from gateway.store import Store, Transaction
from gateway.store.prepared import Prepared


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(reactor)
    yield made
    made.stop()


@pytest.fixture
def together(store: Store, threads: Threads) -> Together:
    return Together(store, threads)


def value(number: int, *, fails: bool = False) -> Callable[[Transaction], tuple[int, Any]]:
    """Work that keeps a number and tells in which transaction it did."""

    def write(tx: Transaction) -> tuple[int, Any]:
        tx.parties.set_value("p", str(number), b"%d" % number)
        if fails:
            raise Malformed(f"{number} is wrong")
        return number, tx

    return write


def stored(store: Store, most: int) -> list[int]:
    with store.read() as tx:
        return [number for number in range(most) if tx.parties.value("p", str(number))]


async def all_of(*waiting: Any) -> list[Any]:
    """The result or error of each."""
    done = await DeferredList(
        [Deferred.fromCoroutine(each) for each in waiting], consumeErrors=True
    )
    return [result if fine else result.value for fine, result in done]


async def test_what_waits_is_written_in_one_transaction(together: Together, store: Store) -> None:
    results = await all_of(*(together.write(value(number)) for number in range(20)))
    assert [number for number, _ in results] == list(range(20))
    assert len({id(tx) for _, tx in results}) == 1
    assert stored(store, 20) == list(range(20))


async def test_who_asks_again_just_after_a_group_waits_for_the_others(
    together: Together, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where this process writes without a thread: who was answered together asks again together."""
    if not store.one_writer:
        return
    monkeypatch.setattr("gateway.routing.threads.SOON", 0.3)
    await together.write(value(0))
    first = Deferred.fromCoroutine(together.write(value(1)))
    for _ in range(3):
        await deferLater(reactor, 0)
    second = Deferred.fromCoroutine(together.write(value(2)))
    assert (await first)[1] is (await second)[1]


async def test_one_that_fails_takes_nothing_along(together: Together, store: Store) -> None:
    wrong = {3, 7}
    results = await all_of(
        *(together.write(value(number, fails=number in wrong)) for number in range(10))
    )
    assert [str(each) for each in results if isinstance(each, Exception)] == [
        "3 is wrong",
        "7 is wrong",
    ]
    right = [number for number in range(10) if number not in wrong]
    assert [each[0] for each in results if not isinstance(each, Exception)] == right
    assert stored(store, 10) == right


async def test_nobody_is_answered_before_it_is_on_disk(together: Together, store: Store) -> None:
    """A second connection sees what was written at the moment of the answer."""

    async def one(number: int) -> bool:
        await together.write(value(number))
        return number in stored(store, 50)

    assert await all_of(*map(one, range(50))) == [True] * 50


async def test_what_cannot_be_kept_is_told_to_all_at_once(
    together: Together, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away is waited for once, not once for each."""
    tried = []

    def away(_: Store) -> Any:
        tried.append(1)
        raise StoreUnavailable("away")

    monkeypatch.setattr(Store, "begin", away)
    monkeypatch.setattr(Store, "begin_now", lambda _: None)
    results = await all_of(*(together.write(value(number)) for number in range(10)))
    assert [str(each) for each in results] == ["away"] * 10
    assert len(tried) == 1


async def test_a_commit_that_fails_is_told_to_all(
    together: Together, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told that it is kept, and the next ones are."""
    if not store.one_writer:
        return
    with monkeypatch.context() as broken:
        broken.setattr("gateway.store.store._COMMIT", Prepared(text("NO COMMIT")))
        results = await all_of(*(together.write(value(number)) for number in range(5)))
    assert {type(each) for each in results} == {StoreUnavailable}
    assert stored(store, 5) == []
    await together.write(value(7))
    assert stored(store, 10) == [7]


async def test_others_who_write_and_a_group_do_not_wait_for_each_other(
    together: Together, store: Store, threads: Threads
) -> None:
    """More of them than there are threads, again and again."""

    async def other(number: int) -> None:
        await threads.in_thread(lambda: store.run(value(100 + number)), writing=True)

    for _ in range(20):
        works = [together.write(value(number)) for number in range(8)]
        await all_of(*works, *map(other, range(8)))
    assert stored(store, 8) == list(range(8))


async def test_work_that_takes_locks_is_alone_where_transactions_meet(
    together: Together, store: Store
) -> None:
    results = await all_of(*(together.write(value(number), locking=True) for number in range(6)))
    transactions = {id(tx) for _, tx in results}
    assert stored(store, 6) == list(range(6))
    assert len(transactions) == 1 or not store.one_writer


async def test_small_reads_share_a_snapshot(together: Together, store: Store) -> None:
    with store.begin() as tx:
        tx.parties.set_value("p", "0", b"x")

    def look(tx: Transaction) -> tuple[bytes | None, Any, int]:
        return tx.parties.value("p", "0"), tx, threading.get_ident()

    results = await all_of(*(together.read(look) for _ in range(10)))
    assert {found for found, _, _ in results} == {b"x"}
    assert len({id(tx) for _, tx, _ in results}) == 1
    # where reading may wait for a network, the reactor does not
    here = threading.get_ident() in {thread for _, _, thread in results}
    assert here == store.one_writer
