"""No message counts twice: not after a restart, not in another process, not at the same moment."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from gateway.store import SeenMessages, Store, first_time
from gateway.store.tables import seen_messages

HOUR = timedelta(hours=1)
ASK = """
import sys
from datetime import UTC, datetime, timedelta
from gateway.store import SeenMessages, Store
clock = lambda: datetime.now(UTC)
store = Store(sys.argv[1], clock)
print(SeenMessages(store).first_time("acme", sys.argv[2], clock() + timedelta(hours=1)))
"""


def test_an_id_is_new_once(store: Store, clock: Any) -> None:
    seen = SeenMessages(store)
    assert seen.first_time("acme", "m1", clock.now + HOUR)
    assert not seen.first_time("acme", "m1", clock.now + HOUR)
    assert seen.first_time("acme", "m2", clock.now + HOUR)


def test_parties_do_not_share_ids(store: Store, clock: Any) -> None:
    seen = SeenMessages(store)
    assert seen.first_time("acme", "m1", clock.now + HOUR)
    assert seen.first_time("abc", "m1", clock.now + HOUR)


def test_it_survives_a_restart(opened: Callable[..., Store], clock: Any) -> None:
    first = opened()
    assert SeenMessages(first).first_time("acme", "m1", clock.now + HOUR)
    first.close()
    assert not SeenMessages(opened()).first_time("acme", "m1", clock.now + HOUR)


def test_of_many_at_once_one_is_first(opened: Callable[..., Store], clock: Any) -> None:
    stores, barrier = [opened(), opened()], threading.Barrier(8)

    def ask(number: int) -> bool:
        barrier.wait()
        return SeenMessages(stores[number % 2]).first_time("acme", "m1", clock.now + HOUR)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == [False] * 7 + [True]


def test_it_holds_across_processes(address: str, store: Store) -> None:
    def ask(id: str) -> str:
        command = [sys.executable, "-c", ASK, address, id]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return found.stdout.strip()

    assert [ask("m1"), ask("m1"), ask("m2")] == ["True", "False", "True"]


def test_what_is_over_is_forgotten(store: Store, clock: Any) -> None:
    """An id may come again after its time, and the table does not grow for ever."""
    seen = SeenMessages(store)
    for number in range(250):
        assert seen.first_time("acme", f"m{number}", clock.now + HOUR)
    clock.advance(hours=2)
    assert seen.first_time("acme", "m1", clock.now + HOUR)
    assert not seen.first_time("acme", "m1", clock.now + HOUR)
    with store.begin() as tx:  # one in sixteen clears away: of 500, hardly ever fewer than three
        assert all(
            first_time(tx, "acme", f"later{number}", clock.now + HOUR) for number in range(500)
        )
    with store.read() as tx:
        assert tx.execute(select(func.count()).select_from(seen_messages)).scalar() == 501


def test_nothing_is_forgotten_early(store: Store, clock: Any) -> None:
    seen = SeenMessages(store)
    assert seen.first_time("acme", "m1", clock.now + HOUR)
    clock.advance(minutes=60)
    assert not seen.first_time("acme", "m1", clock.now + HOUR)


def test_ids_of_any_text(store: Store, clock: Any) -> None:
    """What a partner sends as a message id is hashed, so its form does not matter."""
    seen = SeenMessages(store)
    for id in ("x" * 100_000, "nul \0", "lone \ud800", ""):
        assert seen.first_time("acme", id, clock.now + HOUR)
        assert not seen.first_time("acme", id, clock.now + HOUR)
