"""What we build, prove and measure Sluicegate with: it is in the repository, not in the wheel."""
