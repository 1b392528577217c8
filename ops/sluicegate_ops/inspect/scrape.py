"""What a scrape asks of an account beside its facts, at a cost that no backlog raises."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sluicegate.keys import CLASSES, Keys

from .facts import LIVE_SECONDS


class ScrapeCounts(NamedTuple):
    """Sizes of an account's sets at one moment.

    ``parked`` has the level of each member that is parked, ``ready`` counts what stands at the
    tops of the trees of lanes, ``campaigns`` those that run, ``workers`` those heard lately.
    """

    parked: Sequence[str]
    workers: int
    campaigns: int
    optouts: int
    ready: int


def read_scrape(client: Any, keys: Keys, now_ms: float) -> ScrapeCounts:
    """Read them all at once; it costs as much as there are parked members."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hvals(keys("parked_by"))
    pipeline.zcount(keys("workers"), f"({now_ms - 1000 * LIVE_SECONDS:.0f}", "+inf")
    pipeline.scard(keys("running"))
    pipeline.hlen(keys("optouts"))
    for lanes in CLASSES:
        pipeline.zcard(keys(f"ready:{lanes}"))
    parked, workers, campaigns, optouts, *ready = pipeline.execute()
    return ScrapeCounts(
        parked=[level.decode() for level in parked],
        workers=workers,
        campaigns=campaigns,
        optouts=optouts,
        ready=sum(ready),
    )
