"""``roamgate outbox``: what is owed to partners; sent again or dropped by an operator's word.

Limits: the reasons may name what a partner was sent; they stand in the store for that.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from gateway.cli.messages import _delivery
from gateway.cli.operate import moment, one_of, opened, print_json, print_table, shown, utc_now
from gateway.errors import ConfigError
from gateway.store import Delivery, Entry, Transaction

_COLUMNS = ("id", "party", "what", "state", "attempts", "since (UTC)", "due (UTC)", "last reason")


def list_(config: Path, *, state: Any, party: str | None, limit: int, as_json: bool) -> int:
    """Print deliveries, oldest first."""
    one_of("--state", state, "pending", "dead", "done")
    with opened(config) as (_, store), store.read() as tx:
        found = tx.outbox.find(state, party=party, limit=limit)
        counts = tx.outbox.counts()
    if as_json:
        print_json([_delivery(each) for each in found])
        return 0
    if found:
        print_table(_COLUMNS, [_row(each) for each in found])
    total = sum(n for (one, its), n in counts.items() if its == state and party in (None, one))
    print(f"{len(found)} of {total} {state}", file=sys.stderr)
    return 0


def _row(each: Delivery) -> tuple[Any, ...]:
    return (
        each.id,
        each.party,
        f"{each.kind} {each.object_key}",
        f"{each.state}{' (being sent)' if _leased(each) else ''}",
        each.attempts,
        moment(each.created),
        moment(each.due) if each.state == "pending" else "",
        each.error,
    )


def _leased(each: Delivery) -> bool:
    return each.lease_until is not None and each.lease_until > utc_now()


def show(config: Path, id: int, *, as_json: bool) -> int:
    """Print a delivery with what it says."""
    with opened(config) as (_, store), store.read() as tx:
        found = tx.outbox.get(id)
    if found is None:
        return _none(id)
    said = {**_delivery(found), "message": shown(found.message)}
    if as_json:
        print_json(said)
        return 0
    for name, value in said.items():
        if value is not None:
            print(f"{name:12} {value}")
    print(f"\nIts attempts: roamgate messages find --correlation {found.correlation}")
    return 0


def retry(config: Path, ids: list[int], *, party: str | None, all_dead: bool) -> int:
    """Put dead ones in again, and make waiting ones due now."""
    if bool(ids) == all_dead:
        raise ConfigError("either ids or --all-dead is meant")
    with opened(config) as (_, store):
        if all_dead:
            return _retry_all(store, party)
        return max(store.run(_one(id)) for id in ids)


def _retry_all(store: Any, party: str | None) -> int:
    done = 0
    while True:

        def some(tx: Transaction) -> int:
            found = tx.outbox.find("dead", party=party, limit=200)
            return sum(tx.outbox.revive(each.id) is not None for each in found)

        put_in = store.run(some)
        done += put_in
        if not put_in:
            break
    print(f"{done} put in again")
    return 0


def _one(id: int) -> Callable[[Transaction], int]:
    def work(tx: Transaction) -> int:
        found = tx.outbox.get(id)
        if found is None:
            return _none(id)
        if found.state == "done":
            print(f"roamgate: {id} was delivered", file=sys.stderr)
            return 1
        if found.state == "pending":
            print(f"{id} is due now" if tx.outbox.hurry(id) else f"{id} is due already")
            return 0
        queued = tx.outbox.revive(id)
        print(f"{id} is put in again as {queued.id if queued else '?'}")
        return 0

    return work


def drop(config: Path, ids: list[int], *, reason: str) -> int:
    """Take out what nobody is sending; the ledger keeps that it was."""
    with opened(config) as (_, store):

        def work(tx: Transaction) -> int:
            return max(_dropped(tx, id, reason) for id in ids)

        return store.run(work)


def _dropped(tx: Transaction, id: int, reason: str) -> int:
    gone = tx.outbox.drop(id)
    if gone is None:
        if tx.outbox.get(id) is None:
            return _none(id)
        print(f"roamgate: {id} is being sent", file=sys.stderr)
        return 1
    tx.ledger.write(
        Entry(
            id=uuid4().hex,
            at=tx.now,
            direction="out",
            party=gone.party,
            protocol="",
            operation="Dropped",
            correlation=gone.correlation,
            outcome="dropped",
            reason=f"by an operator: {reason}",
            duration=tx.now - tx.now,
            request=b"",
            delivery=gone.id,
            attempt=gone.attempts,
            canonical=gone.message,
        )
    )
    print(f"{id} is dropped")
    return 0


def _none(id: int) -> int:
    print(f"roamgate: no delivery {id}", file=sys.stderr)
    return 1
