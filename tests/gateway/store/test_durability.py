"""What is committed survives, what is claimed is claimed once, what fails says so."""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from errno import EIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from sqlalchemy import select

import gateway
from gateway.errors import ConfigError, StoreUnavailable
from gateway.routing.runtime import Inline
from gateway.routing.together import Together
from gateway.store import Filter, Item, Parcel, Store, Transaction
from gateway.store.log import Log
from gateway.store.store import MOVE_AFTER
from gateway.store.tables import meta
from tests.crash.between import Cable
from tests.gateway.store.conftest import DATABASES, SERVER, Clock

OWNER = "DE*ACM"
ROUNDS = 36


class Nursery:
    """The program beside this file, and what its processes say."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("nursery.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(gateway.__file__).parents[1])},
        )

    def start(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def line(self) -> list[str]:
        """The next line said: process id and words."""
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words, "the nursery has ended"
        return words

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.end()


def test_a_killed_process_leaves_every_committed_row(
    nursery: Nursery, address: str, opened: Callable[..., Store]
) -> None:
    """And nothing of the transaction it was in."""
    chance = random.Random(address.split(":")[0])
    kept: set[str] = set()
    in_the_middle = 0
    for number in range(ROUNDS):
        nursery.start("write", address, f"r{number}")
        said = [nursery.line() for _ in range(chance.randrange(2, 9))]
        time.sleep(chance.uniform(0, 0.005))
        os.kill(int(said[0][0]), signal.SIGKILL)
        # the next process says something only after the last words of this one
        nursery.start("hello")
        while (words := nursery.line())[1] != "hello":
            said.append(words)
        kept |= {name for _, what, name in said if what == "kept"}
        in_the_middle += said[-1][1] == "begun"
    assert len(kept) >= ROUNDS
    assert in_the_middle > 0

    with opened().read() as tx:
        stored = {row.id for row in tx.objects.each("location")}
        cdrs = {row.id for row in tx.objects.each("cdr")}
        entries = {row.entry.id for row in tx.ledger.find(limit=1_000_000)}
        owed = {row.object_key for row in tx.outbox.find("pending", limit=1_000_000)}
    assert kept <= stored
    assert stored == cdrs == entries == owed
    assert len(stored) <= len(kept) + ROUNDS  # committed, and killed before it could say so


def test_two_processes_never_claim_the_same(nursery: Nursery, address: str, store: Store) -> None:
    for worker in ("one", "two"):
        nursery.start("claim", address, worker)
    assert [nursery.line()[1] for _ in range(2)] == ["ready", "ready"]
    with store.begin() as tx:
        tx.outbox.enqueue_many([Parcel("abc", "cdr", str(n), b"", "c") for n in range(300)])
    claimed: dict[str, list[str]] = {}
    ended = 0
    while ended < 2:
        pid, what, *rest = nursery.line()
        ended += what == "end"
        if what == "claimed":
            claimed.setdefault(pid, []).append(rest[0])
    everything = [id for ids in claimed.values() for id in ids]
    assert len(everything) == len(set(everything)) == 300
    assert len(claimed) == 2


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Results of work done by threads that start together."""
    barrier = threading.Barrier(count)

    def go(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(go, range(count)))


def test_writers_at_once_make_one_id_pair(opened: Callable[..., Store]) -> None:
    stores = [opened() for _ in range(6)]
    for foreign in ("a", "b", "c", "d"):

        def bind(number: int, foreign: str = foreign) -> str | None:
            with stores[number].begin() as tx:
                return tx.ids.canonical_for("acme", "evse", foreign, f"{foreign}{number}")

        assert len(set(at_once(6, bind))) == 1


def test_writers_at_once_do_not_share_an_id(opened: Callable[..., Store]) -> None:
    """Six ids want the same canonical one: one gets it, the others their second choice."""
    stores = [opened() for _ in range(6)]

    def bind(number: int) -> str | None:
        with stores[number].begin() as tx:
            return tx.ids.canonical_for("acme", "evse", str(number), "wanted", f"other{number}")

    found = at_once(6, bind)
    assert len(set(found)) == 6
    assert found.count("wanted") == 1


def test_of_transitions_at_once_one_happens(opened: Callable[..., Store]) -> None:
    stores = [opened() for _ in range(4)]
    with stores[0].begin() as tx:
        tx.cdrs.add(OWNER, {"1": Item(b"")}, "acme", by="acme")

    def approve(number: int) -> bool:
        with stores[number].begin() as tx:
            return tx.cdrs.move(OWNER, "1", ["accepted"], "approved", by=str(number))

    assert sorted(at_once(4, approve)) == [False, False, False, True]


