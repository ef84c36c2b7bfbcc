"""Identifiers of messages wait in rows of many until they are sorted in."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "fresh_identifiers",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("names", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_fresh_identifiers"),
    )
