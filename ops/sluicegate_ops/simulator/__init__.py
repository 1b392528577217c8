"""A stateful fake of the Telnyx API: limits, idempotency keys, faults, and a log of requests."""

from .billing import Billing
from .http.server import Simulator, run, serve, simulator_in_thread
from .settings import Faults, Settings, Webhooks

__all__ = [
    "Billing",
    "Faults",
    "Settings",
    "Simulator",
    "Webhooks",
    "run",
    "serve",
    "simulator_in_thread",
]
