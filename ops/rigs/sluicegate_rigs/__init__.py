"""The rigs that test, measure and show Sluicegate; they are not part of the wheel."""
