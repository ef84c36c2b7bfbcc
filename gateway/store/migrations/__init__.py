"""The history of the tables; Alembic applies what a database has not seen yet.

Limits: only forward. A store that a newer release has written is refused, not guessed at.
Why: a database that is up to date is the usual case, and is found to be so without Alembic, which
would stay in the memory of every process; an empty one gets the tables of the code as they are.
"""

from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from gateway.errors import StoreUnavailable
from gateway.store.tables import metadata
from gateway.store.tx import Tx

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0003"
"""The revision of this release; the last one in ``versions``."""


def config() -> "Config":
    """Where the migrations are; no file is read."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", "gateway.store:migrations")
    return found


def upgrade(tx: Tx) -> None:
    """Bring the tables of the store up to this release, within the transaction."""
    tx.lock("migrations")
    present = _present(tx)
    if present == HEAD:
        return
    if present is None:
        _create(tx)
        return
    from alembic import command
    from alembic.script import ScriptDirectory

    settings = config()
    script = ScriptDirectory.from_config(settings)
    if present not in {each.revision for each in script.walk_revisions()}:
        raise StoreUnavailable(f"database: written by a newer release (tables {present})")
    settings.attributes["connection"] = tx.connection
    command.upgrade(settings, HEAD)


def _create(tx: Tx) -> None:
    """All tables, and Alembic's own, in an empty database."""
    metadata.create_all(tx.connection)
    key = "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)"
    tx.connection.execute(
        text(f"CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, {key})")
    )
    tx.connection.execute(
        text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD}
    )


def _present(tx: Tx) -> str | None:
    """The revision of the database; None when nothing was applied to it."""
    if not inspect(tx.connection).has_table("alembic_version"):
        return None
    found: str | None = tx.connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
