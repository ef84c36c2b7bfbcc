"""How long searches of the ledger take among a million messages.

    python -m benchmarks.ledger_search --messages 1000000 --database sqlite
    python -m benchmarks.ledger_search --database postgresql://postgres@127.0.0.1:5432

Fills an empty database by the drivers' fastest ways with a month's messages, then searches as
``roamgate messages find`` does. Exit code 1 when a search takes a second or more. On PostgreSQL a
database is made on the server and dropped again.
"""

import argparse
import hashlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from psycopg import sql

from gateway.store import Store
from gateway.store.tables import EPOCH, MICROSECOND

START = datetime(2026, 5, 1, tzinfo=UTC)
SPAN = timedelta(days=30)
PARTIES = [f"party{number:02}" for number in range(40)]
OPERATIONS = (
    # canonical, wire, kind, weight
    ("StatusUpload", "UpdateStatus", "status", 40),
    ("AuthorisationQuery", "POST tokens/{uid}/authorize", "authorise", 20),
    ("LocationUpload", "PUT locations", "locations", 10),
    ("SessionUpload", "PUT sessions", "sessions", 12),
    ("CdrUpload", "AddCDRs", "cdrs", 12),
    ("TokenUpload", "PUT tokens", "tokens", 5),
    ("TariffUpload", "UpdateTariffs", "tariffs", 1),
)
OUTCOMES = ("ok", "Unreachable", "BadAnswer", "Refused", "Malformed", "Lost")
SECOND = 1.0


def rows(count: int, hash_of: Callable[[str, str], bytes]) -> Iterator[tuple[Any, ...]]:
    """Messages with their contents and identifiers."""
    chance = random.Random(1)  # noqa: S311 - data for a measurement
    weights = [row[3] for row in OPERATIONS]
    body = hashlib.sha256(b"x").digest() * 6
    for seq in range(1, count + 1):
        operation, wire, kind, _ = chance.choices(OPERATIONS, weights)[0]
        outcome = "ok" if chance.random() < 0.97 else chance.choice(OUTCOMES[1:])
        at = (START + SPAN * (seq / count) - EPOCH) // MICROSECOND
        # a few parties send most
        party = PARTIES[min(int(chance.expovariate(0.3)), len(PARTIES) - 2)]
        direction = "in" if seq % 3 else "out"
        # one EVSE in a hundred messages, the others now and then
        evse = 1 if chance.random() < 0.01 else chance.randrange(20_000)
        names = [("evse", f"DEABCE{evse}")]
        if kind in ("cdrs", "sessions", "tokens", "authorise"):
            names.append(("contract", f"DEXYZC{chance.randrange(100_000):08}"))
        if kind in ("cdrs", "sessions"):
            names.append(("session", f"S{seq // 7}"))
        if kind == "cdrs":
            names.append(("cdr", f"CDR{seq // 3}"))
        message = (
            seq, uuid4().hex, at, direction, party, "ochp-1.4", operation, wire, kind,
            f"c{seq // 2}", outcome, None, 200, 1500,
        )  # fmt: skip
        yield (
            message,
            (seq, "POST /ochp/1.4", b"\0" + body),
            [(name, hash_of(name, value), seq) for name, value in names],
        )


COLUMNS = {
    "messages": (
        "seq", "id", "at", "direction", "party", "protocol", "operation", "wire", "kind",
        "correlation", "outcome", "reason", "status", "duration",
    ),
    "message_contents": ("message", "line", "request"),
    "message_identifiers": ("name", "hash", "message"),
}  # fmt: skip
Batch = dict[str, list[tuple[Any, ...]]]


def batches(source: Iterator[tuple[Any, ...]], size: int = 20_000) -> Iterator[Batch]:
    batch: Batch = {table: [] for table in COLUMNS}
    for message, contents, names in source:
        batch["messages"].append(message)
        batch["message_contents"].append(contents)
        batch["message_identifiers"] += dict.fromkeys(names)
        if len(batch["messages"]) == size:
            yield batch
            batch = {table: [] for table in COLUMNS}
    yield batch


