"""The history of the tables; Alembic applies what a database has not seen yet.

Limits: only forward. A store that a newer release has written is refused, not guessed at.
Why: a database that is up to date is the usual case, and is found to be so without Alembic, which
would stay in the memory of every process.
"""

from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from gateway.errors import StoreUnavailable
from gateway.store.tx import Tx

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0002"
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
    from alembic import command
    from alembic.script import ScriptDirectory

    settings = config()
    script = ScriptDirectory.from_config(settings)
    if present is not None and present not in {each.revision for each in script.walk_revisions()}:
        raise StoreUnavailable(f"database: written by a newer release (tables {present})")
    settings.attributes["connection"] = tx.connection
    command.upgrade(settings, HEAD)


def _present(tx: Tx) -> str | None:
    """The revision of the database; None when nothing was applied to it."""
    if not inspect(tx.connection).has_table("alembic_version"):
        return None
    found: str | None = tx.connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
