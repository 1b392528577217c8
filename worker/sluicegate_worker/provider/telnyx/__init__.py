"""Telnyx: its two APIs, v2 and the legacy v1, and the webhooks that both send."""