def test_puts_at_once_create_an_object_once(opened: Callable[..., Store]) -> None:
    stores = [opened() for _ in range(4)]

    def put(number: int) -> str:
        with stores[number].begin() as tx:
            return tx.objects.put("token", OWNER, "T", Item(b"same"), "abc")

    assert sorted(at_once(4, put)) == ["new", "same", "same", "same"]


def test_lines_fill_in_order_from_writers_at_once(opened: Callable[..., Store]) -> None:
    """Exactly one of a line is ready, and the claims come in the order of the ids."""
    stores = [opened() for _ in range(4)]

    def enqueue(number: int) -> None:
        for count in range(5):
            with stores[number].begin() as tx:
                tx.outbox.enqueue(Parcel("abc", "cdr", f"{number}.{count}", b"", "c", "line"))

    at_once(4, enqueue)
    order = []
    with stores[0].begin() as tx:
        while rows := tx.outbox.claim("w", 10, tx.now - tx.now.min.replace(tzinfo=tx.now.tzinfo)):
            assert len(rows) == 1
            order.append(rows[0].id)
            tx.outbox.done(rows[0].id, "w")
    assert len(order) == 20
    assert order == sorted(order)


def test_work_that_another_got_in_the_way_of_is_done_again(opened: Callable[..., Store]) -> None:
    """Two transactions that need the same two owners in opposite order."""
    stores = [opened(), opened()]
    meet = threading.Barrier(2)

    def work(number: int) -> Any:
        owners = [OWNER, "NL*TNM"][:: 1 if number else -1]

        def both(tx: Any) -> None:
            tx.objects.put("token", owners[0], f"T{number}", Item(b""), "abc")
            with suppress(threading.BrokenBarrierError):
                meet.wait(1)  # SQLite lets only one of them come this far
            tx.objects.put("token", owners[1], f"T{number}", Item(b""), "abc")

        stores[number].run(both)

    at_once(2, work)
    with stores[0].read() as tx:
        assert tx.objects.page("token", limit=0).total == 4


def test_a_lock_held_too_long_is_told(opened: Callable[..., Store]) -> None:
    """Whether another process holds it or another thread of this one."""
    holder, other = opened(wait=0.2), opened(wait=0.2)

    def put(store: Store) -> None:
        with store.begin() as tx:
            tx.objects.put("token", OWNER, "T", Item(b"2"), "abc")

    with holder.begin() as tx, ThreadPoolExecutor(1) as pool:
        tx.objects.put("token", OWNER, "T", Item(b"1"), "abc")
        for store in (holder, other):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"lock|another transaction"):
                pool.submit(put, store).result()
            assert 0.1 < time.monotonic() - started < 5
    with holder.read() as tx:
        stored = tx.objects.get("token", OWNER, "T")
    assert stored is not None
    assert stored.body == b"1"


