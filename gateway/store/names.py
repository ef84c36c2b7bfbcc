"""Names that one process at a time holds, across transactions, on PostgreSQL.

Source: PostgreSQL, "Advisory Locks", session level.
Limits: within a process a name that is held can be taken again. All that this process holds is free
when its connection breaks.
Why: one connection for all names, so that those who hold one do not use up those that work needs.
"""

import threading

from sqlalchemy import Connection, Engine, Select, func, select

from gateway.store.engine import errors_of_the_store
from gateway.store.tx import lock_number


class Names:
    """The names that this process holds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._mutex = threading.Lock()
        self._connection: Connection | None = None

    def take(self, name: str) -> bool:
        """Hold a name alone; False while another process does."""
        return self._ask(select(func.pg_try_advisory_lock(lock_number("alone", name))))

    def give(self, name: str) -> None:
        """Hold it no longer."""
        self._ask(select(func.pg_advisory_unlock(lock_number("alone", name))))

    def _ask(self, question: Select[tuple[bool]]) -> bool:
        with self._mutex, errors_of_the_store():
            if self._connection is None:
                options = {"isolation_level": "AUTOCOMMIT"}
                self._connection = self._engine.connect().execution_options(**options)
            try:
                return bool(self._connection.execute(question).scalar())
            except BaseException:
                self._connection.invalidate()
                self._connection = None
                raise

    def close(self) -> None:
        """Hold nothing any longer."""
        with self._mutex:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
