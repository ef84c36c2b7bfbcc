"""Several processes on one store: each gets its turn to write, and names keep them apart."""

import multiprocessing
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.store.turns import Turns

PROCESSES = multiprocessing.get_context("spawn")


def utc_now() -> datetime:
    return datetime.now(UTC)


def test_who_does_not_want_to_wait_does_not(tmp_path: Path) -> None:
    """While another thread, another process or a stranger writes; nothing is left behind by it."""
    address = f"sqlite:///{tmp_path}/s.db"
    store, other = Store(address, utc_now), Store(address, utc_now)

    def writes() -> bool:
        began = time.monotonic()
        begun = store.begin_now()
        assert time.monotonic() - began < 5  # waiting is for ten
        if begun is None:
            return False
        begun.do(lambda tx: tx.parties.set_value("p", "n", b"1"))
        begun.commit()
        return True

    assert writes()
    with store.begin():
        assert not writes()
    with closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        assert not writes()
        stranger.execute("ROLLBACK")
    assert writes()

    begun = store.begin_now()
    assert begun is not None
    assert store.begin_now() is None
    with pytest.raises(ZeroDivisionError):
        begun.do(lambda tx: (tx.parties.set_value("p", "m", b"1"), 1 // 0))
    with other.read() as tx:
        assert (tx.parties.value("p", "n"), tx.parties.value("p", "m")) == (b"1", None)
    assert writes()
    store.close()
    other.close()


def _write(address: str, end: Any, seconds: float = 0.0, *, soft: bool = False) -> None:
    """Write without a pause, counting, until told to stop."""
    store = Store(address, utc_now)
    number = 0

    def work(tx: Any) -> None:
        tx.parties.set_value("busy", "count", str(number).encode())
        time.sleep(seconds)

    end.send("begun")
    while not end.poll():
        number += 1
        store.run(work, soft=soft)
    end.send("ended")


def _write_long(address: str, end: Any) -> None:
    """The same with hardly a moment in which it does not write."""
    _write(address, end, 0.005, soft=True)


def _hold(address: str, end: Any) -> None:
    """Hold a name, and the turn to write, until killed."""
    store = Store(address, utc_now)
    assert store.take("a name")
    with store.begin() as tx:
        tx.parties.set_value("frozen", "count", b"1")
        end.send("begun")
        end.recv()


def _stand_still(address: str, end: Any) -> None:
    """Be next to write, and do nothing more."""
    turns = Turns(Path(address.removeprefix("sqlite:///")))
    assert turns._take(0)
    end.send("begun")
    end.recv()


@pytest.fixture
def process(address: str) -> Iterator[Callable[..., Any]]:
    """``process(what) -> (Process, Connection)``: something done in another process."""
    started = []

    def start(what: Callable[..., None]) -> tuple[Any, Any]:
        ours, its = PROCESSES.Pipe()
        child = PROCESSES.Process(target=what, args=(address, its), daemon=True)
        child.start()
        started.append(child)
        assert ours.poll(60)
        assert ours.recv() == "begun"
        return child, ours

    yield start
    for child in started:
        child.kill()
        child.join()


def _count(tx: Any) -> int:
    return int(tx.parties.value("busy", "count") or 0)


def test_a_busy_process_lets_others_write(process: Any, opened: Callable[..., Store]) -> None:
    """Who asks to write waits for one or two transactions of another process, not for hundreds."""
    _, end = process(_write)
    store = opened()
    waited = []
    for number in range(15):
        with store.read() as tx:
            before = _count(tx)
        with store.begin() as tx:
            waited.append(_count(tx) - before)
            tx.parties.set_value("other", "count", str(number).encode())
    end.send("stop")
    assert end.recv() == "ended"
    assert statistics.median(waited) <= 4, waited


def test_who_asks_again_and_again_has_its_turn(process: Any, opened: Callable[..., Store]) -> None:
    """It does not have to ask in the very moment in which nobody writes."""
    _, end = process(_write_long)
    store = opened()
    waited = []
    for number in range(15 if store.one_writer else 0):
        with store.read() as tx:
            before = _count(tx)
        while (begun := store.begin_now()) is None:
            time.sleep(0.001)
        waited.append(begun.do(_count) - before)
        begun.do(lambda tx, n=number: tx.parties.set_value("other", "count", str(n).encode()))
        begun.commit()
    end.send("stop")
    assert end.recv() == "ended"
    assert not waited or statistics.median(waited) <= 4, waited


def test_who_is_killed_holds_nothing(process: Any, opened: Callable[..., Store]) -> None:
    """A name and the turn of a process are free when it has died."""
    store = opened(wait=0.2)
    child, _ = process(_hold)
    assert not store.take("a name")
    assert store.take("another name")
    if store.one_writer:
        with pytest.raises(StoreUnavailable, match="another process"), store.begin():
            pass
    child.kill()
    child.join()
    for _ in range(500):  # PostgreSQL has to notice first
        if store.take("a name"):
            break
    else:
        pytest.fail("the name is still held")
    with store.begin() as tx:
        assert tx.parties.value("frozen", "count") is None
    store.give("a name")
    assert store.take("a name")


def test_who_stands_still_while_it_waits_is_passed(process: Any, store: Store) -> None:
    """The turn is only for fairness: who may write is decided by the other lock."""
    if not store.one_writer:
        return  # PostgreSQL has many
    process(_stand_still)
    with store.begin() as tx:
        tx.parties.set_value("other", "count", b"1")
