"""Canonical objects: put, list, find, full lists."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gateway.errors import Malformed
from gateway.store import Filter, Item, Store

OWNER, OTHER = "DE*ACM", "NL*TNM"


def ids(page: Any) -> list[str]:
    return [stored.id for stored in page.items]


def put(store: Store, *names: str, owner: str = OWNER, **item: Any) -> dict[str, str]:
    with store.begin() as tx:
        items = {name: Item(**{"body": repr(name).encode()} | item) for name in names}
        return tx.objects.put_many("location", owner, items, "acme")


def page(store: Store, *args: Any, **kwargs: Any) -> Any:
    with store.read() as tx:
        return tx.objects.page("location", *args, **{"limit": 100} | kwargs)


def test_put_says_what_it_changed(store: Store) -> None:
    """new, then same, then changed."""
    assert put(store, "L1") == {"L1": "new"}
    assert put(store, "L1") == {"L1": "same"}
    assert put(store, "L1", body=b"other") == {"L1": "changed"}


def test_what_was_put_is_got(store: Store, clock: Any) -> None:
    with store.begin() as tx:
        tx.objects.put("session", OWNER, "S1", Item(b"\x00\xff{}", sort_key="2024"), "acme")
    with store.read() as tx:
        got = tx.objects.get("session", OWNER, "S1")
        assert tx.objects.get("session", OTHER, "S1") is None
        assert tx.objects.get("location", OWNER, "S1") is None
    assert got is not None
    assert (got.body, got.source, got.sort_key, got.state) == (b"\x00\xff{}", "acme", "2024", None)
    assert got.updated == clock.now
    assert got.updated.tzinfo is UTC


def test_content_hash_may_leave_out_what_always_changes(store: Store, clock: Any) -> None:
    """A peer that sets last_updated to now on every export changes that alone; nobody is told."""
    with store.begin() as tx:
        tx.objects.put("tariff", OWNER, "T", Item(b"at 12:00", digest=b"content"), "acme")
        before = tx.objects.get("tariff", OWNER, "T")
    clock.advance(seconds=1)
    with store.begin() as tx:
        change = tx.objects.put("tariff", OWNER, "T", Item(b"at 12:01", digest=b"content"), "acme")
        stored = tx.objects.get("tariff", OWNER, "T")
    assert change == "same"
    assert before is not None
    assert stored == before._replace(body=b"at 12:01")


def test_ids_differ_by_case_and_are_compared_byte_by_byte(store: Store) -> None:
    put(store, "a", "A", "ä", "a ")
    assert ids(page(store)) == ["a", "A", "ä", "a "]


def test_lists_are_in_order_of_creation_whatever_is_changed_later(store: Store, clock: Any) -> None:
    put(store, "z", "y", "x")
    clock.advance(seconds=1)
    put(store, "z", "w", body=b"newer")
    assert ids(page(store)) == ["z", "y", "x", "w"]
    assert ids(page(store, offset=1, limit=2)) == ["y", "x"]
    assert page(store, offset=1, limit=2).total == 4
    assert page(store, offset=4).items == []
    assert page(store, limit=0).total == 4


def test_order_by_sort_key(store: Store) -> None:
    with store.begin() as tx:
        for name, key in (("b", "2"), ("a", "10"), ("c", "1")):
            tx.objects.put("session", OWNER, name, Item(b"", sort_key=key), "acme")
        assert ids(tx.objects.page("session", limit=9, by_sort_key=True)) == ["c", "a", "b"]


def test_window_includes_its_start_and_not_its_end(store: Store, clock: Any) -> None:
    start = clock.now
    for name in "abc":
        put(store, name)
        clock.advance(microseconds=1)
    middle = Filter(
        since=start + timedelta(microseconds=1), until=start + timedelta(microseconds=2)
    )
    assert ids(page(store, middle)) == ["b"]
    assert ids(page(store, Filter(since=start))) == ["a", "b", "c"]
    assert ids(page(store, Filter(until=start))) == []


def test_only_owners_asked_for(store: Store) -> None:
    put(store, "a")
    put(store, "b", owner=OTHER)
    assert ids(page(store, Filter(owners={OWNER}))) == ["a"]
    assert ids(page(store, Filter(owners={OWNER, OTHER}))) == ["a", "b"]
    assert ids(page(store, Filter(owners=set()))) == []


def test_updated_never_goes_back(store: Store, clock: Any) -> None:
    """Also when the clock does."""
    put(store, "a")
    first = page(store).items[0].updated
    clock.advance(hours=-1)
    put(store, "a", body=b"changed")
    assert page(store).items[0].updated > first


def test_secondary_keys_find_objects(store: Store) -> None:
    put(store, "L1", keys=[("evse", "DE*ACM*E1"), ("evse", "DE*ACM*E2"), ("evse", "DE*ACM*E1")])
    put(store, "L2", keys=[("evse", "DE*ACM*E2"), ("station", "DE*ACM*E1")])
    with store.read() as tx:
        found = tx.objects.find_many("location", "evse", ["DE*ACM*E1", "DE*ACM*E2", "none"])
        assert {value: [o.id for o in rows] for value, rows in found.items()} == {
            "DE*ACM*E1": ["L1"],
            "DE*ACM*E2": ["L1", "L2"],
        }
        assert tx.objects.find("tariff", "evse", "DE*ACM*E1") == []
        stations = Filter(key=("station", {"DE*ACM*E1", "x"}))
        assert ids(tx.objects.page("location", stations, limit=9)) == ["L2"]


def test_ids_are_found_by_a_secondary_key_of_one_owner(store: Store) -> None:
    put(store, "L1", keys=[("evse", "E1")])
    put(store, "L2", keys=[("evse", "E2"), ("station", "E1")])
    put(store, "L3", keys=[("evse", "E1")], owner=OTHER)
    with store.read() as tx:
        assert tx.objects.ids_with("location", OWNER, "evse", ["E1", "none"]) == {"L1"}
        assert tx.objects.ids_with("location", OWNER, "evse", []) == set()
        assert tx.objects.ids_with("tariff", OWNER, "evse", ["E1"]) == set()


def test_marks_are_the_list_without_bodies(store: Store) -> None:
    """Part by part, in the order of creation, without what was deleted."""
    put(store, "L2", "L1", "L3", "L4")
    put(store, "L5", owner=OTHER)
    with store.begin() as tx:
        tx.objects.delete("location", OWNER, ["L1"])
    with store.read() as tx:
        start = tx.objects.marks("location", OWNER, after=0, limit=2)
        rest = tx.objects.marks("location", OWNER, after=start[-1].seq, limit=2)
        rows = tx.objects.get_many("location", OWNER, ["L2", "L3", "L4"])
    assert [mark.id for mark in start + rest] == ["L2", "L3", "L4"]
    for mark in start + rest:
        row = rows[mark.id]
        assert mark == (row.seq, row.id, row.digest, row.source)


def test_keys_are_replaced_with_the_object(store: Store) -> None:
    put(store, "L1", keys=[("evse", "old")])
    put(store, "L1", keys=[("evse", "new")], body=b"changed")
    with store.read() as tx:
        assert tx.objects.find("location", "evse", "old") == []
        assert [o.id for o in tx.objects.find("location", "evse", "new")] == ["L1"]


def test_a_full_list_removes_what_it_does_not_contain(store: Store, clock: Any) -> None:
    put(store, "a", "b", "c")
    put(store, "b", owner=OTHER)
    start = clock.now
    clock.advance(minutes=1)
    with store.begin() as tx:
        items = {"d": Item(b"'d'"), "b": Item(b"'b'")}
        changes, removed = tx.objects.replace_all("location", OWNER, items, "acme")
    assert (changes, removed) == ({"d": "new", "b": "same"}, ["a", "c"])
    assert ids(page(store, Filter(owners={OWNER}))) == ["b", "d"]
    assert ids(page(store, Filter(owners={OTHER}))) == ["b"]
    later = Filter(since=start + timedelta(seconds=1), deleted=True)
    assert [(o.id, o.deleted) for o in page(store, later).items] == [
        ("a", True),
        ("c", True),
        ("d", False),
    ]


def test_an_empty_full_list_removes_everything(store: Store) -> None:
    put(store, "a", "b")
    with store.begin() as tx:
        assert tx.objects.replace_all("location", OWNER, {}, "acme") == ({}, ["a", "b"])
        assert tx.objects.replace_all("location", OWNER, {}, "acme") == ({}, [])


def test_a_deleted_object_that_comes_back_is_new(store: Store) -> None:
    put(store, "a", keys=[("evse", "e")])
    with store.begin() as tx:
        assert tx.objects.delete("location", OWNER, ["a", "unknown"]) == 1
        assert tx.objects.get("location", OWNER, "a") is None
        assert tx.objects.get("location", OWNER, "a", deleted=True) is not None
        assert tx.objects.find("location", "evse", "e") == []
    assert put(store, "a") == {"a": "new"}
    assert ids(page(store)) == ["a"]


def test_long_lists_stream_completely(store: Store) -> None:
    names = [f"{number:05}" for number in range(1203)]
    put(store, *names)
    with store.read() as tx:
        assert [o.id for o in tx.objects.each("location")] == names
        assert len(tx.objects.get_many("location", OWNER, names)) == 1203
    assert set(put(store, *names).values()) == {"same"}


def test_nothing_is_kept_when_the_work_fails(store: Store) -> None:
    def work(tx: Any) -> None:
        tx.objects.put("location", OWNER, "a", Item(b"a"), "acme")
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        store.run(work)
    assert page(store).total == 0


@pytest.mark.parametrize("bad", ["nul\0", "lone \ud800", "x" * 513])
def test_an_id_that_no_database_holds_is_malformed(store: Store, bad: str) -> None:
    with pytest.raises(Malformed):
        put(store, bad)
    with pytest.raises(Malformed), store.read() as tx:
        tx.objects.get("location", OWNER, bad)


def test_the_longest_ids_fit_the_index(store: Store) -> None:
    """Of incompressible text too: PostgreSQL refuses an index entry over 2,700 bytes."""
    import random

    source = random.Random(1)
    long = ["".join(chr(source.randrange(33, 127)) for _ in range(512)) for _ in range(4)]
    put(store, long[0], owner=long[1], keys=[(long[2], long[3])])
    assert ids(page(store)) == [long[0]]


def test_only_cdrs_have_a_state(store: Store) -> None:
    with pytest.raises(ValueError), store.begin() as tx:
        tx.objects.put("cdr", OWNER, "C", Item(b""), "acme")


def test_a_clock_without_zone_is_refused(store: Store, clock: Any) -> None:
    clock.now = datetime(2024, 1, 1)  # noqa: DTZ001 - the mistake
    with pytest.raises(ValueError):
        put(store, "a")


def test_owners_are_listed_with_where_they_came_from(store: Store) -> None:
    put(store, "L1", "L2")
    put(store, "L1", owner=OTHER)
    with store.begin() as tx:
        tx.objects.put("tariff", "FR*XYZ", "T1", Item(b"{}"), "hub")
        assert tx.objects.owners("location") == {OWNER: "acme", OTHER: "acme"}
        assert tx.objects.owners("tariff") == {"FR*XYZ": "hub"}
        assert tx.objects.owners("session") == {}


def test_what_is_due_comes_by_its_sort_key(store: Store) -> None:
    for name, key in (("L1", "3"), ("L2", "1"), ("L3", None), ("L4", "2")):
        put(store, name, sort_key=key)
    put(store, "L1", owner=OTHER, sort_key="0")
    with store.begin() as tx:
        assert [one.id for one in tx.objects.due("location", OWNER, "2", limit=9)] == ["L2", "L4"]
        assert [one.id for one in tx.objects.due("location", OWNER, "9", limit=1)] == ["L2"]
        assert tx.objects.next_due("location", OWNER) == "1"
        tx.objects.delete("location", OWNER, ["L2"])
        assert tx.objects.next_due("location", OWNER) == "2"
        assert tx.objects.next_due("tariff", OWNER) is None


def test_a_database_learns_how_much_there_is(store: Store) -> None:
    """PostgreSQL plans by what it has counted; SQLite needs none of it."""
    items = {str(number): Item(b"%d" % number, [("evse", str(number))]) for number in range(1000)}
    with store.begin() as tx:
        tx.objects.put_many("location", "NL*CPO", items, "cpo")

    store.learn()

    with store.read() as tx:
        if tx.connection.dialect.name == "postgresql":
            query = text(
                "select relname, reltuples from pg_class where relname = any(:names)"
                " and relnamespace = to_regnamespace(current_schema())"
            )
            names = {"names": ["objects", "object_keys"]}
            counted = {row.relname: row.reltuples for row in tx.connection.execute(query, names)}
            assert counted == {"objects": 1000, "object_keys": 1000}
