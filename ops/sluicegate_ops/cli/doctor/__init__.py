"""``sluicegate doctor``: everything that a deployment gets wrong, each with its remedy."""
