"""Campaigns that go out once a second person has approved them."""

from typing import Any

import msgspec
import redis

from sluicegate.campaigns.ledger import Ledgers
from sluicegate.keys import Keys

_MOST = 200
_WAITING = (b"draft", b"scheduled")


class AwaitingApproval(msgspec.Struct, frozen=True):
    """One with ``recipients`` so far, and who made or changed it."""

    name: str
    recipients: int
    changed_by: str


def read_awaiting(client: redis.Redis, keys: Keys) -> list[AwaitingApproval]:
    """Those with recipients that wait for it, of the latest 200 campaigns, the latest first."""
    store: Any = client
    everyone = store.hexists(keys("limits"), "approval")
    names = [name.decode() for name in store.zrevrange(keys("campaigns"), 0, _MOST - 1)]
    pipeline = store.pipeline(transaction=False)
    for name in names:
        pipeline.hmget(keys.campaign(name), "state", "approved", "drafted_by", "changed_by")
    fields = zip(names, pipeline.execute(), strict=True)
    changers = {
        name: (changed_by or drafted_by or b"").decode(errors="replace")
        for name, (state, approved, drafted_by, changed_by) in fields
        if state in _WAITING and not approved and (everyone or drafted_by)
    }
    if not changers:
        return []
    ledgers = Ledgers(client, keys).read_all(list(changers))
    found = (AwaitingApproval(n, ledgers[n].imported, who) for n, who in changers.items())
    return [one for one in found if one.recipients]
