"""Campaigns that have finished lately, and what became of their recipients."""

from typing import Any

import msgspec
import redis

from sluicegate.campaigns.ledger import Ledger, Ledgers
from sluicegate.keys import Keys

_PREFIX = "campaign:"


class EndedCampaign(msgspec.Struct, frozen=True):
    """One that finished at ``ended_ms`` (wall)."""

    name: str
    ended_ms: float
    ledger: Ledger


def read_finished(client: redis.Redis, keys: Keys, since_ms: float) -> list[EndedCampaign]:
    """Those that have finished since, at most three days ago, the first first.

    It costs as much as campaigns run, or ended so lately.
    """
    store: Any = client
    levels = [level.decode() for level in store.zrange(keys("trends_due"), 0, -1)]
    names = [level.removeprefix(_PREFIX) for level in levels if level.startswith(_PREFIX)]
    if not names:
        return []
    pipeline = store.pipeline(transaction=False)
    for name in names:
        pipeline.hmget(keys.campaign(name), "state", "ended")
    ended = {
        name: float(at)
        for name, (state, at) in zip(names, pipeline.execute(), strict=True)
        if state == b"finished" and at and float(at) >= since_ms
    }
    if not ended:
        return []
    ledgers = Ledgers(client, keys).read_all(list(ended))
    found = [EndedCampaign(name, at, ledgers[name]) for name, at in ended.items()]
    return sorted(found, key=lambda campaign: (campaign.ended_ms, campaign.name))
