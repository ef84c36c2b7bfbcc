"""Every test of the store runs on both databases.

PostgreSQL is asked for at 127.0.0.1 (user postgres, trusted); a test session makes a database of
its own there and drops it. Where none answers, its half of the tests is left out and a line says
so; with ROAMGATE_REQUIRE_SERVICES=1 it fails instead.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from gateway.store import Store
from gateway.store.tables import metadata

SERVER = "127.0.0.1"


def _missing() -> str | None:
    try:
        psycopg.connect(host=SERVER, user="postgres", dbname="postgres", connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return str(error).splitlines()[0]
    return None


MISSING = _missing()
REQUIRED = os.environ.get("ROAMGATE_REQUIRE_SERVICES") == "1"
DATABASES = ["sqlite"] if MISSING and not REQUIRED else ["sqlite", "postgresql"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MISSING and not REQUIRED:
        terminalreporter.write_line(f"store: not tested on PostgreSQL: {MISSING}")


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2024, 3, 31, 0, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tables and nothing in them."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    Store(f"sqlite:///{path}", Clock()).close()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of a database that lives as long as the test session."""
    name = f"roamgate_test_{uuid.uuid4().hex}"
    server = psycopg.connect(host=SERVER, user="postgres", dbname="postgres", autocommit=True)
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield f"postgresql+psycopg://postgres@{SERVER}/{name}"
    finally:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        server.execute(drop)
        server.close()


@pytest.fixture(params=DATABASES)
def empty_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a database without tables; what a test makes of it is gone after it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/store.db"
        return
    address: str = request.getfixturevalue("postgresql")
    _without_tables(address)
    yield address
    _without_tables(address)


def _without_tables(address: str) -> None:
    with psycopg.connect(_libpq(address), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


@pytest.fixture(params=DATABASES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a database with tables and nothing in them."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "store.db")
        return f"sqlite:///{tmp_path}/store.db"
    address: str = request.getfixturevalue("postgresql")
    if not _emptied(address):
        Store(address, Clock()).close()
    return address


_EMPTY = sql.SQL("").join(
    sql.SQL("DELETE FROM {};").format(sql.Identifier(name)) for name in metadata.tables
)
"""A tenth of what TRUNCATE takes, which writes new files for every table."""
_FROM_ONE = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"


def _emptied(address: str) -> bool:
    """Leave nothing in the tables; False: there are none."""
    with psycopg.connect(_libpq(address)) as connection:
        found = connection.execute("SELECT to_regclass('objects')").fetchone()
        if found == (None,):
            return False
        connection.execute(_EMPTY)
        connection.execute(_FROM_ONE)
    return True


@pytest.fixture
def opened(address: str, clock: Clock) -> Iterator[Callable[..., Store]]:
    """Opens the same database again, as another process would."""
    stores: list[Store] = []

    def open_store(**options: float) -> Store:
        stores.append(Store(address, clock, **options))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., Store]) -> Store:
    return opened()


def _libpq(address: str) -> str:
    return address.replace("postgresql+psycopg:", "postgresql:")
