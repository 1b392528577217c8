"""The table of handovers, for SQLAlchemy and Alembic."""

import sqlalchemy as sa

from .handover import TABLE

_metadata = sa.MetaData()

# AUTOINCREMENT: a number of a row that is gone must never be another's.
handovers = sa.Table(
    TABLE,
    _metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    sa.Column("message_id", sa.String(200), nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("app", sa.String(64), nullable=False),
    sa.Column("content", sa.Text(), nullable=False),
    sa.Column("put_ms", sa.BigInteger(), nullable=False),
    sa.Column("refused_ms", sa.BigInteger()),
    sa.Column("error", sa.Text(), nullable=False),
    sa.Index("sluicegate_handover_due", "refused_ms", "seq"),
    sqlite_autoincrement=True,
)


def add_table(metadata: sa.MetaData) -> sa.Table:
    """Add the table to the app's own metadata: ``create_all`` and Alembic then know of it."""
    return handovers.to_metadata(metadata)


def create_table(connection: sa.Connection | sa.Engine) -> None:
    """Create the table unless it is there; in a migration of Alembic with ``op.get_bind()``."""
    _metadata.create_all(connection)
