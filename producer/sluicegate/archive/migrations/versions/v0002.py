"""The second version: messages are found by the provider's id, for its records name no other."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    op.create_index("messages_provider", "messages", ["account", "provider_id"])


def downgrade() -> None:
    """Nothing leads back: an archive is restored from its backup."""
    raise NotImplementedError
