"""How the two databases are opened, and what their errors mean.

Source: SQLite "Write-Ahead Logging" and "PRAGMA synchronous"; PostgreSQL "synchronous_commit".
Why: an acknowledged message must survive a crash of the machine, so commits wait for the disk on
both, but for those that are asked not to (with SQLite see ``log``). Waiting for locks, connections
and answers is bounded, so that a caller gets an error to answer with and not silence. A PostgreSQL
that takes connections and never answers is told by this end: TCP sees nothing wrong with it. And
what a process that stands still has locked in the midst of a transaction is freed by the server:
others must not wait for it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from pathlib import Path
from typing import Any

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
        from gateway.store.postgresql import open_postgresql

        return open_postgresql(url.set(drivername="postgresql+psycopg"), wait)
    raise ConfigError(f"database {url.drivername!r}: sqlite or postgresql is meant")


def _sqlite(url: URL, wait: float) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError("the database address names no file")
    if url.query:
        raise ConfigError("the database address of SQLite is a file alone, without options")
    path = Path(url.database).resolve()  # SQLite's other files stand beside what a link is to
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
        url.set(database=str(path)),
        hide_parameters=True,
        connect_args={"timeout": wait},
        pool_timeout=wait,
    )

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # BEGIN is ours, below
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise StoreUnavailable(f"database {path}: this file system allows no write-ahead log")
        connection.execute("PRAGMA synchronous=NORMAL")
        # or each statement of many rows keeps the pages that it changes in a file; a migration that
        # sorts a large table has to say FILE before it begins
        connection.execute("PRAGMA temp_store=MEMORY")

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
                # it waits for the disk, and this is the reactor's thread; a COMMIT alone waits only
                # where it begins the log anew
                connection.exec_driver_sql("PRAGMA wal_autocheckpoint=0")
            return  # who keeps it begins and ends each transaction himself
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def patient(connection: Connection) -> Iterator[None]:
    """Within it a statement may take as long as it takes: new tables, statistics."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        yield
        return
    before, driver.patience = driver.patience, None
    try:
        yield
    finally:
        driver.patience = before
