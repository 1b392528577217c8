"""The archive's migrations, for Alembic: one file for each version of its tables."""
