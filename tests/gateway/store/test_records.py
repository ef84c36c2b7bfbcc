"""Ledger, id pairs and the parties' state."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from gateway.store import Entry, Pair, Registration, Store
from gateway.store.tables import fresh_identifiers, message_identifiers

HOUR = timedelta(hours=1)


def entry(clock: Any, id: str, **more: Any) -> Entry:
    values: dict[str, Any] = {
        "id": id,
        "at": clock.now,
        "direction": "in",
        "party": "acme",
        "protocol": "ochp-1.4",
        "operation": "AddCDRs",
        "correlation": "c",
        "outcome": "ok",
        "duration": timedelta(microseconds=1234),
        "request": b"<a/>",
    }
    return Entry(**values | more)


def found(store: Store, **conditions: Any) -> list[str]:
    with store.read() as tx:
        return [row.entry.id for row in tx.ledger.find(**conditions)]


def test_an_entry_is_kept_as_it_was(store: Store, clock: Any) -> None:
    written = entry(clock, "m1", answer=b"<b/>", findings=b"{}")
    with store.begin() as tx:
        tx.ledger.write(written)
    with store.read() as tx:
        assert tx.ledger.get("m1") == written
        assert tx.ledger.get("m2") is None
        (row,) = tx.ledger.find()
    assert row.entry == written._replace(request=None, answer=None, findings=None)


def test_entries_are_found_by_every_condition(store: Store, clock: Any) -> None:
    start = clock.now
    with store.begin() as tx:
        tx.ledger.write(entry(clock, "m1"), [("evse", "DE*ACM*E1"), ("contract", "X")])
    clock.advance(hours=1)
    with store.begin() as tx:
        other = entry(
            clock,
            "m2",
            direction="out",
            party="abc",
            operation="cdrs",
            outcome="Refused",
            correlation="d",
        )
        tx.ledger.write(other, [("evse", "DE*ACM*E1"), ("evse", "DE*ACM*E1"), ("cdr", "X")])
    assert found(store) == ["m2", "m1"]
    assert found(store, identifier=("evse", "DE*ACM*E1")) == ["m2", "m1"]
    assert found(store, identifier=("contract", "X")) == ["m1"]
    assert found(store, identifier=("contract", "x")) == []
    assert found(store, party="abc") == ["m2"]
    assert found(store, operation="AddCDRs") == ["m1"]
    assert found(store, direction="out", outcome="Refused") == ["m2"]
    assert found(store, correlation="c") == ["m1"]
    assert found(store, since=start + HOUR) == ["m2"]
    assert found(store, until=start + HOUR) == ["m1"]
    assert found(store, limit=1) == ["m2"]
    with store.read() as tx:
        last = tx.ledger.find(limit=1)[0].seq
    assert found(store, before=last) == ["m1"]


def test_old_entries_are_dropped_with_their_identifiers(store: Store, clock: Any) -> None:
    for number in range(5):
        with store.begin() as tx:
            tx.ledger.write(entry(clock, f"m{number}"), [("cdr", "X")])
        clock.advance(hours=1)
    with store.begin() as tx:
        assert tx.ledger.prune(clock.now - 2 * HOUR, limit=2) == 2
        assert tx.ledger.prune(clock.now - 2 * HOUR) == 1
        assert tx.ledger.prune(clock.now - 2 * HOUR) == 0
    assert found(store, identifier=("cdr", "X")) == ["m4", "m3"]


@pytest.mark.parametrize(("each", "count"), [(1, 1500), (3, 1500), (500, 9000)])
def test_entries_are_found_before_and_after_their_identifiers_are_sorted_in(
    store: Store, clock: Any, each: int, count: int
) -> None:
    """One or many in a transaction; none is lost, none is found twice, none stays."""
    names = [("evse", f"E{number % 700}") for number in range(count)]
    ids: dict[str, list[str]] = {}
    for number, start in enumerate(range(0, len(names), each)):
        some = names[start : start + each]
        with store.begin() as tx:
            tx.ledger.write(entry(clock, f"m{number:04}", wire="AddCDRs"), some)
            tx.ledger.change(f"m{number:04}", some[:1])
        for _, value in some:
            ids.setdefault(value, []).insert(0, f"m{number:04}")
    assert waiting(store) < len(names)
    for value in ("E0", "E99", "E650", "E699"):
        assert found(store, identifier=("evse", value)) == ids[value]
        assert found(store, identifier=("evse", value), operation="AddCDRs") == ids[value]
        assert found(store, identifier=("cdr", value)) == []
    clock.advance(hours=1)
    with store.begin() as tx:
        assert tx.ledger.prune(clock.now, limit=10_000) == len(range(0, len(names), each))
    with store.begin() as tx:
        for table in (fresh_identifiers, message_identifiers):
            assert tx.execute(select(func.count()).select_from(table)).scalar_one() == 0


def waiting(store: Store) -> int:
    with store.read() as tx:
        rows = tx.execute(select(fresh_identifiers.c.names)).scalars()
        return sum(len(msgspec.msgpack.decode(names)) for names in rows)


def test_identifiers_wait_in_bounds(store: Store, clock: Any) -> None:
    for number in range(200):
        with store.begin() as tx:
            tx.ledger.write(entry(clock, f"m{number}"), [("cdr", "C"), ("evse", f"E{number}")])
        assert waiting(store) <= 2 * 64


def test_to_drop_nothing_sorts_nothing_in(store: Store, clock: Any) -> None:
    """The upkeep looks each minute."""
    with store.begin() as tx:
        tx.ledger.write(entry(clock, "m"), [("cdr", "C")])
    with store.begin() as tx:
        assert tx.ledger.prune(clock.now - HOUR) == 0
    assert waiting(store) == 1


def test_identifiers_that_are_written_at_once_are_all_found(store: Store, clock: Any) -> None:
    """By processes that sort in at the same time."""

    def write(number: int) -> None:
        names = [("evse", f"E{place}") for place in range(100)]
        with store.begin() as tx:  # in one attempt: nobody gets in the way of another
            for each in range(5):
                tx.ledger.write(entry(clock, f"m{number}.{each}"), names)
            tx.ledger.change(f"m{number}.0", names)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(60)))
    wanted = {f"m{number}.{each}" for number in range(60) for each in range(5)}
    for place in (0, 50, 99):
        assert set(found(store, identifier=("evse", f"E{place}"), limit=1000)) == wanted


def test_what_is_known_later_is_added(store: Store, clock: Any) -> None:
    written = entry(clock, "m1", canonical=b"{}", line="POST /x", kind="cdrs", wire="POST cdrs")
    with store.begin() as tx:
        tx.ledger.write(written, [("cdr", "X")])
    late = {"answer": b"<b/>" * 1000, "status": 200, "duration": timedelta(seconds=2)}
    with store.begin() as tx:
        assert tx.ledger.change("m1", [("cdr", "X"), ("evse", "E")], **late)
        assert not tx.ledger.change("m2", **late)
    with store.read() as tx:
        assert tx.ledger.get("m1") == written._replace(**late)
    assert found(store, identifier=("evse", "E")) == found(store, identifier=("cdr", "X")) == ["m1"]


def test_the_answer_to_what_had_no_contents_is_added(store: Store, clock: Any) -> None:
    with store.begin() as tx:
        tx.ledger.write(entry(clock, "m1", request=b""))
        assert tx.ledger.get("m1") == entry(clock, "m1", request=b"")
        assert tx.ledger.change("m1", answer=b"x")
        assert tx.ledger.get("m1") == entry(clock, "m1", request=b"", answer=b"x")


def test_of_a_message_a_hash_may_be_all_that_is_kept(store: Store, clock: Any) -> None:
    written = entry(clock, "m1", request=None, request_hash=b"h" * 32)
    with store.begin() as tx:
        tx.ledger.write(written)
        assert tx.ledger.get("m1") == written


def test_an_operation_is_found_by_either_name(store: Store, clock: Any) -> None:
    with store.begin() as tx:
        tx.ledger.write(entry(clock, "m1", operation="CdrUpload", wire="AddCDRs"))
        tx.ledger.write(entry(clock, "m2", operation="CdrUpload", wire="POST cdrs"))
        tx.ledger.write(entry(clock, "m3", operation="AddCDRs", wire="AddCDRs"))
    assert found(store, operation="CdrUpload") == ["m2", "m1"]
    assert found(store, operation="AddCDRs") == ["m3", "m1"]
    assert found(store, operation="AddCDRs", limit=1) == ["m3"]


def test_kinds_are_kept_for_their_own_time_and_all_up_to_a_number(store: Store, clock: Any) -> None:
    for number in range(6):
        with store.begin() as tx:
            kind = "cdrs" if number % 2 else "status"
            tx.ledger.write(entry(clock, f"m{number}", kind=kind))
        clock.advance(hours=1)
    with store.begin() as tx:
        assert tx.ledger.prune(clock.now - 2 * HOUR, kinds=["status"]) == 2
    assert found(store) == ["m5", "m4", "m3", "m1"]
    with store.begin() as tx:
        assert tx.ledger.keep(6) == 0
        assert tx.ledger.keep(2) == 2
    assert found(store) == ["m5", "m4"]
    with store.begin() as tx:
        contents = tx.connection.exec_driver_sql("SELECT count(*) FROM message_contents")
        assert contents.scalar_one() == 2


def test_identifiers_are_hashed_with_the_key_of_the_store(store: Store, opened: Any) -> None:
    """The same value has the same hash after a restart, and another under another name."""
    with store.read() as tx, opened().read() as again:
        assert tx.keyed_hash("contract", "X") == again.keyed_hash("contract", "X")
        assert tx.keyed_hash("contract", "X") != tx.keyed_hash("cdr", "X")
        assert tx.keyed_hash("a", "bc") != tx.keyed_hash("ab", "c")


def test_an_id_pair_is_made_once_and_read_both_ways(store: Store) -> None:
    with store.begin() as tx:
        assert tx.ids.canonical("acme", "location", "L") is None
        assert tx.ids.canonical_for("acme", "location", "L", "canon") == "canon"
        assert tx.ids.canonical_for("acme", "location", "L", "another") == "canon"
        assert tx.ids.foreign_for("acme", "location", "canon", "another") == "L"
        assert tx.ids.foreign_for("acme", "tariff", "canon", "T") == "T"
        assert tx.ids.foreign("other", "location", "canon") is None
        assert tx.ids.pairs("acme", "location") == [Pair("L", "canon")]


def test_a_taken_id_is_not_given_twice(store: Store) -> None:
    with store.begin() as tx:
        assert tx.ids.canonical_for("acme", "evse", "DE*ICE*E*123", "DE*ICE*E123") == "DE*ICE*E123"
        assert tx.ids.canonical_for("acme", "evse", "DE*ICE*E123", "DE*ICE*E123") is None
        second = tx.ids.canonical_for("acme", "evse", "DE*ICE*E123", "DE*ICE*E123", "alias")
        assert second == "alias"
        assert tx.ids.foreign_for("acme", "evse", "third", "DE*ICE*E123", "short") == "short"


def test_tokens_are_known_by_hash_and_rotate(store: Store) -> None:
    with store.begin() as tx:
        assert tx.parties.accept_token("acme", "registration", "A")
        assert tx.parties.presented("A") == ("acme", "registration")
        assert tx.parties.rotate_token("acme", "C1")
        tx.parties.revoke_token("acme", "registration")
        assert tx.parties.presented("A") is None
        for token in ("C2", "C2", "C3"):
            assert tx.parties.rotate_token("acme", token)
        assert tx.parties.presented("C1") is None
        assert tx.parties.presented("C2") == ("acme", "previous")
        assert tx.parties.presented("C3") == ("acme", "current")


def test_going_back_to_the_previous_token(store: Store) -> None:
    with store.begin() as tx:
        for token in ("1", "2", "1"):
            assert tx.parties.rotate_token("acme", token)
        assert tx.parties.presented("1") == ("acme", "current")
        assert tx.parties.presented("2") == ("acme", "previous")


def test_a_token_belongs_to_one_party(store: Store) -> None:
    with store.begin() as tx:
        assert tx.parties.accept_token("acme", "current", "T")
        assert tx.parties.accept_token("acme", "registration", "T")
        assert not tx.parties.accept_token("abc", "current", "T")
        assert not tx.parties.rotate_token("abc", "T")
        assert tx.parties.presented("T") == ("acme", "registration")


def test_a_registration_comes_and_goes(store: Store, clock: Any) -> None:
    first = Registration("pending", "2.2.1", "https://a.example/versions", None, "B")
    with store.begin() as tx:
        assert tx.parties.registration("acme") is None
        tx.parties.register("acme", first)
        assert tx.parties.registration("acme") == first._replace(updated=clock.now)
        second = first._replace(state="registered", endpoints=b"[]", token_out="C")
        tx.parties.register("acme", second)
        assert tx.parties.registration("acme") == second._replace(updated=clock.now)
        tx.parties.accept_token("acme", "current", "T")
        assert tx.parties.unregister("acme")
        assert not tx.parties.unregister("acme")
        assert tx.parties.presented("T") is None


def test_watermarks_and_values(store: Store, clock: Any) -> None:
    with store.begin() as tx:
        assert tx.parties.watermark("acme", "cdrs") is None
        for at in (clock.now, clock.now - HOUR):
            tx.parties.set_watermark("acme", "cdrs", at)
            assert tx.parties.watermark("acme", "cdrs") == at
        assert tx.parties.watermark("acme", "tokens") is None
        assert tx.parties.value("acme", "tokens/today") is None
        tx.parties.set_value("acme", "tokens/today", b"1")
        tx.parties.set_value("acme", "tokens/today", b"2")
        assert tx.parties.value("acme", "tokens/today") == b"2"
        tx.parties.set_value("acme", "tokens/today", None)
        assert tx.parties.value("acme", "tokens/today") is None


def test_readers_cannot_write_on_postgresql_and_see_one_state(store: Store, opened: Any) -> None:
    other = opened()
    with store.read() as tx:
        assert tx.parties.value("acme", "x") is None
        with other.begin() as writer:
            writer.parties.set_value("acme", "x", b"1")
        assert tx.parties.value("acme", "x") is None
    with store.read() as tx:
        assert tx.parties.value("acme", "x") == b"1"


def test_a_message_id_is_written_once(store: Store, clock: Any) -> None:
    """Who has not heard whether a commit went through writes again, without effect."""
    with store.begin() as tx:
        tx.ledger.write(entry(clock, "m1"), [("evse", "A")])
    with store.begin() as tx:
        tx.ledger.write(entry(clock, "m1"), [("evse", "B")])
        assert len(tx.ledger.find()) == 1
        assert tx.ledger.find(identifier=("evse", "B")) == []


def test_nothing_of_a_transaction_stays_behind(store: Store) -> None:
    """Not until Python looks for circles: it stops for milliseconds then."""
    left: list[weakref.ref[Any]] = []

    def work(tx: Any) -> None:
        parts = (tx.objects, tx.cdrs, tx.ids, tx.ledger, tx.outbox, tx.parties)
        left.extend(map(weakref.ref, (tx, *parts)))

    gc.disable()
    try:
        for begin in (store.begin, store.read, store.look):
            with begin() as tx:
                work(tx)
            del tx
        begun = store.begin_now()
        if store.one_writer:
            assert begun is not None
            begun.do(work)
            begun.commit()
        del begun
        assert len(left) == (28 if store.one_writer else 21)
        assert [each() for each in left] == [None] * len(left)
    finally:
        gc.enable()
