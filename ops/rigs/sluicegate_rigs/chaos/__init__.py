"""Chaos: a deployment under kills, freezes and restarts, and whether its promises held."""
