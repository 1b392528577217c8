"""A campaign as it stands: what workers hold of it, and what its recipients were answered."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
import redis

from sluicegate.keys import Keys
from sluicegate.stored import DELIVERY_FIELDS, MessageId, Record

_PAGE = 1000

INDEXES = {"dead": "dead", "in_doubt": "doubts", "retrying": "due"}
"""States whose messages stand in an index, each with the reason for its state."""


class CampaignCause(msgspec.Struct):
    """How many recipients in ``state`` have ``code``, with the reason of one of them."""

    state: str
    code: str
    count: int
    reason: str


def claimed(client: redis.Redis, keys: Keys, name: str) -> int:
    """How many of its recipients workers hold right now."""
    store: Any = client
    return sum(MessageId.parse(id).campaign == name for id in store.hkeys(keys("leases")))


def campaign_causes(
    client: redis.Redis, keys: Keys, name: str, *states: str
) -> list[CampaignCause]:
    """What its recipients in ``states`` were last answered, by code, the most frequent first."""
    causes: dict[tuple[str, str], CampaignCause] = {}
    for state in states:
        for code, reason in _answers(client, keys, name, INDEXES[state]):
            cause = causes.setdefault((state, code), CampaignCause(state, code, 0, reason))
            cause.count += 1
    return sorted(causes.values(), key=lambda cause: (cause.state, -cause.count))


def undelivered(client: redis.Redis, keys: Keys, name: str) -> list[tuple[str, int]]:
    """Codes of its recipients that were accepted and not delivered, the most frequent first.

    Reads every record of the campaign.
    """
    store: Any = client
    codes: dict[bytes, str] = {}
    records = store.scan_iter(match=keys.record(f"{name}.*"), count=_PAGE)
    while page := list(islice(records, _PAGE)):
        pipeline = store.pipeline(transaction=False)
        for key in page:
            pipeline.hmget(key, *DELIVERY_FIELDS)
        for key, values in zip(page, pipeline.execute(), strict=True):
            record = Record.parse_some(DELIVERY_FIELDS, values)
            if record.delivery == "failed":
                codes[key] = record.delivery_code
    return Counter(codes.values()).most_common()


def _answers(client: Any, keys: Keys, name: str, index: str) -> Iterator[tuple[str, str]]:
    """Code and reason of each of its recipients in an index."""
    for ids in _pages(client, keys(index), name):
        pipeline = client.pipeline(transaction=False)
        for id in ids:
            pipeline.hmget(keys.record(id), "code", "reason")
        for code, reason in pipeline.execute():
            yield (code or b"").decode(), (reason or b"").decode(errors="replace")


def _pages(client: Any, key: str, name: str) -> Iterator[list[str]]:
    """The ids of its recipients in a sorted set, each once: a scan may return one again."""
    seen: set[bytes] = set()
    scanned = client.zscan_iter(key, match=f"{name}.*", count=_PAGE)
    while page := list(islice((id for id, _ in scanned if id not in seen), _PAGE)):
        seen.update(page)
        yield [id.decode() for id in dict.fromkeys(page)]
