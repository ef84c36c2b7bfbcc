"""``roamgate messages``: what came in and went out, found again and shown with its whole life."""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.cli.operate import (
    instant,
    moment,
    one_of,
    opened,
    print_json,
    print_table,
    shown,
    utc_now,
)
from gateway.errors import ConfigError
from gateway.model.ids import contract_key, evse_key
from gateway.model.token import TokenKind
from gateway.routing.records import bare_uid, same_id
from gateway.store import Delivery, Entry, Found, Transaction

IDENTIFIERS: Mapping[str, Callable[[str], str]] = {
    "evse": evse_key,
    "contract": contract_key,
    "cdr": same_id,
    "session": same_id,
    "location": same_id,
    "tariff": same_id,
    "token": lambda uid: bare_uid(uid, TokenKind.RFID),
}
"""By what messages are found, and the form in which it is compared."""
_COLUMNS = ("at (UTC)", "way", "party", "operation", "outcome", "status", "ms", "correlation", "id")
_LIFE = 1000


def find(
    config: Path, *, as_json: bool, since: str | None, until: str | None, **wanted: Any
) -> int:
    """Print the messages that meet all conditions, newest first."""
    one_of("--direction", wanted["direction"], "in", "out")
    named = {name: wanted.pop(name) for name in IDENTIFIERS}
    given = [(name, value) for name, value in named.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f"one of {', '.join(f'--{name}' for name, _ in given)} is meant, not all")
    identifier = None
    if given:
        name, value = given[0]
        identifier = (name, IDENTIFIERS[name](value))
    now = utc_now()
    with opened(config) as (_, store), store.read() as tx:
        found = tx.ledger.find(
            identifier=identifier,
            since=instant(since, now) if since else None,
            until=instant(until, now) if until else None,
            **wanted,
        )
    if as_json:
        print_json([_summary(each) for each in found])
    elif found:
        print_table(_COLUMNS, [_row(each.entry) for each in found])
        if len(found) == wanted["limit"]:
            print(f"more with --before {found[-1].seq}", file=sys.stderr)
    else:
        print("no message", file=sys.stderr)
    return 0


def _row(entry: Entry) -> tuple[Any, ...]:
    operation = entry.operation
    if entry.wire and entry.wire != operation:
        operation += f" ({entry.wire})"
    milliseconds = round(entry.duration / timedelta(milliseconds=1), 1)
    return (
        moment(entry.at),
        entry.direction,
        entry.party,
        operation,
        entry.outcome,
        entry.status,
        milliseconds,
        entry.correlation,
        entry.id,
    )


def _summary(found: Found) -> dict[str, Any]:
    return {"seq": found.seq, **_about(found.entry)}


def _about(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "direction": entry.direction,
        "party": entry.party,
        "protocol": entry.protocol,
        "kind": entry.kind,
        "operation": entry.operation,
        "wire": entry.wire,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "status": entry.status,
        "milliseconds": entry.duration / timedelta(milliseconds=1),
        "correlation": entry.correlation,
        "delivery": entry.delivery,
        "attempt": entry.attempt,
    }


def show(config: Path, id: str, *, as_json: bool, raw: str | None) -> int:
    """Print a message and all that followed from it."""
    one_of("--raw", raw, "request", "answer", "canonical")
    with opened(config) as (_, store), store.read() as tx:
        entry = tx.ledger.get(id)
        if entry is None:
            print(f"roamgate: no message {id}", file=sys.stderr)
            return 1
        if raw:
            return _raw(entry, raw)
        life = _life(tx, entry.correlation)
        deliveries = _deliveries(tx, entry.correlation)
    if as_json:
        print_json(
            {
                "message": _whole(entry),
                "life": [_whole(each) for each in life],
                "deliveries": [_delivery(each) for each in deliveries],
            }
        )
        return 0
    _print_message(entry)
    print_table(_LIFE_COLUMNS, [_step(each, entry) for each in life], "\nIts life, oldest first")
    for each in life:
        for row in json.loads(each.findings or b"[]"):
            said = row["target"] or ""
            why = f": {row['note']}" if row.get("note") else ""
            print(f"  {each.party}: {row['outcome']} {row['source']} {said} ({row['rule']}{why})")
    if deliveries:
        columns = ("delivery", "party", "what", "state", "attempts", "due (UTC)", "last reason")
        rows = [
            (
                each.id,
                each.party,
                f"{each.kind} {each.object_key}",
                each.state,
                each.attempts,
                moment(each.due) if each.state == "pending" else "",
                each.error,
            )
            for each in deliveries
        ]
        print_table(columns, rows, "\nWhat is, or was, owed by it")
    return 0


_LIFE_COLUMNS = ("at (UTC)", "way", "party", "what", "attempt", "outcome", "ms", "reason", "id")


def _step(entry: Entry, shown: Entry) -> tuple[Any, ...]:
    attempt = f"{entry.delivery}: {entry.attempt}" if entry.delivery else ""
    return (
        moment(entry.at),
        entry.direction,
        entry.party,
        entry.line or entry.operation,
        attempt,
        f"{entry.outcome}{f' {entry.status}' if entry.status else ''}",
        round(entry.duration / timedelta(milliseconds=1), 1),
        entry.reason,
        f"{entry.id}{' *' if entry.id == shown.id else ''}",
    )


def _print_message(entry: Entry) -> None:
    for name, value in _about(entry).items():
        if value is not None:
            print(f"{name:13} {value}")
    if entry.line:
        print(f"{'line':13} {entry.line}")
    for name in ("request", "answer"):
        data, digest = getattr(entry, name), getattr(entry, f"{name}_hash")
        if digest:
            print(f"{name + ' hash':13} {digest.hex()} (SHA-256 of what was sent)")
        if data is None:
            why = "only its hash is kept" if digest else "none, or it did not come to be written"
            print(f"{name:13} {why}")
        elif data:
            print(f"{name:13} {len(data)} bytes\n{data.decode('utf-8', 'backslashreplace')}\n")


def _raw(entry: Entry, which: str) -> int:
    data = {"request": entry.request, "answer": entry.answer, "canonical": entry.canonical}[which]
    if data is None:
        print(f"roamgate: the {which} is not kept", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(data)
    return 0


def _life(tx: Transaction, correlation: str) -> list[Entry]:
    found = tx.ledger.find(correlation=correlation, limit=_LIFE)
    entries = [tx.ledger.get(each.entry.id) for each in reversed(found)]
    return [each for each in entries if each is not None]


def _deliveries(tx: Transaction, correlation: str) -> list[Delivery]:
    states: Any = ("pending", "dead", "done")
    found = [
        each
        for state in states
        for each in tx.outbox.find(state, correlation=correlation, limit=_LIFE)
    ]
    return sorted(found, key=lambda each: each.id)


def _whole(entry: Entry) -> dict[str, Any]:
    return {
        **_about(entry),
        "line": entry.line,
        "request": shown(entry.request),
        "request_sha256": entry.request_hash.hex() if entry.request_hash else None,
        "answer": shown(entry.answer),
        "answer_sha256": entry.answer_hash.hex() if entry.answer_hash else None,
        "findings": json.loads(entry.findings) if entry.findings else [],
    }


def _delivery(each: Delivery) -> dict[str, Any]:
    return {
        "id": each.id,
        "party": each.party,
        "kind": each.kind,
        "object": each.object_key,
        "state": each.state,
        "attempts": each.attempts,
        "created": each.created.isoformat(),
        "due": each.due.isoformat(),
        "correlation": each.correlation,
        "in_line": each.fifo,
        "reason": each.error,
    }
