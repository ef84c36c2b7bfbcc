"""Messages that were here: the memory against replays."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "seen_messages",
        sa.Column("party", KEY, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("party", "hash", name="pk_seen_messages"),
    )
    op.create_index("ix_seen_messages_until", "seen_messages", ["until"])
