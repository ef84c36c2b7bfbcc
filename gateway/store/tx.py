"""What one transaction offers to the parts of the store: statements, one instant, named locks.

Why: everything that differs between SQLite and PostgreSQL above the driver stands here, so that
the parts have one code path.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    CursorResult,
    Executable,
    Table,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.prepared import Prepared, Values

T = TypeVar("T")

Clock = Callable[[], datetime]
"""Gives the present instant, aware."""

SLICE = 500
"""Values in one ``IN`` list, rows in one step of a long read."""


def slices(values: Iterable[T], size: int = SLICE) -> Iterator[list[T]]:
    """The values in lists of at most ``size``."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def listed(name: str, count: int, type_: Any) -> list[BindParameter[Any]]:
    """Parameters for an ``IN`` list of ``count`` values, which ``named`` fills."""
    return [bindparam(f"{name}{place}", type_=type_) for place in range(count)]


def width(count: int) -> int:
    """Of how many values an ``IN`` list is made for ``count``: few statements serve all.

    >>> width(1), width(2), width(3), width(500)
    (1, 2, 4, 512)
    """
    return 1 << max(count - 1, 0).bit_length()


def named(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Values for ``listed(name, width(len(values)))``; the last one stands for the rest."""
    full = [*values, *[values[-1]] * (width(len(values)) - len(values))]
    return {f"{name}{place}": value for place, value in enumerate(full)}


def lock_number(*name: str) -> int:
    """The number by which PostgreSQL knows a lock."""
    digest = hashlib.blake2b("\0".join(name).encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


@lru_cache(4096)  # the same cards, contracts and EVSEs come again; 1 MB
def _keyed_hash(secret: bytes, name: str, value: str) -> bytes:
    text = f"{name}\0{value}".encode("utf-8", "surrogatepass")
    return hmac.digest(secret, text, "sha256")[:16]


_LOCK = Prepared(select(func.pg_advisory_xact_lock(bindparam("number", type_=BigInteger))))


def _nothing() -> None: ...


class Tx:
    """One open transaction."""

    def __init__(self, connection: Connection, clock: Clock, secret: bytes) -> None:
        self.connection = connection
        self._clock = clock
        self._secret = secret
        self.between: Callable[[], None] = _nothing
        """Called before each statement."""
        self.is_sqlite = connection.dialect.name == "sqlite"

    @cached_property
    def now(self) -> datetime:
        """The instant of this transaction: one for all its rows, read after the write lock."""
        now = self._clock()
        if now.tzinfo is None:
            raise ValueError("the clock of the store must give aware instants")
        return now.astimezone(UTC)

    def execute(
        self,
        statement: Executable,
        rows: Sequence[dict[str, Any]] | dict[str, Any] | None = None,
    ) -> "CursorResult[*tuple[Any, ...]]":
        """Run a statement, once (with these values) or for each of ``rows``.

        One that is made once and has parameters costs a tenth of one that is made for each call.
        """
        self.between()
        result = self.connection.execute(statement, rows)
        assert isinstance(result, CursorResult)
        return result

    def rows(self, statement: Prepared, values: Values) -> list[tuple[Any, ...]]:
        """Run a prepared statement; the rows that it gives."""
        self.between()
        return statement.rows(self.connection, values)

    def inserted(self, statement: Prepared, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Run a prepared INSERT of all these rows; what it gives back."""
        self.between()
        return statement.inserted(self.connection, rows)

    def each(self, statement: Prepared, rows: Sequence[Values]) -> None:
        """Run a prepared statement for each of these rows."""
        self.between()
        statement.run(self.connection, rows)

    def insert(self, table: Table) -> "sqlite.Insert | postgresql.Insert":
        """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def lock(self, *name: str) -> None:
        """Wait until no other transaction holds the lock of this name; held to the end.

        SQLite has one writer at a time, so there the name is held from the start.
        """
        if not self.is_sqlite:
            self.rows(_LOCK, {"number": lock_number(*name)})

    def keyed_hash(self, name: str, value: str) -> bytes:
        """16 bytes that stand for a value, comparable only within this store."""
        return _keyed_hash(self._secret, name, value)
