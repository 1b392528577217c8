"""The demo's settings: the file, the text, the provider's limits and faults."""

from pathlib import Path
from typing import Any

from sluicegate_ops.simulator import Faults, Settings, Webhooks
from sluicegate_ops.simulator.billing import Billing

FILE = Path("examples/customers.csv")
PRICES = Path("examples/prices.csv")
TEXT = "Hi {{ first_name }}, {{ item }} is ready for you in {{ city }}."
NAME = "ready-for-pickup"
SENDER = "+15550000000"
OPTED_OUT = "+16175550103"
"""A recipient in the file who opted out earlier."""

LIMIT_PER_SECOND = 50
PROVIDER = Settings(
    limit=LIMIT_PER_SECOND,
    window_seconds=1.0,
    limiter="sliding",
    latency_ms=80,
    latency_jitter_ms=10,
    faults=Faults(error_500=0.01, error_503=0.005, close_after=0.005),
    # The handsets answer after two seconds: some are off, and some carriers do not say. One
    # receipt in a hundred is lost.
    webhooks=Webhooks(
        delay_seconds=1.0, delivery_failed=0.03, delivery_unconfirmed=0.02, loss=0.01
    ),
    # Some messages cost more in the end than the answer said, and some answers say nothing.
    billing=Billing(changed_cost=0.02, silent_answer=0.01),
)

RECONCILE: dict[str, Any] = {"in_workers": False, "calls_per_second": 20.0}
"""The demo reconciles by its last command, and not in the middle."""

# Doubts are sent again after 2 s under the same key, since the simulator honours keys.
ACCOUNT: dict[str, Any] = {
    "limit": LIMIT_PER_SECOND,
    "lease_seconds": 3.0,
    "price_list": str(PRICES.resolve()),
    "in_doubt": {
        "policy": "resend",
        "transactional_wait_seconds": 2.0,
        "bulk_wait_seconds": 2.0,
    },
}
