"""``sluicegate setup``: from a key to a written configuration, and back."""
