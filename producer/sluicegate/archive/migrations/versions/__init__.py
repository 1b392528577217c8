"""Each version of the archive's tables, as a step from the one before it."""
