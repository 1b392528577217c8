"""The webhooks that the simulator sends: which events, when, and signed how."""
