"""Runs the migrations in the transaction of the connection that ``store`` hands in."""

from alembic import context

from sluicegate.archive.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
