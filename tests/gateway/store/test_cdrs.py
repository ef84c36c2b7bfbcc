"""The life cycle of CDRs."""

from typing import Any

from gateway.store import Filter, Item, Step, Store

OWNER = "DE*ACM"


def add(store: Store, *names: str, body: bytes = b"{}") -> dict[str, str]:
    with store.begin() as tx:
        items = {name: Item(body, keys=[("emsp", "DE*ABC")]) for name in names}
        return tx.cdrs.add(OWNER, items, "acme", by="acme")


def move(store: Store, name: str, states: Any, to: Any, **more: Any) -> bool:
    with store.begin() as tx:
        return tx.cdrs.move(OWNER, name, states, to, **{"by": "abc"} | more)


def test_a_repeated_upload_is_told_from_a_contradicting_one(store: Store) -> None:
    assert add(store, "1", "2") == {"1": "new", "2": "new"}
    assert add(store, "2", "3") == {"2": "same", "3": "new"}
    assert add(store, "1", body=b"dearer") == {"1": "different"}
    with store.read() as tx:
        stored = tx.objects.get("cdr", OWNER, "1")
    assert stored is not None
    assert (stored.body, stored.state) == (b"{}", "accepted")


def test_a_declined_cdr_is_revised_and_approved(store: Store, clock: Any) -> None:
    """The history tells when, by whom and why."""
    add(store, "1")
    times = [clock.now]
    for states, to, more in (
        (["accepted", "revised"], "declined", {"reason": "kWh implausible"}),
        (["declined"], "revised", {"item": Item(b"cheaper"), "by": "acme"}),
        (["accepted", "revised"], "approved", {}),
    ):
        clock.advance(hours=1)
        times.append(clock.now)
        assert move(store, "1", states, to, **more)
    with store.read() as tx:
        stored = tx.objects.get("cdr", OWNER, "1")
        assert tx.cdrs.history(OWNER, "1") == [
            Step(times[0], "acme", None, "accepted", None),
            Step(times[1], "abc", "accepted", "declined", "kWh implausible"),
            Step(times[2], "acme", "declined", "revised", None),
            Step(times[3], "abc", "revised", "approved", None),
        ]
    assert stored is not None
    assert (stored.body, stored.state, stored.updated) == (b"cheaper", "approved", times[3])


def test_a_transition_from_another_state_does_not_happen(store: Store) -> None:
    add(store, "1")
    assert move(store, "1", ["accepted"], "approved")
    assert not move(store, "1", ["accepted", "revised"], "declined", item=Item(b"changed"))
    assert not move(store, "unknown", ["accepted"], "approved")
    with store.read() as tx:
        stored = tx.objects.get("cdr", OWNER, "1")
        assert len(tx.cdrs.history(OWNER, "1")) == 2
    assert stored is not None
    assert (stored.state, stored.body) == ("approved", b"{}")


def test_a_revision_with_the_same_content_still_changes_the_state(store: Store) -> None:
    add(store, "1")
    assert move(store, "1", ["accepted"], "revised", item=Item(b"{}"))
    with store.read() as tx:
        stored = tx.objects.get("cdr", OWNER, "1")
    assert stored is not None
    assert stored.state == "revised"


def test_a_provider_lists_what_waits_for_its_word(store: Store) -> None:
    add(store, "1", "2", "3")
    move(store, "2", ["accepted"], "approved")
    wanted = Filter(states={"accepted", "revised"}, key=("emsp", {"DE*ABC"}))
    with store.read() as tx:
        assert [o.id for o in tx.objects.page("cdr", wanted, limit=10).items] == ["1", "3"]
