"""A fake Telnyx API v2 that keeps state: limits, idempotency keys, faults, and a full record."""

from .server import Simulator, run, serve, simulator_in_thread
from .settings import Faults, Settings

__all__ = ["Faults", "Settings", "Simulator", "run", "serve", "simulator_in_thread"]
