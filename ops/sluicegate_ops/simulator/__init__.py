"""A fake Telnyx API v2 that keeps state: limits, idempotency keys, faults, and a full record."""

from .http.server import Simulator, run, serve, simulator_in_thread
from .settings import Faults, Settings, Webhooks

__all__ = ["Faults", "Settings", "Simulator", "Webhooks", "run", "serve", "simulator_in_thread"]
