"""What chaos works on: the provider's manners, the account's limits, how many of what."""

from typing import Any

from sluicegate_ops.simulator import Settings, Webhooks

from ..deployment import API_KEY, Deployment

LIMIT = 100
"""Requests a second."""

CONCURRENCY = 40
WORKERS = 4
SPARES = 3
"""Workers beyond those that may be killed next, since a start takes a second or two."""

LEASE_SECONDS = 2.0
DRAIN_SECONDS = 6.0
CAMPAIGN = "chaos"
SENDER = "+15550000000"

# It knows no idempotency keys: a second POST is a second message, so nothing covers up a mistake.
# Its receipts are slow enough that a lease may end before one proves what became of the POST.
PROVIDER = Settings(
    api_keys=(API_KEY,),
    limit=LIMIT,
    window_seconds=1.0,
    limiter="sliding",
    latency_ms=100,
    latency_jitter_ms=30,
    idempotency=False,
    webhooks=Webhooks(
        delay_seconds=1.2,
        jitter_seconds=0.6,
        delivery_failed=0.03,
        delivery_unconfirmed=0.02,
        loss=0.1,
        duplicate=0.05,
        reorder=0.05,
        forged=0.01,
        tampered=0.01,
        stale=0.01,
    ),
)

# What is in doubt stays so until evidence comes: whatever is sent twice was sent by mistake.
ACCOUNT: dict[str, Any] = {
    "limit": LIMIT,
    "concurrency": CONCURRENCY,
    "lease_seconds": LEASE_SECONDS,
    "in_doubt": {"policy": "hold"},
}


def make_deployment() -> Deployment:
    """The deployment, not started yet; its server keeps every write that it answered."""
    return Deployment(
        PROVIDER,
        account=ACCOUNT,
        append_only="always",
        receipts=True,
        drain_seconds=DRAIN_SECONDS,
    )
