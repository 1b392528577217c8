"""A campaign as it stands: what workers hold of it, and what its recipients were answered."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec
import redis

from sluicegate.archive import ArchiveReader
from sluicegate.keys import Keys
from sluicegate.stored import DELIVERY_FIELDS, CostSum, MessageId, Record

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


class AcceptedPart(msgspec.Struct, frozen=True):
    """Accepted recipients with one ``delivery``, "unknown" without a receipt, and one ``code``.

    ``costs`` are what was billed for them, by currency; "" has those without a cost.
    """

    delivery: str
    code: str
    count: int
    costs: Mapping[str, CostSum]


def accepted_parts(
    client: redis.Redis, keys: Keys, name: str, archive: ArchiveReader
) -> list[AcceptedPart]:
    """Its accepted recipients by what receipts said of them, the most frequent first.

    Reads every record of the campaign, in the archive too; in which order makes no difference.
    """
    store: Any = client
    seen: dict[bytes, tuple[str, str]] = {}
    costs: dict[tuple[str, str], dict[str, CostSum]] = {}
    records = store.scan_iter(match=keys.record(f"{name}.*"), count=_PAGE)
    names = ("state", "bill", "billed", "provider_id_2", *DELIVERY_FIELDS)
    while scanned := list(islice(records, _PAGE)):
        page = [key for key in dict.fromkeys(scanned) if key not in seen]  # a scan may repeat one
        pipeline = store.pipeline(transaction=False)
        for key in page:
            pipeline.hmget(key, *names)
        for key, values in zip(page, pipeline.execute(), strict=True):
            record = Record.parse_some(names, values)
            if record.state != "accepted":
                continue
            if record.provider_id_2:  # seldom: what the others cost has no fixed names
                record = Record.parse(store.hgetall(key))
            seen[key] = _note_part(record, costs)
    for message in archive.of_campaign(name):
        key, record = keys.record(message.id).encode(), message.record
        if record.state == "accepted" and key not in seen:
            seen[key] = _note_part(record, costs)
    counted = sorted(Counter(seen.values()).items(), key=lambda part: (-part[1], part[0]))
    return [
        AcceptedPart(*place, count, dict(sorted(costs[place].items()))) for place, count in counted
    ]


def _note_part(
    record: Record, costs: dict[tuple[str, str], dict[str, CostSum]]
) -> tuple[str, str]:
    """Add what a record cost to its part's sums; return which part it is of."""
    place = (record.delivery or "unknown", record.delivery_code)
    sums = costs.setdefault(place, {})
    for bill in record.bills:
        sums[bill.currency] = sums.get(bill.currency, CostSum()) + CostSum.of(bill)
    return place


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
