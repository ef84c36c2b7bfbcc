"""The tables of the store, the same on SQLite and PostgreSQL.

Limits: canonical objects are opaque bytes here; what is searched stands in columns beside them.
Why: instants are integer microseconds UTC, so that both databases compare and round them alike;
texts compare byte by byte (collation C on PostgreSQL) for the same reason.

A change here needs a migration; a test compares the two.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.types import TypeDecorator

from gateway.errors import Malformed
from gateway.store.packed import pack, unpack

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MAX_KEY_BYTES = 512
"""Longest text in an indexed column; PostgreSQL's index entries end at 2,700 bytes."""


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + value * MICROSECOND


class Span(TypeDecorator[timedelta]):
    """A time that something took, stored as microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> Any:
        return None if value is None else value // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> timedelta | None:
        return None if value is None else value * MICROSECOND


class Word(TypeDecorator[str]):
    """A text that is compared or indexed, and one of the gateway's own: a name, a code, a state."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return Text(collation="C") if dialect.name == "postgresql" else Text()


class Key(Word):
    """The same of any text: bounded, and only what both databases can hold."""

    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        if value is not None:
            if len(value) <= MAX_KEY_BYTES and value.isascii() and "\0" not in value:
                return value
            try:
                size = len(value.encode())
            except UnicodeEncodeError:
                raise Malformed(f"{value[:40]!r} is no Unicode text") from None
            if size > MAX_KEY_BYTES:
                raise Malformed(f"{value[:40]!r}... has {size} bytes, over {MAX_KEY_BYTES}")
            if "\0" in value:
                raise Malformed(f"{value[:40]!r} has a NUL character")
        return value


class Note(TypeDecorator[str]):
    """A text for people, of any length; what no database holds is written as an escape."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


class Packed(TypeDecorator[bytes]):
    """Bytes of any length, kept small; see ``packed``."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        return pack(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        return unpack(bytes(value))


Sequence = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up only what it calls INTEGER."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _sequence(name: str) -> Column[int]:
    return Column(name, Sequence, primary_key=True, autoincrement=True)


objects = Table(
    "objects",
    metadata,
    _sequence("seq"),
    Column("kind", Word, nullable=False),
    Column("owner", Key, nullable=False),
    Column("id", Key, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("updated", Instant, nullable=False),
    Column("source", Word, nullable=False),
    Column("sort_key", Key),
    Column("state", Word),
    Column("deleted", Boolean, nullable=False),
    UniqueConstraint("kind", "owner", "id"),
    Index(None, "kind", "seq"),
    Index(None, "kind", "owner", "sort_key", "seq"),
    Index(None, "kind", "updated"),
    Index(None, "kind", "state", "seq"),
    sqlite_autoincrement=True,
)

object_keys = Table(
    "object_keys",
    metadata,
    Column("kind", Word, primary_key=True),
    Column("name", Word, primary_key=True),
    Column("value", Key, primary_key=True),
    Column("owner", Key, primary_key=True),
    Column("id", Key, primary_key=True),
    Index(None, "kind", "owner", "id"),
)

cdr_history = Table(
    "cdr_history",
    metadata,
    _sequence("seq"),
    Column("owner", Key, nullable=False),
    Column("id", Key, nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", Key, nullable=False),
    Column("from_state", Key),
    Column("to_state", Key, nullable=False),
    Column("reason", Note),
    Index(None, "owner", "id", "seq"),
    sqlite_autoincrement=True,
)

id_map = Table(
    "id_map",
    metadata,
    Column("party", Key, primary_key=True),
    Column("kind", Key, primary_key=True),
    Column("foreign_id", Key, primary_key=True),
    Column("canonical_id", Key, nullable=False),
    UniqueConstraint("party", "kind", "canonical_id"),
)

messages = Table(
    "messages",
    metadata,
    _sequence("seq"),
    Column("id", Key, nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("direction", Key, nullable=False),
    Column("party", Key, nullable=False),
    Column("protocol", Key, nullable=False),
    Column("operation", Key, nullable=False),
    Column("wire", Key),
    Column("kind", Key, nullable=False),
    Column("correlation", Key, nullable=False),
    Column("outcome", Key, nullable=False),
    Column("reason", Note),
    Column("status", Integer),
    Column("duration", Span, nullable=False),
    Column("delivery", BigInteger),
    Column("attempt", Integer),
    Index(None, "kind", "at"),
    Index(None, "at"),
    Index(None, "party", "seq"),
    Index(None, "operation", "seq"),
    Index(None, "wire", "seq"),
    Index(None, "correlation"),
    sqlite_autoincrement=True,
)
# of most messages there is nothing to look for here
failed = messages.c.outcome != literal_column("'ok'")
Index("ix_messages_outcome_seq", messages.c.outcome, messages.c.seq,
      sqlite_where=failed, postgresql_where=failed)  # fmt: skip

# apart from what is searched, so that a search does not read them
message_contents = Table(
    "message_contents",
    metadata,
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    Column("line", Note),
    Column("request", Packed),
    Column("request_hash", LargeBinary),
    Column("answer", Packed),
    Column("answer_hash", LargeBinary),
    Column("canonical", Packed),
    Column("findings", Packed),
)

message_identifiers = Table(
    "message_identifiers",
    metadata,
    Column("name", Key, primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    Column("message", BigInteger, primary_key=True),
    Index(None, "message"),
)

# those that are not sorted in yet: some in each row
fresh_identifiers = Table(
    "fresh_identifiers",
    metadata,
    Column("seq", Sequence, primary_key=True),
    Column("names", LargeBinary, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    _sequence("id"),
    Column("party", Key, nullable=False),
    Column("kind", Key, nullable=False),
    Column("object_key", Key, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("correlation", Key, nullable=False),
    Column("fifo", Key),
    Column("created", Instant, nullable=False),
    Column("due", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", Key, nullable=False),
    # False while an earlier one of the same (party, fifo) is pending
    Column("ready", Boolean, nullable=False),
    Column("lease_owner", Key),
    Column("lease_until", Instant),
    Column("error", Note),
    Index(None, "state", "ready", "due", "id"),
    Index(None, "state", "id"),
    Index(None, "party", "fifo", "state", "id"),
    Index(None, "party", "object_key", "state"),
    Index(None, "correlation"),
    sqlite_autoincrement=True,
)
# few are claimed, of many that wait
claimed = deliveries.c.lease_owner.is_not(None)
Index("ix_deliveries_lease_owner", deliveries.c.lease_owner,
      sqlite_where=claimed, postgresql_where=claimed)  # fmt: skip

registrations = Table(
    "registrations",
    metadata,
    Column("party", Key, primary_key=True),
    Column("state", Key, nullable=False),
    Column("version", Key),
    Column("url", Key),
    Column("endpoints", LargeBinary),
    # in clear: it has to be presented
    Column("token_out", Key),
    Column("updated", Instant, nullable=False),
)

party_tokens = Table(
    "party_tokens",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("party", Key, nullable=False),
    Column("slot", Key, nullable=False),
    Column("created", Instant, nullable=False),
    UniqueConstraint("party", "slot"),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("party", Key, primary_key=True),
    Column("what", Key, primary_key=True),
    Column("at", Instant, nullable=False),
)

party_values = Table(
    "party_values",
    metadata,
    Column("party", Key, primary_key=True),
    Column("name", Key, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

seen_messages = Table(
    "seen_messages",
    metadata,
    Column("party", Key, primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    Column("until", Instant, nullable=False),
    Index(None, "until"),
)

meta = Table(
    "meta",
    metadata,
    Column("name", Key, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
