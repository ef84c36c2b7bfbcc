"""The tables in the database are those in the code, whichever release made them."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import StoreUnavailable
from gateway.store import Store, migrations
from gateway.store.migrations import versions
from gateway.store.tables import metadata


def differs(context: Any, _: Any, __: Any, found: Any, wanted: Any) -> bool:
    """Whether a column has another type, collation included."""
    dialect = context.dialect
    return bool(found.compile(dialect=dialect) != wanted.compile(dialect=dialect))


def by_migrations(tx: Any) -> None:
    """Make the tables as a store that is as old as the first release got them."""
    settings = migrations.config()
    settings.attributes["connection"] = tx.connection
    command.upgrade(settings, migrations.HEAD)


def said_of_tables(store: Store) -> list[Any]:
    """What the database itself says of its tables and indexes."""
    with store.read() as tx:
        if tx.is_sqlite:
            query = "SELECT name, sql FROM sqlite_master ORDER BY name"
            rows = tx.connection.exec_driver_sql(query).all()
            # the parts of a table in any order
            return [(name, sorted(re.findall(r"\w+|[^\w\s,]", sql or ""))) for name, sql in rows]
        columns = (
            "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
        )
        indexes = (
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
        )
        return [tx.connection.exec_driver_sql(query).all() for query in (columns, indexes)]


def test_an_empty_database_gets_the_tables_that_an_old_one_is_brought_to(
    empty_address: str, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Store(empty_address, clock)
    made = said_of_tables(new)
    with new.begin() as tx:
        metadata.drop_all(tx.connection)
        tx.connection.exec_driver_sql("DROP TABLE alembic_version")
    new.close()
    monkeypatch.setattr(migrations, "_create", by_migrations)
    old = Store(empty_address, clock)
    assert said_of_tables(old) == made
    old.close()


def test_the_migrations_lead_to_the_tables_of_the_code(
    empty_address: str, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_create", by_migrations)
    store = Store(empty_address, clock)
    with store.read() as tx:
        options = {"compare_type": differs}
        context = MigrationContext.configure(tx.connection, opts=options)
        assert compare_metadata(context, metadata) == []
    store.close()


def test_opening_again_changes_nothing(empty_address: str, clock: Any) -> None:
    first, second = Store(empty_address, clock), Store(empty_address, clock)
    with first.read() as tx, second.read() as other:
        assert tx.keyed_hash("a", "b") == other.keyed_hash("a", "b")
    first.close()
    second.close()


def test_opened_at_once_the_tables_are_made_once(empty_address: str, clock: Any) -> None:
    """By processes that start together; all of them have the same key."""
    barrier = threading.Barrier(6)

    def hash_of_opened(_: int) -> bytes:
        barrier.wait()
        store = Store(empty_address, clock)
        with store.read() as tx:
            found = tx.keyed_hash("a", "b")
        store.close()
        return found

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(hash_of_opened, range(6)))) == 1


def test_a_store_of_a_newer_release_is_refused(empty_address: str, clock: Any) -> None:
    store = Store(empty_address, clock)
    with store.begin() as tx:
        tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreUnavailable, match="newer release"):
        Store(empty_address, clock)


def test_a_failed_start_leaves_nothing_half_done(
    empty_address: str, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tx: Any) -> bytes:
        raise ArithmeticError

    with monkeypatch.context() as patch:
        patch.setattr("gateway.store.store._secret", fail)
        with pytest.raises(ArithmeticError):
            Store(empty_address, clock)
    Store(empty_address, clock).close()


def test_the_revision_of_the_release_is_the_last_one() -> None:
    """It is compared with the database before Alembic is asked."""
    script = ScriptDirectory.from_config(migrations.config())
    assert script.get_current_head() == migrations.HEAD


def test_the_migrations_are_packaged() -> None:
    """Only folders with an ``__init__.py`` go into the wheel."""
    assert migrations.__file__ is not None
    assert versions.__file__ is not None
