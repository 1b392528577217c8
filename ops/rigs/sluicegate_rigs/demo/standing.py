"""Where the demo's campaign stands at one moment, and what the provider has received."""

import time
from typing import Any, cast

from sluicegate import Sluice
from sluicegate.campaigns.campaign import Campaigns

from ..deployment import Deployment
from .setting import NAME


class Standing:
    """A snapshot of our state and of the provider's report."""

    def __init__(self, deployment: Deployment, sluice: Sluice) -> None:
        client = cast("Any", sluice.client)
        totals = client.hgetall(sluice.keys("totals"))
        self.totals = {name.decode(): int(value) for name, value in totals.items()}
        campaigns = Campaigns(sluice.client, sluice.keys)
        self.ledger = campaigns.ledger(NAME)
        self.state = campaigns.get(NAME).state
        self.under_way: int = client.zcard(sluice.keys("started"))
        self.received: dict[str, Any] = deployment.provider("report")
        self.at = time.monotonic()

    @property
    def accepted(self) -> int:
        return self.ledger.states["accepted"]

    @property
    def waiting(self) -> int:
        """Messages that no worker has begun to send."""
        return self.ledger.states["waiting"] - self.under_way

    @property
    def to_send(self) -> int:
        return self.ledger.imported - self.ledger.states["suppressed"]
