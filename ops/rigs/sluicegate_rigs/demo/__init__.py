"""The demo: a campaign through real parts, a worker killed on the way, an honest sum."""
