"""The settings of chaos: the provider's behaviour, the account's limits, the numbers."""

from typing import Any

from sluicegate_ops.simulator import Billing, Settings, Webhooks

from ..deployment import API_KEY, Deployment

LIMIT = 100
"""Requests a second."""

CONCURRENCY = 40
WORKERS = 4
SPARES = 3
"""Additional workers, since starting one takes a second or two."""

LEASE_SECONDS = 2.0
DRAIN_SECONDS = 6.0
CAMPAIGN = "chaos"
SENDER = "+15550000000"

# It ignores idempotency keys, so a second POST is a second message and no mistake stays hidden.
# Its receipts are slow, so a lease may end before a receipt proves what happened to the POST. Some
# costs are told late, or changed in the end.
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
    billing=Billing(changed_cost=0.2, changed_parts=0.1, silent_answer=0.2, silent_final=0.1),
)

# Doubts are held until evidence comes, so whatever is sent twice was sent by mistake.
ACCOUNT: dict[str, Any] = {
    "limit": LIMIT,
    "concurrency": CONCURRENCY,
    "lease_seconds": LEASE_SECONDS,
    "in_doubt": {"policy": "hold"},
}


def make_deployment(*, forked: bool = False) -> Deployment:
    """Make a deployment, not started yet, whose server keeps every write that it answered."""
    return Deployment(
        PROVIDER,
        account=ACCOUNT,
        append_only="always",
        receipts=True,
        forked=forked,
        drain_seconds=DRAIN_SECONDS,
    )
