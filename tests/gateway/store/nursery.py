"""Run as a program: forks processes that use a store, so that a test can kill them.

A line on standard input starts one: ``write ADDRESS PREFIX``, ``claim ADDRESS WORKER``,
``look ADDRESS`` or ``hello``. What they do they say on standard output, a line each, process id
first. Imports happen once, so that a start costs little.
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta

from gateway.store import Entry, Item, Parcel, Store

OWNER = "DE*ACM"
LEASE = timedelta(minutes=5)


def now() -> datetime:
    return datetime.now(UTC)


def say(text: str) -> None:
    os.write(1, f"{os.getpid()} {text}\n".encode())


def write(address: str, prefix: str) -> None:
    """Commit transactions of several tables until killed."""
    store = Store(address, now)
    number, nursery = 0, os.getppid()
    while os.getppid() == nursery:
        number += 1
        name = f"{prefix}-{number}"
        with store.begin() as tx:
            tx.objects.put("location", OWNER, name, Item(b"x" * 5000, [("evse", name)]), "acme")
            say(f"begun {name}")
            duration = timedelta(0)
            entry = Entry(name, tx.now, "in", "acme", "p", "op", name, "ok", duration, b"y" * 5000)
            tx.ledger.write(entry, [("evse", name)])
            tx.outbox.enqueue(Parcel("abc", "location", name, b"z", name, "line"))
            tx.cdrs.add(OWNER, {name: Item(b"cdr")}, "acme", by="acme")
        say(f"kept {name}")


def claim(address: str, worker: str) -> None:
    """Claim deliveries, from when there are some until there are none."""
    store, nursery = Store(address, now), os.getppid()
    say("ready")
    found = False
    while os.getppid() == nursery:
        with store.begin() as tx:
            rows = tx.outbox.claim(worker, 3, LEASE)
        for row in rows:
            say(f"claimed {row.id}")
        if found and not rows:
            break
        found = found or bool(rows)
        time.sleep(0.001)
    say("end")


def hello() -> None:
    say("hello")


def look(address: str) -> None:
    """Open a store and close it, as a command does."""
    store = Store(address, now)
    with store.read() as tx:
        tx.outbox.counts()
    store.close()
    say("looked")


TASKS = {"write": write, "claim": claim, "hello": hello, "look": look}


def main() -> None:
    for line in sys.stdin:
        task, *arguments = line.split()
        if os.fork() == 0:
            try:
                TASKS[task](*arguments)
            finally:
                os._exit(0)


main()
