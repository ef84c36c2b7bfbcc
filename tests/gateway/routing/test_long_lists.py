"""The end of a full list that is too long for one transaction: what it did not have."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from gateway.adapter import Lists
from gateway.model.message import (
    LocationUpload,
    Message,
    Receipt,
    ResultCode,
    StatusUpload,
    TokenUpload,
)
from gateway.model.status import EvseStatus, MajorStatus, ParkingStatus
from gateway.routing.exchange import UPLOADS
from gateway.routing.long_lists import PART, LongList
from gateway.routing.records import unpack
from gateway.routing.runtime import run
from gateway.routing.sites import Site, evses, gone
from gateway.store import Transaction
from tests.gateway.routing.samples import listed_token, record
from tests.gateway.routing.town import AGREEMENTS, PARTIES, Town

TOKENS = [
    listed_token(uid=f"04{number:08X}", contract=f"DE-EMP-C{number:08d}-1") for number in range(600)
]
SITES = [record(str(number), f"L{number // 2}") for number in range(600)]


class Listed:
    """A list in memory."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def batches(self, size: Callable[[], int]) -> Iterator[tuple[Any, ...]]:
        start = 0
        while start < len(self._items):
            most = size()
            yield tuple(self._items[start : start + most])
            start += most


def listed(field: str, items: list[Any]) -> Lists:
    return [(field, Listed(items))]


def upload(town: Town, party: str, head: Message, items: list[Any]) -> None:
    partner = town.exchange.directory.parties[party].partner
    field = next(name for name in head.__struct_fields__ if name != "full")
    receipt: Any = run(town.exchange.ask_lists(partner, head, listed(field, items), "c"))
    assert receipt.result.code is ResultCode.OK


@pytest.mark.parametrize(
    ("party", "head", "items"),
    [
        ("lists-emp", TokenUpload(tokens=(), full=True), TOKENS),
        ("lists-cpo", LocationUpload(locations=(), full=True), SITES),
    ],
    ids=["tokens", "sites"],
)
def test_what_is_left_out_is_told_in_few_messages(
    town: Town, monkeypatch: pytest.MonkeyPatch, party: str, head: Message, items: list[Any]
) -> None:
    """As many as there would be of one transaction, and few transactions, each time it is sent."""
    monkeypatch.setattr("gateway.aside.QUIET", float("inf"))
    upload(town, party, head, items)
    with town.store.begin() as tx:
        tx.execute(text("DELETE FROM deliveries"))
    transactions: list[object] = []
    store, once = town.store, town.store.run

    def counted(work: Callable[[Transaction], Any], *, soft: bool = False) -> Any:
        transactions.append(work)
        return once(work, soft=soft)

    monkeypatch.setattr(store, "run", counted)
    upload(town, party, head, items[300:])
    assert len(town.pending("house")) <= 2  # of 200 objects each
    assert len(transactions) <= 300 // PART + 8

    transactions.clear()
    with store.begin() as tx:
        tx.execute(text("DELETE FROM deliveries"))
    upload(town, party, head, items[300:])
    assert town.pending("house") == []
    assert len(transactions) <= 300 // PART + 8


@pytest.mark.parametrize("stop", range(1, 7))
def test_what_somebody_else_has_sent_meanwhile_stays(
    make_town: Callable[..., Town], stop: int
) -> None:
    """A clearing house spoke for an operator who is connected itself now."""
    before = tuple(each for each in PARTIES if each.id != "lists-cpo")
    agreements = tuple(each for each in AGREEMENTS if each.cpo != "lists-cpo")
    make_town(before, agreements).ask("house", LocationUpload(locations=(record("1", "L1"),)))
    town = make_town()
    exchange, house = town.exchange, town.exchange.directory.parties["house"]
    head = LocationUpload(locations=(), full=True)
    long = LongList(head, UPLOADS[LocationUpload], sees_all=False)
    items = [record("9", "H1", operator="DE*HUB")]
    for number, part in enumerate(long.parts(listed("locations", items)), 1):

        def do(tx: Transaction, part: Any = part) -> Any:
            work = exchange.work(tx, house, "c")
            receipt = part.do(work)
            work.finish()
            return receipt

        long.took(part, town.store.run(do, soft=True))
        if number == stop:
            mine = record("1", "L1", name="mine")
            town.ask("lists-cpo", LocationUpload(locations=(mine,)))
    long.close()
    with town.store.read() as tx:
        row = tx.objects.get("location", "DE*ACM", "L1")
    assert row is not None
    site = unpack(Site, row.body)
    if number >= stop:
        assert row.source == "lists-cpo"
        assert site.records[0].name == "mine"
        assert not any(map(gone, evses(site)))


@pytest.mark.parametrize("count", [0, 1, PART, 2 * PART + 1])
def test_each_list_of_a_message_is_taken(count: int) -> None:
    """One after the other; what stands beside them holds for all."""
    evses = [EvseStatus(evse_id=f"DE*ACM*E{number}") for number in range(count)]
    spots = [
        ParkingStatus(parking_id=f"DE*ACM*P{number}", status=MajorStatus.AVAILABLE)
        for number in range(PART + 1)
    ]
    until = datetime(2031, 5, 2, tzinfo=UTC)
    taken: list[StatusUpload] = []

    def take(work: Any, message: Any) -> Receipt:
        taken.append(message)
        return Receipt()

    long = LongList(StatusUpload(ttl=until), take, sees_all=False)
    work: Any = None
    sizes = []
    for part in long.parts([*listed("evses", evses), *listed("parkings", spots)]):
        long.took(part, part.do(work))
        sizes.append(part.size)

    assert [each for message in taken for each in message.evses] == evses
    assert [each for message in taken for each in message.parkings] == spots
    assert {message.ttl for message in taken} == {until}
    assert sum(sizes) == count + len(spots)
