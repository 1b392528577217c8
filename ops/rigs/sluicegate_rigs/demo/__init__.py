"""The demo: a campaign through the real parts, a worker killed half way, and the sums."""
