"""Old messages and deliveries end, in their time; a wrong clock does no harm."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import Refused, Unreachable
from gateway.model.location import EvseState
from gateway.model.message import LocationUpload, TokenUpload
from gateway.routing.delivery import Effort
from gateway.routing.runtime import run
from gateway.routing.upkeep import Upkeep
from gateway.server.config_options import KEPT, Retention
from tests.gateway.routing.samples import site, token
from tests.gateway.routing.town import Town

A = EvseState.AVAILABLE
KEEPING = Retention(
    tokens=timedelta(days=2),
    locations=timedelta(days=5),
    delivered=timedelta(days=3),
    dead=timedelta(days=10),
)


@pytest.fixture
def upkeep(town: Town) -> Callable[..., None]:
    """Does one turn."""

    def turn(kept: Retention = KEEPING) -> None:
        kinds = {kind: getattr(kept, kind) for kind in KEPT}
        run(Upkeep(town.exchange, kept, kinds, Effort().longest).turn())

    return turn


def kinds(town: Town) -> set[str]:
    with town.store.read() as tx:
        return {found.entry.kind for found in tx.ledger.find(limit=1000)}


def upload(town: Town, *places: str) -> None:
    for place in places or ("loc1",):
        town.ask("objects-cpo", LocationUpload(locations=(site(A, place=place),)))


def test_each_kind_of_message_has_its_time(town: Town, upkeep: Any) -> None:
    upload(town)
    town.ask("objects-emp", TokenUpload(tokens=(token(),)))
    town.clock.advance(seconds=1)
    upkeep()
    for day, left in ((1, {"locations", "tokens"}), (2, {"locations"}), (3, {"locations"})):
        town.clock.advance(days=1)
        upkeep()
        assert kinds(town) == left, day
    town.clock.advance(days=1)
    upkeep()
    town.clock.advance(days=1)
    upkeep()
    assert kinds(town) == set()


def test_beyond_their_number_the_oldest_go_first(town: Town, upkeep: Any) -> None:
    for number in range(30):
        upload(town, f"loc{number}")
    town.deliver()
    with town.store.read() as tx:
        newest = [found.entry.id for found in tx.ledger.find(limit=10)]
    upkeep(Retention(messages=10))
    with town.store.read() as tx:
        assert [found.entry.id for found in tx.ledger.find(limit=1000)] == newest


def test_deliveries_end_when_they_were_taken_or_given_up(town: Town, upkeep: Any) -> None:
    """And never while they are owed."""
    emp: Any = town.links["objects-emp"]
    emp.answers[LocationUpload] = [None, Refused("no")]
    upload(town, "loc1", "loc2")
    town.deliver()
    emp.answers[LocationUpload] = Unreachable("down")
    upload(town, "loc3")
    town.deliver()

    def states() -> set[str]:
        with town.store.read() as tx:
            counts = tx.outbox.counts().items()
        return {state for (party, state), n in counts if party == "objects-emp" and n}

    town.clock.advance(seconds=1)
    upkeep()
    assert states() == {"done", "dead", "pending"}
    for _ in range(3):
        town.clock.advance(days=1)
        upkeep()
    assert states() == {"dead", "pending"}
    for _ in range(8):
        town.clock.advance(days=1)
        upkeep()
    assert states() == {"pending"}


def test_a_clock_that_jumps_ahead_ends_nothing_at_once(town: Town, upkeep: Any) -> None:
    """It is a day later from one turn to the next, at most; there is time to see it."""
    upload(town)
    upkeep()
    town.clock.advance(days=300)
    for _ in range(4):
        upkeep()
    assert "locations" in kinds(town)
    town.clock.advance(days=-300)
    upkeep()
    assert "locations" in kinds(town)


def test_what_a_clock_that_was_ahead_has_put_off_is_due(town: Town, upkeep: Any) -> None:
    emp: Any = town.links["objects-emp"]
    emp.answers[LocationUpload] = [Unreachable("down")]
    town.clock.advance(hours=10)
    upload(town)
    town.deliver()
    assert town.pending("objects-emp")
    town.clock.advance(hours=-10)
    upkeep()
    with town.store.begin() as tx:
        due = {row.party for row in tx.outbox.claim("w", 10, timedelta(seconds=1))}
    assert "objects-emp" in due


def test_a_large_heap_goes_in_slices(town: Town, upkeep: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.routing.upkeep.SLICE", 7)
    for number in range(20):
        upload(town, f"loc{number}")
    upkeep()
    town.clock.advance(hours=23)
    upkeep(Retention(locations=timedelta(hours=1)))
    assert kinds(town) == set()
