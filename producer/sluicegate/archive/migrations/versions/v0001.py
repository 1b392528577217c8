"""The first version: identity, books, messages and what was removed."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "identity",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "books",
        sa.Column("account", sa.String(40), primary_key=True),
        sa.Column("books", sa.String(40), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("account", sa.String(40), primary_key=True),
        sa.Column("id", sa.String(262), primary_key=True),
        sa.Column("born", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("campaign", sa.String(60), nullable=False),
        sa.Column("recipient", sa.String(20), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("maybe_sent", sa.Integer, nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("delivery", sa.String(12), nullable=False),
        sa.Column("delivery_at", sa.BigInteger, nullable=False),
        sa.Column("delivery_code", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("rest", sa.Text, nullable=False),
    )
    for name in ("recipient", "campaign", "day"):
        op.create_index(f"messages_{name}", "messages", ["account", name])
    op.create_table(
        "removed",
        sa.Column("account", sa.String(40), primary_key=True),
        sa.Column("campaign", sa.String(60), primary_key=True),
        sa.Column("state", sa.String(12), primary_key=True),
        sa.Column("delivery", sa.String(12), primary_key=True),
        sa.Column("maybe_sent", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Nothing leads back: an archive is restored from its backup."""
    raise NotImplementedError
