"""``sluicegate probe``: a few free calls with a real key, and what their rate headers say."""
