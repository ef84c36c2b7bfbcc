"""Deliveries: order, leases, repeating, giving up."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store import Parcel, Store
from gateway.store.tables import deliveries

LEASE = timedelta(seconds=30)


def parcel(name: str, fifo: str | None = None, party: str = "abc", **more: Any) -> Parcel:
    return Parcel(party, "cdr", name, name.encode(), f"c-{name}", fifo, **more)


def enqueue(store: Store, *parcels: Parcel, coalesce: bool = False) -> Any:
    with store.begin() as tx:
        return tx.outbox.enqueue_many(parcels, coalesce=coalesce)


def claim(store: Store, worker: str = "w", limit: int = 10) -> Any:
    with store.begin() as tx:
        return tx.outbox.claim(worker, limit, LEASE)


def names(rows: Any) -> list[str]:
    return [row.object_key for row in rows]


def done(store: Store, row: Any, worker: str = "w") -> bool:
    with store.begin() as tx:
        return tx.outbox.done(row.id, worker)


def test_a_claimed_delivery_is_complete(store: Store, clock: Any) -> None:
    enqueue(store, parcel("1", "line"))
    (row,) = claim(store)
    assert row.message == b"1"
    assert (row.party, row.kind, row.correlation, row.fifo) == ("abc", "cdr", "c-1", "line")
    assert (row.created, row.due, row.lease_until) == (clock.now, clock.now, clock.now + LEASE)
    assert (row.attempts, row.state, row.lease_owner) == (1, "pending", "w")


def test_what_one_worker_has_another_does_not_get(store: Store) -> None:
    enqueue(store, *(parcel(str(number)) for number in range(5)))
    assert names(claim(store, "a", 2)) == ["0", "1"]
    assert names(claim(store, "b", 2)) == ["2", "3"]
    assert names(claim(store, "a", 2)) == ["4"]
    assert claim(store, "b") == []


def test_one_line_goes_out_one_after_the_other(store: Store) -> None:
    enqueue(store, parcel("1", "cdrs"), parcel("2", "cdrs"), parcel("x", "tokens"), parcel("y"))
    enqueue(store, parcel("3", "cdrs"), parcel("1'", "cdrs", party="other"))
    first = claim(store)
    assert names(first) == ["1", "x", "y", "1'"]
    assert done(store, first[0])
    (second,) = claim(store)
    assert second.object_key == "2"
    with store.begin() as tx:
        assert tx.outbox.dead(second.id, "w", "no such token")
    assert names(claim(store)) == ["3"]


def test_a_failed_one_holds_up_its_line_until_it_is_due(store: Store, clock: Any) -> None:
    enqueue(store, parcel("1", "line"), parcel("2", "line"))
    (row,) = claim(store)
    with store.begin() as tx:
        assert tx.outbox.retry(row.id, "w", clock.now + timedelta(minutes=1), "timeout")
    clock.advance(seconds=59)
    assert claim(store) == []
    clock.advance(seconds=1)
    (again,) = claim(store)
    assert (again.object_key, again.attempts, again.error) == ("1", 2, "timeout")


def test_not_before_it_is_due(store: Store, clock: Any) -> None:
    enqueue(store, parcel("late", due=clock.now + timedelta(minutes=5)), parcel("now"))
    (row,) = claim(store)
    assert row.object_key == "now"
    assert done(store, row)
    clock.advance(minutes=5)
    assert names(claim(store)) == ["late"]


def test_a_lease_that_ended_is_lost(store: Store, clock: Any) -> None:
    """The worker that was too slow is told; the delivery belongs to the other one."""
    enqueue(store, parcel("1"))
    (row,) = claim(store, "slow")
    clock.advance(seconds=30)
    assert names(claim(store, "quick")) == ["1"]
    assert not done(store, row, "slow")
    with store.begin() as tx:
        assert not tx.outbox.retry(row.id, "slow", clock.now, "x")
        assert not tx.outbox.dead(row.id, "slow", "x")
    assert done(store, row, "quick")
    assert not done(store, row, "quick")


def test_the_newer_takes_the_place_of_the_waiting_one(store: Store, clock: Any) -> None:
    (old, _) = enqueue(store, parcel("evse-1"), parcel("evse-2"))
    newer = Parcel("abc", "cdr", "evse-1", b"newer", "c-newer")
    (new,) = enqueue(store, newer, coalesce=True)
    assert new == (old.id, "c-evse-1")
    rows = claim(store)
    assert [(row.message, row.correlation) for row in rows] == [
        (b"newer", "c-newer"),
        (b"evse-2", "c-evse-2"),
    ]


def test_a_claimed_one_is_not_replaced(store: Store) -> None:
    enqueue(store, parcel("1"))
    claim(store)
    (queued,) = enqueue(store, parcel("1"), coalesce=True)
    assert queued.superseded is None
    assert names(claim(store)) == ["1"]


def test_only_the_same_thing_is_replaced(store: Store) -> None:
    enqueue(store, parcel("1"), parcel("1", "line"), parcel("1", party="other"))
    enqueue(store, Parcel("abc", "token", "1", b"", "c"), coalesce=True)
    with store.read() as tx:
        assert tx.outbox.counts() == {("abc", "pending"): 3, ("other", "pending"): 1}


def test_a_replaced_one_is_tried_afresh(store: Store, clock: Any) -> None:
    enqueue(store, parcel("1"))
    (row,) = claim(store)
    with store.begin() as tx:
        tx.outbox.retry(row.id, "w", clock.now + timedelta(hours=1), "refused")
    enqueue(store, parcel("1"), coalesce=True)
    (again,) = claim(store)
    assert (again.id, again.attempts, again.error) == (row.id, 1, None)


def test_twins_in_one_batch_become_one(store: Store) -> None:
    twins = [parcel("1")._replace(message=b"a"), parcel("2"), parcel("1")._replace(message=b"b")]
    queued = enqueue(store, *twins, coalesce=True)
    assert queued[0].id == queued[2].id
    assert [row.message for row in claim(store)] == [b"b", b"2"]


def test_what_somebody_may_have_sent_is_not_replaced(store: Store, clock: Any) -> None:
    """His report is about the older message; the newer one goes out by itself."""
    enqueue(store, parcel("1"))
    (row,) = claim(store, "slow")
    clock.advance(minutes=1)
    (newer,) = enqueue(store, parcel("1"), coalesce=True)
    assert newer.id != row.id
    assert done(store, row, "slow")
    assert [each.id for each in claim(store)] == [newer.id]


def test_who_takes_over_is_told_from_whom(store: Store, clock: Any) -> None:
    """Of one whose lease has ended, and of one that is known to have ended; not after a report."""
    enqueue(store, parcel("1"), parcel("2"), parcel("3"))
    rows = claim(store, "slow", 1) + claim(store, "gone", 1) + claim(store, "fine", 1)
    assert [row.taken_from for row in rows] == [None, None, None]
    with store.begin() as tx:
        tx.outbox.retry(rows[2].id, "fine", tx.now, "not now")
        tx.outbox.free("gone")
    assert {row.object_key: row.taken_from for row in claim(store, "next")} == {
        "2": "gone",
        "3": None,
    }
    clock.advance(minutes=1)
    assert {row.object_key: row.taken_from for row in claim(store, "last")} == {
        "1": "slow",
        "2": "next",
        "3": "next",
    }


def test_a_dead_one_is_revived_at_the_end_of_its_line(store: Store) -> None:
    enqueue(store, parcel("1", "line"), parcel("2", "line"))
    (row,) = claim(store)
    with store.begin() as tx:
        assert tx.outbox.revive(row.id) is None
        tx.outbox.dead(row.id, "w", "refused")
        assert names(tx.outbox.find("dead", party="abc")) == ["1"]
    with store.begin() as tx:
        assert tx.outbox.revive(row.id) is not None
        assert tx.outbox.revive(row.id) is None
        assert names(tx.outbox.find("pending")) == ["2", "1"]
    (second,) = claim(store)
    assert second.object_key == "2"


def test_a_lease_can_be_kept_but_not_won_back(store: Store, clock: Any) -> None:
    """One that has ended is kept too, as long as nobody else has taken the thing over."""
    enqueue(store, parcel("1"), parcel("2"))
    (row,) = claim(store, "a", 1)
    clock.advance(seconds=20)
    with store.begin() as tx:
        assert tx.outbox.renew("a", [row.id, row.id + 1], LEASE) == {row.id}
        assert tx.outbox.renew("a", [], LEASE) == set()
        assert tx.outbox.holders() == ["a"]
    clock.advance(seconds=20)
    assert names(claim(store, "b")) == ["2"]
    clock.advance(seconds=10)
    with store.begin() as tx:
        assert tx.outbox.renew("a", [row.id], LEASE) == {row.id}
    assert names(claim(store, "b")) == []
    clock.advance(seconds=30)
    assert names(claim(store, "b")) == ["1", "2"]
    with store.begin() as tx:
        assert tx.outbox.renew("a", [row.id], LEASE) == set()
    assert not done(store, row, "a")


def test_what_one_had_who_has_ended_is_free_at_once(store: Store) -> None:
    enqueue(store, parcel("1"), parcel("2"), parcel("3"))
    claim(store, "ended", 2)
    claim(store, "other", 1)
    with store.begin() as tx:
        assert tx.outbox.free("ended") == 2
        assert tx.outbox.free("ended") == 0
    assert names(claim(store, "next")) == ["1", "2"]


def test_a_clock_that_was_ahead_holds_up_nothing(store: Store, clock: Any) -> None:
    """What it had put off, or leased, is not waited for until the right time gets there."""
    pause = timedelta(minutes=15)
    clock.advance(hours=10)
    enqueue(store, parcel("new"), parcel("held"), parcel("failed"))
    enqueue(store, parcel("planned", party="self", due=clock.now + timedelta(days=1)))
    rows = {row.object_key: row for row in claim(store, "a")}
    with store.begin() as tx:
        tx.outbox.retry(rows["failed"].id, "a", clock.now + pause, "down")
        tx.outbox.retry(rows["new"].id, "a", clock.now, "not sent")
    clock.advance(hours=-10)
    assert claim(store, "b") == []
    with store.begin() as tx:
        assert tx.outbox.set_right(LEASE, pause, but_not="self") == 4  # one of them twice
        assert tx.outbox.set_right(LEASE, pause, but_not="self") == 0
    assert sorted(names(claim(store, "b"))) == ["failed", "held", "new"]
    clock.advance(days=2)
    assert "planned" in names(claim(store, "b"))


def test_nothing_is_set_right_that_is_right(store: Store, clock: Any) -> None:
    pause = timedelta(minutes=15)
    enqueue(store, parcel("1"), parcel("2"))
    rows = claim(store, "a")
    with store.begin() as tx:
        tx.outbox.retry(rows[0].id, "a", clock.now + pause, "down")
        assert tx.outbox.set_right(LEASE, pause, but_not="self") == 0


def test_a_waiting_one_is_sent_before_its_time(store: Store, clock: Any) -> None:
    enqueue(store, parcel("1"))
    (row,) = claim(store)
    with store.begin() as tx:
        assert not tx.outbox.hurry(row.id)
        tx.outbox.retry(row.id, "w", clock.now + timedelta(hours=1), "down")
        assert tx.outbox.hurry(row.id)
        assert not tx.outbox.hurry(row.id + 1)
    assert names(claim(store)) == ["1"]


def test_one_that_is_dropped_frees_its_line(store: Store) -> None:
    queued = enqueue(store, parcel("1", "line"), parcel("2", "line"), parcel("3", "line"))
    (row,) = claim(store)
    with store.begin() as tx:
        assert tx.outbox.drop(row.id) is None  # it is being sent
        tx.outbox.free("w")
        gone = tx.outbox.drop(row.id)
        assert gone is not None
        assert gone.object_key == "1"
        assert tx.outbox.drop(row.id) is None
        assert tx.outbox.drop(queued[2].id) is not None
    assert names(claim(store)) == ["2"]


def test_counts_ages_and_pruning(store: Store, clock: Any) -> None:
    start = clock.now
    enqueue(store, parcel("1"), parcel("2"))
    clock.advance(minutes=1)
    enqueue(store, parcel("3"), parcel("4", party="other"))
    rows = claim(store)
    done(store, rows[0])
    with store.begin() as tx:
        tx.outbox.dead(rows[1].id, "w", "refused")
    with store.begin() as tx:
        assert tx.outbox.counts() == {
            ("abc", "done"): 1,
            ("abc", "dead"): 1,
            ("abc", "pending"): 1,
            ("other", "pending"): 1,
        }
        backlog = {(each.party, each.state): each for each in tx.outbox.backlog()}
        assert backlog.keys() == {("abc", "dead"), ("abc", "pending"), ("other", "pending")}
        assert {each.number for each in backlog.values()} == {1}
        assert backlog["abc", "pending"].since == backlog["other", "pending"].due == clock.now
        assert tx.outbox.prune(start) == 0
        assert tx.outbox.prune(clock.now) == 1
        assert tx.outbox.prune(clock.now) == 0
        assert tx.outbox.get(rows[0].id) is None
        assert tx.outbox.prune(clock.now, state="dead") == 1
        with pytest.raises(ValueError, match="not forgotten"):
            tx.outbox.prune(clock.now, state="pending")


def test_a_long_batch_keeps_its_order(store: Store) -> None:
    queued = enqueue(store, *(parcel(str(number), "line") for number in range(1100)))
    assert [row.id for row in queued] == sorted(row.id for row in queued)
    with store.read() as tx:
        keys = names(tx.outbox.find("pending", limit=2000))
    assert keys == [str(number) for number in range(1100)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "coalesce", "claim", "done", "dead", "retry", "wait"]),
        st.integers(0, 2),
    ),
    max_size=25,
)


def test_whatever_happens_only_the_first_of_a_line_goes_out(store: Store, clock: Any) -> None:
    """And the line never stalls: when nothing is leased or delayed, its first can be claimed."""

    @settings(max_examples=25, deadline=None)
    @given(STEPS)
    def any_steps(steps: list[tuple[str, int]]) -> None:
        empty(store)
        play(store, clock, steps)
        clock.advance(minutes=1)
        with store.begin() as tx:
            pending = tx.outbox.find("pending", limit=1000)
            claimed = {row.id for row in tx.outbox.claim("w", 1000, LEASE)}
        assert claimed == first_of_lines(pending)

    any_steps()


def first_of_lines(pending: Any) -> set[int]:
    first: dict[Any, int] = {}
    for row in pending:  # oldest first
        first.setdefault(row.fifo or row.id, row.id)
    return set(first.values())


def empty(store: Store) -> None:
    with store.begin() as tx:
        tx.execute(deliveries.delete())


def play(store: Store, clock: Any, steps: list[tuple[str, int]]) -> None:
    held: list[Any] = []
    for step, number in steps:
        clock.advance(seconds=1)
        with store.begin() as tx:
            if step in ("put", "coalesce"):
                fifo = ("a", "b", None)[number]
                tx.outbox.enqueue(parcel(f"o{number}", fifo), coalesce=step == "coalesce")
            elif step == "claim":
                first = first_of_lines(tx.outbox.find("pending", limit=1000))
                rows = tx.outbox.claim("w", number + 1, LEASE)
                assert {row.id for row in rows} <= first
                held += rows
            elif step == "wait":
                clock.advance(seconds=30)
            elif held:
                id = held.pop().id
                if step == "done":
                    tx.outbox.done(id, "w")
                elif step == "dead":
                    tx.outbox.dead(id, "w", "x")
                else:
                    tx.outbox.retry(id, "w", tx.now + timedelta(seconds=5), "x")


def test_a_party_that_is_busy_is_left_out(store: Store) -> None:
    enqueue(store, parcel("1"), parcel("2", party="other"), parcel("3", party="third"))
    with store.begin() as tx:
        assert names(tx.outbox.claim("w", 10, LEASE, but_not={"abc", "third"})) == ["2"]
    assert names(claim(store)) == ["1", "3"]
