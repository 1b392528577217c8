"""What a scrape asks of an account beside its facts, at a cost that no backlog raises."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sluicegate.campaigns.ledger import Ledger, Ledgers
from sluicegate.keys import CLASSES, Keys

from .apps import AppCounts, app_counts
from .archive import ArchiveState, glance
from .facts import LIVE_SECONDS
from .notifying import read_notifying
from .reconcile import ReconcileState, read_reconcile
from .waiting_webhooks import WaitingWebhooks, read_waiting_webhooks

CAMPAIGNS_SHOWN = 20
"""Campaigns with series of their own: the newest of those that have not ended."""


class ScrapeCounts(NamedTuple):
    """Sizes of an account's sets at one moment.

    ``parked`` has the level of each member that is parked, ``ready`` counts what stands at the
    tops of the trees of lanes, ``campaigns`` those that run, ``workers`` those heard lately,
    ``twice`` messages sent twice that nobody has cleared; ``apps`` are by name, ``webhooks`` those
    to be passed on; ``archive`` is where what has ended goes, ``reconcile`` the last run of that.
    ``notices`` wait for the receiver that is furthest behind.
    """

    parked: Sequence[str]
    workers: int
    campaigns: int
    optouts: int
    twice: int
    ready: int
    apps: Mapping[str, AppCounts]
    webhooks: WaitingWebhooks
    archive: ArchiveState
    reconcile: ReconcileState
    notices: int


def read_scrape(client: Any, keys: Keys, now_ms: float) -> ScrapeCounts:
    """Read them all at once; it costs as much as there are parked members."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hvals(keys("parked_by"))
    pipeline.zcount(keys("workers"), f"({now_ms - 1000 * LIVE_SECONDS:.0f}", "+inf")
    pipeline.scard(keys("running"))
    pipeline.hlen(keys("optouts"))
    pipeline.hlen(keys("twice"))
    pipeline.hgetall(keys("apps"))
    for lanes in CLASSES:
        pipeline.zcard(keys(f"ready:{lanes}"))
    parked, workers, campaigns, optouts, twice, apps, *ready = pipeline.execute()
    return ScrapeCounts(
        parked=[level.decode() for level in parked],
        workers=workers,
        campaigns=campaigns,
        optouts=optouts,
        twice=twice,
        ready=sum(ready),
        apps=app_counts(apps),
        webhooks=read_waiting_webhooks(client, keys),
        archive=glance(client, keys),
        reconcile=read_reconcile(client, keys),
        notices=max(read_notifying(client, keys).waiting.values(), default=0),
    )


def read_ledgers(client: Any, keys: Keys) -> Mapping[str, Ledger]:
    """The ledgers of the newest CAMPAIGNS_SHOWN campaigns that have not ended, by name."""
    pipeline = client.pipeline(transaction=False)
    pipeline.smembers(keys("running"))
    pipeline.zrange(keys("closed"), 0, -1)
    running, closed = pipeline.execute()
    names = sorted({*running, *closed})
    if not names:
        return {}
    created = dict(zip(names, client.zmscore(keys("campaigns"), names), strict=True))
    names.sort(key=lambda name: created[name] or 0, reverse=True)
    shown = [name.decode() for name in names[:CAMPAIGNS_SHOWN]]
    return Ledgers(client, keys).read_all(shown)
