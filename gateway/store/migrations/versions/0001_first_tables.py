"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.BigInteger()


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "cdr_history",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by", KEY, nullable=False),
        sa.Column("from_state", KEY),
        sa.Column("to_state", KEY, nullable=False),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name="pk_cdr_history"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cdr_history_owner_id_seq", "cdr_history", ["owner", "id", "seq"])
    op.create_table(
        "deliveries",
        sa.Column("id", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("object_key", KEY, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("correlation", KEY, nullable=False),
        sa.Column("fifo", KEY),
        sa.Column("created", INSTANT, nullable=False),
        sa.Column("due", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("lease_owner", KEY),
        sa.Column("lease_until", INSTANT),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_deliveries_party_fifo_state_id", "deliveries", ["party", "fifo", "state", "id"]
    )
    op.create_index(
        "ix_deliveries_party_object_key_state", "deliveries", ["party", "object_key", "state"]
    )
    op.create_index("ix_deliveries_correlation", "deliveries", ["correlation"])
    claimed = sa.text("lease_owner IS NOT NULL")
    op.create_index(
        "ix_deliveries_lease_owner",
        "deliveries",
        ["lease_owner"],
        sqlite_where=claimed,
        postgresql_where=claimed,
    )
    op.create_index("ix_deliveries_state_id", "deliveries", ["state", "id"])
    op.create_index(
        "ix_deliveries_state_ready_due_id", "deliveries", ["state", "ready", "due", "id"]
    )
    op.create_table(
        "id_map",
        sa.Column("party", KEY, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("foreign_id", KEY, nullable=False),
        sa.Column("canonical_id", KEY, nullable=False),
        sa.PrimaryKeyConstraint("party", "kind", "foreign_id", name="pk_id_map"),
        sa.UniqueConstraint(
            "party", "kind", "canonical_id", name="uq_id_map_party_kind_canonical_id"
        ),
    )
    op.create_table(
        "message_identifiers",
        sa.Column("name", KEY, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "hash", "message", name="pk_message_identifiers"),
    )
    op.create_index("ix_message_identifiers_message", "message_identifiers", ["message"])
    op.create_table(
        "messages",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("direction", KEY, nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("protocol", KEY, nullable=False),
        sa.Column("operation", KEY, nullable=False),
        sa.Column("wire", KEY),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("correlation", KEY, nullable=False),
        sa.Column("outcome", KEY, nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("status", sa.Integer()),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("delivery", sa.BigInteger()),
        sa.Column("attempt", sa.Integer()),
        sa.PrimaryKeyConstraint("seq", name="pk_messages"),
        sa.UniqueConstraint("id", name="uq_messages_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_at", "messages", ["at"])
    op.create_index("ix_messages_correlation", "messages", ["correlation"])
    op.create_index("ix_messages_kind_at", "messages", ["kind", "at"])
    op.create_index("ix_messages_operation_seq", "messages", ["operation", "seq"])
    op.create_index("ix_messages_party_seq", "messages", ["party", "seq"])
    op.create_index("ix_messages_wire_seq", "messages", ["wire", "seq"])
    failed = sa.text("outcome != 'ok'")
    op.create_index(
        "ix_messages_outcome_seq",
        "messages",
        ["outcome", "seq"],
        sqlite_where=failed,
        postgresql_where=failed,
    )
    op.create_table(
        "message_contents",
        sa.Column("message", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Text()),
        sa.Column("request", sa.LargeBinary),
        sa.Column("request_hash", sa.LargeBinary),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("answer_hash", sa.LargeBinary),
        sa.Column("canonical", sa.LargeBinary),
        sa.Column("findings", sa.LargeBinary),
        sa.PrimaryKeyConstraint("message", name="pk_message_contents"),
    )
    op.create_table(
        "meta",
        sa.Column("name", KEY, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "object_keys",
        sa.Column("kind", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("value", KEY, nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "value", "owner", "id", name="pk_object_keys"),
    )
    op.create_index("ix_object_keys_kind_owner_id", "object_keys", ["kind", "owner", "id"])
    op.create_table(
        "objects",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("updated", INSTANT, nullable=False),
        sa.Column("source", KEY, nullable=False),
        sa.Column("sort_key", KEY),
        sa.Column("state", KEY),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_objects"),
        sa.UniqueConstraint("kind", "owner", "id", name="uq_objects_kind_owner_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_objects_kind_owner_sort_key_seq", "objects", ["kind", "owner", "sort_key", "seq"]
    )
    op.create_index("ix_objects_kind_seq", "objects", ["kind", "seq"])
    op.create_index("ix_objects_kind_state_seq", "objects", ["kind", "state", "seq"])
    op.create_index("ix_objects_kind_updated", "objects", ["kind", "updated"])
    op.create_table(
        "party_tokens",
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("party", KEY, nullable=False),
        sa.Column("slot", KEY, nullable=False),
        sa.Column("created", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_party_tokens"),
        sa.UniqueConstraint("party", "slot", name="uq_party_tokens_party_slot"),
    )
    op.create_table(
        "party_values",
        sa.Column("party", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("party", "name", name="pk_party_values"),
    )
    op.create_table(
        "registrations",
        sa.Column("party", KEY, nullable=False),
        sa.Column("state", KEY, nullable=False),
        sa.Column("version", KEY),
        sa.Column("url", KEY),
        sa.Column("endpoints", sa.LargeBinary),
        sa.Column("token_out", KEY),
        sa.Column("updated", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("party", name="pk_registrations"),
    )
    op.create_table(
        "watermarks",
        sa.Column("party", KEY, nullable=False),
        sa.Column("what", KEY, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("party", "what", name="pk_watermarks"),
    )
