"""An exchange between parties of both kinds, on every database."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.store import Store, Transaction
from tests.gateway.routing.town import Town
from tests.gateway.store.conftest import (
    address,
    clock,
    opened,
    postgresql,
    sqlite_template,
    store,
)

__all__ = ["address", "clock", "opened", "postgresql", "sqlite_template", "store"]

NOW = datetime(2031, 5, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def locks_in_one_order(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever waits for objects holds no line of the outbox; lines are taken by name.

    So no two transactions of several writers wait for each other (PostgreSQL ends one of them, a
    second later).
    """
    taken: dict[Transaction, list[tuple[str, ...]]] = {}
    lock = Transaction.lock

    def noted(tx: Transaction, *name: str) -> None:
        names = taken.setdefault(tx, [])
        if name not in names:
            names.append(name)
        lock(tx, *name)

    monkeypatch.setattr(Transaction, "lock", noted)
    yield
    for names in taken.values():
        lines = [name for name in names if name[0] == "outbox"]
        assert names[len(names) - len(lines) :] == sorted(lines), names


@pytest.fixture
def town(store: Store, clock: Any) -> Town:
    """Two visited-CSOs, two home-CSPs and a clearing house, and a stranger without agreement."""
    clock.now = NOW
    return Town(store, clock)


@pytest.fixture
def make_town(store: Store, clock: Any) -> Callable[..., Town]:
    """A town with other parties or agreements, or another process on the same store."""
    clock.now = NOW
    return lambda *args, **kwargs: Town(store, clock, *args, **kwargs)
