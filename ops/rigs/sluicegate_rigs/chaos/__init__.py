"""Chaos: kills, freezes and restarts a deployment, then judges whether its promises held."""
