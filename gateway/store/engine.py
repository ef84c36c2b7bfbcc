"""How the two databases are opened, and what their errors mean.

Source: SQLite "Write-Ahead Logging" and "PRAGMA synchronous"; PostgreSQL "synchronous_commit".
Why: an acknowledged message must survive a crash of the machine, so commits are synchronous to the
disk on both (``synchronous=FULL``), but for those that are asked not to be; waiting for locks,
connections and answers is bounded, so that a caller gets an error to answer with and not silence. A
PostgreSQL that takes connections and never answers is told by this end: TCP sees nothing wrong with
it. And what a process that stands still has locked in the midst of a transaction is freed by the
server: others must not wait for it.
"""

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    StatementError,
    TimeoutError,
)

from gateway.errors import ConfigError, GatewayError, StoreUnavailable

_CONTENDED = {"40001", "40P01"}
"""SQLSTATEs of PostgreSQL after which the same transaction may succeed: serialisation, deadlock."""


class Contended(StoreUnavailable):
    """Two transactions got into each other's way; the same work may succeed when done again."""


@contextmanager
def errors_of_the_store() -> Iterator[None]:
    """Turn what the database cannot do into ``StoreUnavailable``; our own errors stay.

    Statements and their values are left out of the text: they may be secret.
    """
    try:
        yield
    except (IntegrityError, ProgrammingError, DataError, NotSupportedError):
        raise
    except DBAPIError as error:
        lines = str(error.orig).strip().splitlines()
        reason = f"database: {lines[0] if lines else type(error.orig).__name__}"
        contended = getattr(error.orig, "sqlstate", None) in _CONTENDED
        raise (Contended if contended else StoreUnavailable)(reason) from None
    except StatementError as error:
        if isinstance(error.orig, GatewayError):
            raise error.orig from None
        raise
    except TimeoutError:
        raise StoreUnavailable("database: no connection became free in time") from None


def open_engine(address: str, wait: float) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql+psycopg://...``; waits for locks ``wait`` s.

    Raises ConfigError for an address that is neither.
    """
    try:
        url = make_url(address)
    except ArgumentError:
        raise ConfigError("the database address is no URL") from None
    if url.drivername == "sqlite":
        return _sqlite(url, wait)
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        return _postgresql(url.set(drivername="postgresql+psycopg"), wait)
    raise ConfigError(f"database {url.drivername!r}: sqlite or postgresql is meant")


def _sqlite(url: URL, wait: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError("the database address names no file")
    path = Path(url.database)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # it holds tokens: for its owner only; SQLite gives the files beside it the same mode.
        # A file that is there is left to SQLite: closing it here would end the locks that this
        # process has on it, and another one would take the log away from under us
        if path.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"database {path}: {error.strerror}") from None
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": wait}, pool_timeout=wait
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        kept, reading = options.get("kept", False), options.get("reading", False)
        looking = reading or (kept and not options.get("writing", False))
        if looking is not connection.info.get("looking"):
            # only where it differs: it makes SQLite compile every statement again
            connection.exec_driver_sql(f"PRAGMA query_only={'ON' if looking else 'OFF'}")
            connection.info["looking"] = looking
        if kept:
            if not looking:
                connection.exec_driver_sql("PRAGMA busy_timeout=0")
            return  # who keeps it begins and ends each transaction himself
        soft = options.get("soft", False)
        if soft is not connection.info.get("soft", False):  # not allowed after BEGIN
            connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if soft else 'FULL'}")
            connection.info["soft"] = soft
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


T = TypeVar("T")
REST = 5.0
"""Seconds in which nobody tries again to connect to a server that did not answer."""


class _Bounded(psycopg.Connection[Any]):
    """A connection that waits for the answer to a statement for so many seconds, then breaks."""

    patience: float | None = None

    def wait(
        self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        return super().wait(self._in_time(gen), interval)

    def _in_time(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """What is waited for, step by step; a step of nothing comes every ``interval``."""
        end = time.monotonic() + self.patience if self.patience else float("inf")
        try:
            step = next(gen)
            while True:
                ready = yield step
                if not ready and time.monotonic() > end:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.patience:g} s")
                step = gen.send(ready)
        except StopIteration as done:
            result: T = done.value
            return result


@contextmanager
def patient(connection: Connection) -> Iterator[None]:
    """Within it a statement may take as long as it takes: new tables, statistics."""
    driver = connection.connection.dbapi_connection
    if not isinstance(driver, _Bounded):
        yield
        return
    before, driver.patience = driver.patience, None
    try:
        yield
    finally:
        driver.patience = before


def _postgresql(url: URL, wait: float) -> Engine:
    options = (
        f"-c lock_timeout={int(wait * 1000)} -c synchronous_commit=on -c timezone=UTC"
        f" -c idle_in_transaction_session_timeout={max(2000, int(wait * 2000))}"
    )
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_timeout=wait,
        connect_args={
            "connect_timeout": max(2, int(wait)),
            "options": options,
            "client_encoding": "utf8",
            # a server that is gone without a word is noticed too
            "keepalives_idle": max(2, int(wait)),
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": max(2, int(wait)) * 2000,
        },
    )
    event.listen(engine, "do_connect", _connecting(wait * 1.5))
    return engine


def _connecting(patience: float) -> Callable[..., _Bounded]:
    """How connections are made. Who waits behind one that was tried in vain does not wait as long
    again: for a while all are refused at once."""
    rests_until = 0.0

    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> _Bounded:
        nonlocal rests_until
        if time.monotonic() < rests_until:
            raise psycopg.OperationalError("the server did not answer a moment ago")
        try:
            made = _Bounded.connect(*arguments, **options)
        except psycopg.errors.ConnectionTimeout:
            rests_until = time.monotonic() + REST
            raise
        encoding = made.info.parameter_status("server_encoding")
        if encoding != "UTF8":  # it could not hold every name, or would not know what it holds
            made.close()
            raise psycopg.OperationalError(f"its encoding is {encoding}; it has to be UTF8")
        made.patience = patience
        return made

    return connect