@pytest.fixture
def cable() -> Iterator[tuple[asyncio.AbstractEventLoop, Cable]]:
    """Between a store and PostgreSQL, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def mended() -> Cable:
        return await Cable(SERVER, 5432).mend()

    yield loop, asyncio.run_coroutine_threadsafe(mended(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.mark.parametrize("address", DATABASES[1:], indirect=True)
def test_a_server_that_takes_what_comes_and_never_answers(
    address: str, clock: Any, cable: tuple[asyncio.AbstractEventLoop, Cable]
) -> None:
    """It is told within bounds, to those that wait behind the first at once, and comes back."""
    loop, between = cable
    parts = urlsplit(address)
    there = parts._replace(netloc=f"postgres@{SERVER}:{between.port}")
    store = Store(urlunsplit(there), clock, wait=1.0)

    def look() -> bytes:
        with store.read() as tx:
            return tx.parties.value("", "") or b"fine"

    try:
        assert look() == b"fine"
        loop.call_soon_threadsafe(between.freeze)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            look()
        first = time.monotonic() - started
        with pytest.raises(StoreUnavailable):
            look()
        assert first < 6.0
        assert time.monotonic() - started - first < first / 2
        loop.call_soon_threadsafe(between.thaw)
        end = time.monotonic() + 30
        while True:
            with suppress(StoreUnavailable):
                assert look() == b"fine"
                break
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        store.close()


@pytest.mark.parametrize("address", DATABASES[1:], indirect=True)
def test_one_that_stands_still_in_a_transaction_keeps_nobody_out(
    opened: Callable[..., Store],
) -> None:
    """The server takes its locks away; when it goes on, nothing of its work is kept."""
    frozen, other = opened(wait=1.0), opened(wait=1.0)
    held, thawed = threading.Event(), threading.Event()

    def stands_still(tx: Any) -> None:
        tx.parties.set_value("acme", "who", b"frozen")
        tx.outbox.lock(["acme"])
        held.set()
        assert thawed.wait(30)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(frozen.run, stands_still)
        assert held.wait(10)
        started = time.monotonic()
        while True:
            with suppress(StoreUnavailable), other.begin() as tx:
                tx.outbox.lock(["acme"])
                tx.parties.set_value("acme", "who", b"other")
                break
            assert time.monotonic() < started + 10
        thawed.set()
        with pytest.raises(StoreUnavailable):
            asked.result(10)
    with other.read() as tx:
        assert tx.parties.value("acme", "who") == b"other"


def test_a_full_disk_is_told_and_nothing_is_kept(tmp_path: Path, clock: Any) -> None:
    store = Store(f"sqlite:///{tmp_path}/store.db", clock)

    def fill(tx: Any) -> None:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 10}")
        for number in range(100):
            tx.objects.put("location", OWNER, str(number), Item(b"x" * 4096), "acme")

    with pytest.raises(StoreUnavailable, match="full"):
        store.run(fill)
    with store.read() as tx:
        assert tx.objects.page("location", limit=1).total == 0
    store.close()
    again = Store(f"sqlite:///{tmp_path}/store.db", clock)
    with again.begin() as tx:
        assert tx.objects.put("location", OWNER, "1", Item(b"x"), "acme") == "new"


def test_a_database_that_is_none_is_told(tmp_path: Path, clock: Any) -> None:
    (tmp_path / "text.db").write_text("this is no database " * 100)
    (tmp_path / "folder").mkdir()
    for address, said in (
        (f"sqlite:///{tmp_path}/text.db", "not a database"),
        (f"sqlite:///{tmp_path}/folder", "Is a directory"),
        (f"sqlite:///{tmp_path}/text.db/below.db", "Not a directory|File exists"),
        ("postgresql://postgres:hidden-password@127.0.0.1:1/x", "database: "),
    ):
        with pytest.raises(StoreUnavailable, match=said) as caught:
            Store(address, clock, wait=2)
        assert "hidden-password" not in str(caught.value)


@pytest.mark.skipif("postgresql" not in DATABASES, reason="no PostgreSQL")
def test_a_server_that_could_not_hold_every_name_is_told(clock: Any) -> None:
    """As of one that was made where no locale was set."""
    name = f"roamgate_ascii_{os.getpid()}_{random.randrange(10**9)}"
    with psycopg.connect(host=SERVER, user="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        try:
            with pytest.raises(StoreUnavailable, match="SQL_ASCII; it has to be UTF8"):
                Store(f"postgresql://postgres@{SERVER}/{name}", clock)
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("address", ["", "roamgate.db", "mysql://x/y", "sqlite://", "sqlite:///"])
def test_an_address_of_no_kind_is_a_fault_of_the_configuration(address: str, clock: Any) -> None:
    with pytest.raises(ConfigError):
        Store(address, clock)


def test_only_the_owner_may_read_the_file(tmp_path: Path, clock: Any) -> None:
    """It and what stands beside it; the directory is made."""
    store = Store(f"sqlite:///{tmp_path}/var/store.db", clock)
    with store.begin() as tx:
        tx.objects.put("token", OWNER, "T", Item(b""), "abc")
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "var").iterdir()}
    files = ("store.db", "store.db-wal", "store.db-shm", "store.db-turns")
    assert modes == dict.fromkeys(files, 0o600)


def _waits_for_disk(tx: Transaction) -> bool:
    return tx.connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


@pytest.mark.parametrize("address", DATABASES[1:], indirect=True)
def test_commits_to_postgresql_wait_for_its_disk(store: Store) -> None:
    """But for soft ones; over the same connection, and also after one that was undone."""
    assert store.run(_waits_for_disk)
    assert not store.run(_waits_for_disk, soft=True)
    assert store.run(_waits_for_disk)
    with pytest.raises(ZeroDivisionError):
        store.run(lambda tx: 1 / (not _waits_for_disk(tx) and 0), soft=True)
    assert store.run(_waits_for_disk)


class Disk:
    """What a machine would find of an SQLite database if it lost its power now."""

    def __init__(self, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._database, self._log = database, database.with_name(f"{database.name}-wal")
        shutil.copy(database, database.with_name("found.db"))
        self._synced, self._wait = b"", os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, file: int) -> None:
        self._wait(file)
        if os.path.samestat(os.fstat(file), self._log.stat()):
            self._synced = self._log.read_bytes()

    def tokens(self) -> set[str]:
        found = self._database.with_name("found.db")
        found.with_name("found.db-wal").write_bytes(self._synced)
        found.with_name("found.db-shm").unlink(missing_ok=True)
        with closing(sqlite3.connect(found)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint=0")
            rows = connection.execute("SELECT id FROM objects WHERE kind = 'token'").fetchall()
        return {id for (id,) in rows}


@pytest.fixture
def disk(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    shutil.copy(sqlite_template, tmp_path / "store.db")
    return Disk(tmp_path / "store.db", monkeypatch)


def _put(id: str) -> Callable[[Transaction], str]:
    return lambda tx: tx.objects.put("token", OWNER, id, Item(b""), "abc")


def test_a_commit_to_sqlite_is_on_the_disk(disk: Disk, tmp_path: Path, clock: Clock) -> None:
    """But for a soft one, until the next that is not, or until it is settled."""
    store = Store(f"sqlite:///{tmp_path}/store.db", clock)
    store.run(_put("A"))
    assert disk.tokens() == {"A"}
    store.run(_put("B"), soft=True)
    assert disk.tokens() == {"A"}
    store.run(_put("C"))
    assert disk.tokens() == {"A", "B", "C"}
    store.run(_put("D"), soft=True)
    store.settle()
    assert disk.tokens() == {"A", "B", "C", "D"}

    begun = store.begin_now()
    assert begun is not None
    begun.do(_put("E"))
    begun.commit()
    other = Store(f"sqlite:///{tmp_path}/store.db", clock)
    other.run(_put("F"))  # nobody waits for the disk of another one
    assert disk.tokens() == {"A", "B", "C", "D", "E", "F"}
    other.close()
    store.close()


def _broken(file: int) -> None:
    raise OSError(EIO, os.strerror(EIO))


def test_what_the_disk_did_not_take_stops_all_writing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written behind it, until the log was moved to the database."""
    address = f"sqlite:///{tmp_path}/store.db"
    store = Store(address, clock, wait=0.1)
    other = Store(address, clock)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", _broken)
        with pytest.raises(StoreUnavailable, match=r"not on the disk: .*Input/output error"):
            store.run(_put("A"))
    assert store.begin_now() is None
    assert "Input/output error" in store.lost

    with other.read() as tx:  # whoever reads keeps the log from being moved to its end
        tx.objects.page("token", Filter(), limit=1)
        with pytest.raises(StoreUnavailable, match="not on the disk"):
            store.run(_put("B"))
        assert store.begin_now() is None

    store.run(_put("C"))
    assert (store.lost, store.begin_now() is None) == ("", False)
    with other.read() as tx:
        assert {row.id for row in tx.objects.each("token")} == {"A", "C"}
    store.close()
    other.close()


