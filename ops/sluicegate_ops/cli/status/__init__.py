"""``sluicegate status``, ``why`` and ``lanes``: what is wrong, and what holds messages back."""
