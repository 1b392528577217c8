"""``sluicegate simulate``: a provider to try things on."""