def fill(store: Store, count: int) -> None:
    """Put the messages in."""
    with store.begin() as tx:
        hash_of = tx.keyed_hash
        connection: Any = tx.connection.connection.driver_connection
        for batch in batches(rows(count, hash_of)):
            for table, columns in COLUMNS.items():
                if isinstance(connection, psycopg.Connection):
                    names = sql.SQL(", ").join(map(sql.Identifier, columns))
                    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
                    with connection.cursor().copy(into) as copy:
                        for row in batch[table]:
                            copy.write_row(row)
                else:
                    marks = ", ".join("?" * len(columns))
                    into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own
                    connection.executemany(into, batch[table])
    if isinstance(connection, psycopg.Connection):
        with store.begin() as tx:
            tx.connection.exec_driver_sql("ANALYZE")


def searches(count: int) -> dict[str, dict[str, Any]]:
    """What an operator asks, by the words of the command's options."""
    middle = START + SPAN / 2
    hour = {"since": middle, "until": middle + timedelta(hours=1)}
    common = ("evse", "DEABCE1")
    return {
        "newest": {},
        "evse, common": {"identifier": common},
        "evse, rare": {"identifier": ("evse", "DEABCE19999")},
        "evse, common, an hour": {"identifier": common, **hour},
        "evse, common, not ok": {"identifier": common, "outcome": "Refused"},
        "contract": {"identifier": ("contract", "DEXYZC00050000")},
        "cdr": {"identifier": ("cdr", f"CDR{count // 6}")},
        "session": {"identifier": ("session", f"S{count // 14}")},
        "nothing known of an id": {"identifier": ("cdr", "nobody's")},
        "party, busy": {"party": PARTIES[0]},
        "party, rare": {"party": PARTIES[-3]},
        "party without messages": {"party": PARTIES[-1]},
        "operation": {"operation": "CdrUpload"},
        "operation, by its wire name": {"operation": "UpdateTariffs"},
        "outcome": {"outcome": "Unreachable"},
        "outcome, an hour": {"outcome": "Unreachable", **hour},
        "an hour": hour,
        "the first hour": {"since": START, "until": START + timedelta(hours=1)},
        "party, an hour": {"party": PARTIES[5], **hour},
        "party, the first hour": {"party": PARTIES[0], "until": START + timedelta(hours=1)},
        "party and operation": {"party": PARTIES[6], "operation": "TariffUpload"},
        "party and outcome": {"party": PARTIES[-4], "outcome": "Malformed"},
        "operation, an hour": {"operation": "TariffUpload", **hour},
        "operation and outcome": {"operation": "TariffUpload", "outcome": "Lost"},
        "direction and party": {"direction": "out", "party": PARTIES[-4]},
        "correlation": {"correlation": f"c{count // 4}"},
        "an outcome that never was": {"outcome": "InternalError"},
        "all at once": {
            "identifier": common, "party": PARTIES[0], "operation": "StatusUpload",
            "direction": "in", "outcome": "ok", **hour,
        },
    }  # fmt: skip


@contextmanager
def made(address: str) -> Iterator[str]:
    """The address of an empty database."""
    if address == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder)}/ledger.db"
        return
    parts = urlsplit(address)
    name = f"roamgate_ledger_{uuid4().hex[:12]}"
    admin = urlunsplit(parts._replace(scheme="postgresql", path="/postgres"))
    with psycopg.connect(admin, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(admin, autocommit=True) as server:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            server.execute(drop.format(sql.Identifier(name)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--database", default="sqlite", help="sqlite, or a PostgreSQL server's URL")
    options = parser.parse_args()
    slow = 0
    with made(options.database) as address:
        store = Store(address, lambda: START + SPAN)
        begun = time.monotonic()
        fill(store, options.messages)
        print(f"{options.messages} messages in {time.monotonic() - begun:.0f} s")
        for name, wanted in searches(options.messages).items():
            took = []
            for _ in range(3):
                started = time.monotonic()
                with store.read() as tx:
                    found = tx.ledger.find(**wanted)
                took.append(time.monotonic() - started)
            first, usual = took[0] * 1000, statistics.median(took) * 1000
            slow += took[0] >= SECOND
            print(f"{name:32} {len(found):4} found  first {first:8.1f} ms  median {usual:8.1f} ms")
        store.close()
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
