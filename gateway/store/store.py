"""The store: opens the database, brings its tables up to date, gives transactions.

Everything here blocks, but ``look`` and ``begin_now`` on SQLite; callers in the reactor's thread
run it with ``deferToThread``.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.aside import Aside, give_way
from gateway.errors import StoreUnavailable
from gateway.store import migrations
from gateway.store.cdrs import Cdrs
from gateway.store.engine import Contended, errors_of_the_store, open_engine, patient
from gateway.store.ids import IdMap
from gateway.store.ledger import Ledger
from gateway.store.log import Log
from gateway.store.names import Names
from gateway.store.objects import Objects
from gateway.store.outbox import Outbox
from gateway.store.parties import Parties
from gateway.store.prepared import Prepared
from gateway.store.tables import meta
from gateway.store.turns import PAUSE, Turns
from gateway.store.tx import Clock, Tx

_log = logging.getLogger(__name__)
T = TypeVar("T")

MOVE_AFTER = 50
"""Transactions of ``begin_now`` after which SQLite's log is to be moved to the database: about as
many pages as SQLite itself would let it grow to."""
GIVE_WAY = 0.005
"""Seconds after ``begin_now`` was in vain in which threads let it go first."""
ATTEMPTS = 3
"""How often ``run`` does work that another transaction got in the way of."""


_BEGIN, _BEGIN_WRITING = Prepared(text("BEGIN")), Prepared(text("BEGIN IMMEDIATE"))
_COMMIT, _ROLLBACK = Prepared(text("COMMIT")), Prepared(text("ROLLBACK"))
_MOVE, _MOVE_ALL = (
    Prepared(text(f"PRAGMA wal_checkpoint({how})")) for how in ("PASSIVE", "TRUNCATE")
)


class Transaction(Tx):
    """One transaction and the parts of the store within it."""

    @cached_property
    def objects(self) -> Objects:
        return Objects(self)

    @cached_property
    def cdrs(self) -> Cdrs:
        return Cdrs(self, self.objects)

    @cached_property
    def ids(self) -> IdMap:
        return IdMap(self)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self)

    @cached_property
    def parties(self) -> Parties:
        return Parties(self)

    def flush(self) -> None:
        """Bring what waits into the database."""
        if "ledger" in vars(self):
            self.ledger.flush()

    def let_go(self) -> None:
        """It is over: forget the parts, which lead back here. Else all would stay in memory until
        Python looks for such circles, and stops for milliseconds then."""
        for name in _PARTS:
            vars(self).pop(name, None)


_PARTS = [name for name, each in vars(Transaction).items() if isinstance(each, cached_property)]


class Begun:
    """A writing transaction that ends once; until then nobody else writes."""

    def __init__(self, tx: Transaction, ended: Callable[[bool], None]) -> None:
        self._tx, self._ended = tx, ended

    def do(self, work: Callable[[Transaction], T]) -> T:
        """Do work in it; undoes everything when that raises."""
        try:
            with errors_of_the_store():
                result = work(self._tx)
                self._tx.flush()
                return result
        except BaseException:
            with suppress(SQLAlchemyError):  # a connection that cannot is given up
                self._end(_ROLLBACK)
            raise

    def commit(self) -> None:
        """Let others write and see it; ``Store.settle`` brings it to the disk. Raises
        StoreUnavailable."""
        with errors_of_the_store():
            self._end(_COMMIT)

    def _end(self, statement: Prepared) -> None:
        fine = False
        try:
            statement.run(self._tx.connection, [{}])
            fine = True
        finally:
            self._tx.let_go()
            self._ended(fine)


class Store:
    """A database. Opening it creates or upgrades its tables.

    ``wait``: seconds to wait for a lock or a connection. Raises ConfigError for an address it does
    not know, StoreUnavailable when the database cannot be used, here and in every transaction.
    """

    def __init__(self, address: str, clock: Clock, *, wait: float = 10.0) -> None:
        self._engine = open_engine(address, wait)
        self._clock = clock
        self._wait = wait
        # SQLite's own waiting for its one writer is a poll with growing pauses; this is a queue
        self._writer = threading.Lock() if self._engine.dialect.name == "sqlite" else None
        file = Path(self._engine.url.database or "")
        self._turns = Turns(file) if self._writer else None
        self._log = Log(file) if self._writer else None
        self._names = self._turns or Names(self._engine)
        self._looking = threading.Lock()
        self._kept: Connection | None = None
        self._writing: Connection | None = None
        self._committed = 0
        self._wished = 0.0
        """When ``begin_now`` was in vain last."""
        self._aside = Aside()
        self._queue = 0
        """How many wait to write."""
        self._secret = b""
        with suppress(StoreUnavailable):  # the next transaction says why
            self._move_log()  # what others could not bring to the disk
        with self.begin() as tx, patient(tx.connection):
            migrations.upgrade(tx)
            self._secret = _secret(tx)

    def __repr__(self) -> str:
        return f"Store({self._engine.url.render_as_string(hide_password=True)!r})"

    @property
    def one_writer(self) -> bool:
        """Whether writing transactions run one after the other, and none ever waits in one."""
        return self._writer is not None

    @contextmanager
    def begin(self, *, soft: bool = False) -> Iterator[Transaction]:
        """A transaction that may write; kept when the block ends, undone when it raises.

        ``soft``: its commit does not wait for the disk. Both databases have one log, so the next
        commit that does wait brings it to the disk too; until then a crash of the machine (not of
        the process) may undo it. Such a one is a part of something long, done ``aside``.
        """
        if soft:
            self._aside.pause()
        with self._my_turn():
            self._rescue()
            with self._transaction(reading=False, soft=soft) as tx:
                yield tx
        if not soft and self._log is not None:
            self._log.sync()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        """While this is the one that writes, where only one can."""
        if self._writer is None or self._turns is None:
            yield
            return
        now = time.monotonic()
        until, first = now + self._wait, now + 2 * GIVE_WAY
        while time.monotonic() < min(self._wished + GIVE_WAY, first, until):
            time.sleep(PAUSE)
        self._queue += 1
        try:
            mine = self._writer.acquire(timeout=self._wait)
        finally:
            self._queue -= 1
        if not mine:
            raise StoreUnavailable("database: another transaction holds it too long")
        try:
            if not self._turns.begin(until - time.monotonic()):
                raise StoreUnavailable("database: another process holds it too long")
            try:
                yield
            finally:
                self._turns.end()
        finally:
            self._writer.release()

    def begin_now(self) -> Begun | None:
        """A transaction that may write, without waiting for anybody: None where that cannot be.

        So that what it does costs no thread; only ``settle``, which waits for the disk, wants one.
        """
        if self._writer is None or self._turns is None or self._log is None or self._log.lost:
            return None
        if self._queue or not self._writer.acquire(blocking=False):
            self._wished = time.monotonic()
            return None
        held, begun = False, False
        try:
            held = self._turns.begin_now()
            begun = held and self._begin_writing()
        finally:
            if not begun:
                self._let_go(held)
        if not begun or self._writing is None:
            self._wished = time.monotonic()
            return None
        self._wished = 0.0
        return Begun(Transaction(self._writing, self._clock, self._secret), self._written)

    def _begin_writing(self) -> bool:
        """Over a connection that is kept for this and never waits; False: somebody else writes."""
        try:
            if self._writing is None:
                self._writing = self._engine.connect().execution_options(kept=True, writing=True)
                self._writing.begin()
            _BEGIN_WRITING.run(self._writing, [{}])
            self._watch()
        except (SQLAlchemyError, StoreUnavailable):
            self._drop_writing()
            return False
        return True

    def _written(self, fine: bool) -> None:
        """A transaction of ``begin_now`` has ended."""
        try:
            if fine:
                self._committed += 1
            else:
                self._drop_writing()
        finally:
            self._let_go(held=True)

    def _let_go(self, held: bool) -> None:
        assert self._writer is not None
        assert self._turns is not None
        try:
            if held:
                self._turns.end()
        finally:
            self._writer.release()

    def _drop_writing(self) -> None:
        if self._writing is not None:
            self._writing.invalidate()
        self._writing = None

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one state of the store throughout and holds up no writer."""
        with self._transaction(reading=True) as tx:
            yield tx

    @contextmanager
    def look(self) -> Iterator[Transaction]:
        """As ``read``, for a small look-up. With SQLite it takes no more than a few microseconds:
        these go one after the other over a connection that is kept for them."""
        if self._writer is None:
            with self.read() as tx:
                yield tx
            return
        with errors_of_the_store(), self._looking:
            if self._kept is None:
                self._kept = self._engine.connect().execution_options(kept=True)
                self._kept.begin()
            connection = self._kept
            try:
                _BEGIN.run(connection, [{}])
                tx = Transaction(connection, self._clock, self._secret)
                try:
                    yield tx
                finally:
                    tx.let_go()
                    _COMMIT.run(connection, [{}])
            except DBAPIError:
                self._kept = None
                connection.invalidate()
                raise

    def run(self, work: Callable[[Transaction], T], *, soft: bool = False) -> T:
        """Do work in a writing transaction, again from the start if another got in its way.

        ``soft`` as in ``begin``; ``settle`` has to follow before anybody is told that it is done.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                with self.begin(soft=soft) as tx:
                    return work(tx)
            except Contended:
                continue
        with self.begin(soft=soft) as tx:
            return work(tx)

    def settle(self) -> None:
        """Bring to the disk whatever was committed before. Raises StoreUnavailable."""
        if self._log is not None:
            self._log.sync()
            return
        # a transaction that changes nothing would not wait for the disk, so this one changes a row
        fresh = {"name": "settled", "value": secrets.token_bytes(8)}
        with self.begin() as tx:
            insert = tx.insert(meta)
            changed = {"value": insert.excluded.value}
            tx.execute(insert.on_conflict_do_update(index_elements=["name"], set_=changed), [fresh])

    @property
    def lost(self) -> str:
        """Why nothing can be written: the disk did not take what was. Empty: it can."""
        return self._log.lost if self._log else ""

    @property
    def log_is_long(self) -> bool:
        """Whether ``move_log`` is due, just after a transaction of ``begin_now``."""
        return self._committed % MOVE_AFTER == 0

    def move_log(self) -> None:
        """Move SQLite's log to the database, which the transactions of ``begin_now`` do not do.

        In its turn: before 3.51.3 what is committed meanwhile may not be seen (SQLite "The
        WAL-Reset Bug"). Where it cannot be done, such as on a full disk, it is done later.
        """
        try:
            self._move_log()
        except StoreUnavailable as error:
            _log.warning("the log is not moved to the database: %s", error)

    def _move_log(self) -> None:
        if self._log is not None and not self._log.lost:
            with self._my_turn():
                self._checkpoint(_MOVE)

    def _rescue(self) -> None:
        """If the disk did not take some of the log: move it to the database while it is in memory.

        Raises StoreUnavailable when that cannot be.
        """
        if self._log is None or not self._log.lost:
            return
        if self._checkpoint(_MOVE_ALL):
            raise StoreUnavailable(self._log.lost)
        self._log.moved()

    def _checkpoint(self, statement: Prepared) -> bool:
        """Whether somebody was in the way."""
        with errors_of_the_store(), self._engine.connect() as connection:
            ((busy, _, _),) = statement.rows(connection, {})
            return bool(busy)

    def _watch(self) -> None:
        if self._log is not None:
            self._log.watch()

    def take(self, name: str) -> bool:
        """Hold a name until ``give``; False while another process on this store does.

        The threads of one process do not keep each other out.
        """
        return self._names.take(name)

    def give(self, name: str) -> None:
        """Hold a name no longer."""
        self._names.give(name)

    def learn(self) -> None:
        """Let the database look at how much there is now; for large changes.

        PostgreSQL plans for empty tables until it has looked, and does so by itself only after a
        minute: until then a list of ids is searched by going through all that there is.
        """
        if self._writer is None:
            with self.begin() as tx, patient(tx.connection):
                tx.connection.exec_driver_sql("ANALYZE objects, object_keys, deliveries")

    def close(self) -> None:
        """Close all connections."""
        self._names.close()
        for kept in (self._kept, self._writing):
            if kept is not None:
                kept.close()
        self._kept = self._writing = None
        self._engine.dispose()
        if self._log is not None:
            self._log.close()

    @contextmanager
    def _transaction(self, *, reading: bool, soft: bool = False) -> Iterator[Transaction]:
        with errors_of_the_store(), self._engine.connect() as connection:
            if reading:
                connection.execution_options(reading=True)
                if self._writer is None:
                    connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
            with connection.begin():
                tx = Transaction(connection, self._clock, self._secret)
                if not reading:
                    self._watch()
                if soft:
                    tx.between = give_way
                if soft and self._writer is None:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                try:
                    yield tx
                    tx.flush()
                finally:
                    tx.let_go()


def _secret(tx: Transaction) -> bytes:
    """The key of all keyed hashes, made when the store is first opened."""
    fresh = {"name": "secret", "value": secrets.token_bytes(32)}
    tx.execute(tx.insert(meta).on_conflict_do_nothing(), [fresh])
    found: bytes = tx.execute(select(meta.c.value).where(meta.c.name == "secret")).scalar_one()
    return found
