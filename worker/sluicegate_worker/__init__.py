"""Sluicegate's worker: it drains the queue through Telnyx at exactly the rate allowed."""
