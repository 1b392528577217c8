"""Sluicegate's operations: command line, simulator, demo."""
