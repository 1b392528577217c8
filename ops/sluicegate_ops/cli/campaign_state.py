"""A campaign as it stands: what workers hold of it, what it died of, and its pace."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from sluicegate.campaigns.campaign import Campaign, Campaigns
from sluicegate.keys import Keys

from .kit.output import hidden
from .kit.session import Session

_PAGE = 1000

INDEXES = {"dead": "dead", "in_doubt": "doubts", "retrying": "due"}
"""States whose messages stand in an index, with a reason each."""


class Cause(msgspec.Struct):
    """How many recipients in ``state`` have ``code``, with the reason of one of them."""

    state: str
    code: str
    count: int
    reason: str


def campaigns_of(session: Session) -> Campaigns:
    """The account's campaigns."""
    return Campaigns(session.client, session.keys)


def claimed(session: Session, name: str) -> int:
    """How many of its recipients workers hold right now."""
    client: Any = session.client
    return sum(id.startswith(f"{name}.".encode()) for id in client.hkeys(session.keys("leases")))


def causes(session: Session, name: str, *states: str) -> list[Cause]:
    """What its recipients in ``states`` were last answered, by code, the most frequent first."""
    found: dict[tuple[str, str], Cause] = {}
    for state in states:
        for code, reason in _answers(session.client, session.keys, name, INDEXES[state]):
            known = found.setdefault((state, code), Cause(state, code, 0, reason))
            known.count += 1
    return sorted(found.values(), key=lambda cause: (cause.state, -cause.count))


def undelivered(session: Session, name: str) -> list[tuple[str, int]]:
    """Codes of its recipients that were accepted and not delivered, the most frequent first.

    It looks at every record of the campaign.
    """
    client: Any = session.client
    codes: dict[bytes, str] = {}
    keys = client.scan_iter(match=session.keys.record(f"{name}.*"), count=_PAGE)
    while page := list(islice(keys, _PAGE)):
        pipeline = client.pipeline(transaction=False)
        for key in page:
            pipeline.hmget(key, "fate", "fate_code")
        for key, (fate, code) in zip(page, pipeline.execute(), strict=True):
            if fate == b"failed":
                codes[key] = (code or b"").decode(errors="replace")
    return Counter(codes.values()).most_common()


def pace(campaign: Campaign) -> str:
    """Its own rate and its weight, for people; ``""`` where it has neither."""
    rate = [f"{campaign.per_second:g} segments per s"] * bool(campaign.per_second)
    weight = [f"weight {campaign.weight:g}"] * (campaign.weight != 1)
    return ", ".join(rate + weight)


def _answers(client: Any, keys: Keys, name: str, index: str) -> Iterator[tuple[str, str]]:
    """Code and reason of each of its recipients in an index."""
    for ids in _pages(client, keys(index), name):
        pipeline = client.pipeline(transaction=False)
        for id in ids:
            pipeline.hmget(keys.record(id), "code", "reason")
        for code, reason in pipeline.execute():
            yield (code or b"").decode(), hidden((reason or b"").decode(errors="replace"))


def _pages(client: Any, key: str, name: str) -> Iterator[list[str]]:
    """The ids of its recipients in a sorted set, each once: a scan may give one again."""
    seen: set[bytes] = set()
    scanned = client.zscan_iter(key, match=f"{name}.*", count=_PAGE)
    while page := list(islice((id for id, _ in scanned if id not in seen), _PAGE)):
        seen.update(page)
        yield [id.decode() for id in dict.fromkeys(page)]