def test_the_log_of_a_database_that_is_a_link(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has its files beside what the link is to."""
    (tmp_path / "data").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "data" / "store.db")
    (tmp_path / "data" / "store.db").touch()
    store = Store(f"sqlite:///{tmp_path}/link.db", clock)
    monkeypatch.setattr(os, "fdatasync", _broken)
    with pytest.raises(StoreUnavailable, match="not on the disk"):
        store.run(_put("A"))
    store.close()
    assert {path.name for path in tmp_path.iterdir()} == {"data", "link.db"}


def test_a_log_that_was_taken_away_is_found_again(tmp_path: Path, clock: Clock) -> None:
    """Whoever leaves a database last takes it away; the next one makes another."""
    log = Log(tmp_path / "store.db")
    with pytest.raises(StoreUnavailable, match="No such file"):
        log.watch()
    for content in ("one", "another"):
        (tmp_path / "store.db-wal").unlink(missing_ok=True)
        (tmp_path / "store.db-wal").write_text(content)
        log.watch()
        log.sync()
        assert os.path.samestat(os.fstat(log._file), (tmp_path / "store.db-wal").stat())
    log.close()


@pytest.mark.parametrize("address", ["sqlite:///{}/store.db?uri=true", "sqlite:///{}/x.db?a=b"])
def test_options_of_sqlite_are_refused(address: str, tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(ConfigError, match="without options"):
        Store(address.format(tmp_path), clock)


def test_the_log_is_moved_now_and_then(tmp_path: Path, clock: Clock) -> None:
    """``begin_now`` does not do it; without it the log grows for ever."""
    together = Together(store := Store(f"sqlite:///{tmp_path}/store.db", clock), Inline())
    log = tmp_path / "store.db-wal"
    sizes = []
    for number in range(10 * MOVE_AFTER):
        asyncio.run(together.write(_put(str(number))))
        if number in (3 * MOVE_AFTER, 10 * MOVE_AFTER - 1):
            sizes.append(log.stat().st_size)
    assert 0 < sizes[1] < 1.5 * sizes[0]
    store.close()


def test_what_is_long_leaves_others_their_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it begins, when nobody waits for it."""
    steps: list[str] = []
    monkeypatch.setattr("gateway.aside._free.is_set", lambda: False)
    monkeypatch.setattr("gateway.aside._free.wait", lambda seconds: steps.append("rest"))
    monkeypatch.setattr("gateway.aside.LEAST", 0.0)

    def work(tx: Transaction) -> None:
        steps.append("work")

    store.run(work)
    assert steps == ["work"]
    store.run(work, soft=True)
    assert steps == ["work", "rest", "work"]


def test_threads_let_those_go_first_who_asked_in_vain(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or they would never meet the moment in which nobody writes."""
    monkeypatch.setattr("gateway.store.store.GIVE_WAY", 60)
    store = Store(f"sqlite:///{tmp_path}/store.db", clock)
    order: list[str] = []

    def note(word: str) -> Callable[[Transaction], None]:
        return lambda tx: order.append(word)

    with ThreadPoolExecutor(1) as pool:
        with store.begin():
            assert store.begin_now() is None
        thread = pool.submit(store.run, note("thread"))
        time.sleep(0.05)
        begun = store.begin_now()
        assert begun is not None
        begun.do(note("who asked"))
        begun.commit()
        thread.result(30)
    assert order == ["who asked", "thread"]
    store.close()


def test_statements_stay_compiled_from_one_transaction_to_the_next(
    tmp_path: Path, clock: Any
) -> None:
    """SQLite forgets them all where a connection is told, even again, that it may not write."""
    store = Store(f"sqlite:///{tmp_path}/store.db", clock)
    told: list[str] = []

    def listen(tx: Transaction) -> None:
        driver: Any = tx.connection.connection.dbapi_connection
        driver.set_trace_callback(told.append)

    store.run(listen)
    for _ in range(3):
        store.run(_put("A"))
    assert [each for each in told if "query_only" in each] == []
    with store.read() as tx:
        tx.objects.page("token", Filter(), limit=1)
    store.run(_put("A"))
    assert [each for each in told if "query_only" in each] == [
        "PRAGMA query_only=ON",
        "PRAGMA query_only=OFF",
    ]
    store.close()


@pytest.mark.parametrize("address", DATABASES[1:], indirect=True)
def test_settling_changes_something_each_time(store: Store) -> None:
    """In PostgreSQL what changes nothing does not wait for the disk."""

    def settled(tx: Transaction) -> bytes | None:
        query = select(meta.c.value).where(meta.c.name == "settled")
        return tx.connection.execute(query).scalar()

    found = [store.run(settled)]
    for _ in range(2):
        store.settle()
        found.append(store.run(settled))
    assert len(set(found)) == 3


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"read.?only"), store.read() as tx:
        tx.objects.put("token", OWNER, "T", Item(b""), "abc")


def test_a_page_and_its_count_are_of_one_moment(opened: Callable[..., Store]) -> None:
    reader, writer = opened(), opened()
    with reader.read() as tx:
        assert tx.objects.page("token", Filter(), limit=10).total == 0
        with writer.begin() as other:
            other.objects.put("token", OWNER, "T", Item(b""), "abc")
        assert tx.objects.page("token", Filter(), limit=10) == ([], 0)


def test_a_store_shows_no_password(address: str, clock: Any) -> None:
    with_password = address.replace("postgres@", "postgres:hidden-password@")
    store = Store(with_password, clock)
    assert "hidden-password" not in repr(store)
    assert repr(store).startswith("Store('")
    store.close()


def test_a_store_that_is_opened_again_leaves_the_locks_of_the_first(
    nursery: Nursery, address: str, opened: Callable[..., Store]
) -> None:
    """And another process that comes and goes takes nothing away from under it."""
    first = opened()
    for number in range(5):
        opened().close()
        nursery.start("write", address, f"r{number}")
        said = [nursery.line() for _ in range(4)]
        os.kill(int(said[0][0]), signal.SIGKILL)
        nursery.start("hello")
        while nursery.line()[1] != "hello":
            pass
        nursery.start("look", address)
        assert nursery.line()[1] == "looked"
        with first.begin() as tx:
            tx.objects.put("token", OWNER, f"T{number}", Item(b""), "abc")
    with opened().read() as tx:
        assert len(list(tx.objects.each("token"))) == 5
        assert len(list(tx.objects.each("location"))) >= 5
