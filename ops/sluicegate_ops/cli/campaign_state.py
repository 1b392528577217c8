"""A campaign as it stands: its ledger, what workers hold of it, what it died of, why it waits."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from sluicegate.campaign import Campaign, Campaigns
from sluicegate.keys import Keys
from sluicegate.ledger import Ledger

from .findings import LIVE_SECONDS
from .output import clean, counted, hidden, lasting
from .session import Session
from .state import State

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


def why(campaign: Campaign, ledger: Ledger, account: State) -> str:
    """Why it isn't further, in one line; ``""`` where nothing is left to do."""
    name = campaign.name
    match campaign.state:
        case "draft":
            return "it is a draft: sluicegate campaign start FILE begins or ends its import"
        case "paused":
            return f"it is paused: sluicegate campaign resume {name}"
        case "running":
            return next(_obstacles(ledger, account), "")
    return ""


def _obstacles(ledger: Ledger, account: State) -> Iterator[str]:
    """What holds a running campaign up, what stops most first."""
    for halt in account.halts:
        if halt.until_ms is None or halt.until_ms > account.now_ms:
            yield f"{halt.level} is halted: {clean(hidden(halt.why))}; see: sluicegate status"
    heard = min((worker.seconds_ago for worker in account.workers), default=None)
    if heard is None or heard >= LIVE_SECONDS:
        silence = "in the last hour" if heard is None else f"for {lasting(heard)}"
        yield f"no worker has been heard {silence}: celery -A sluicegate_worker.app worker"
    rate = account.rate
    if rate.blocked_seconds:
        yield f"the provider answered 429: sending goes on in {lasting(rate.blocked_seconds)}"
    if ledger.states["waiting"]:
        yield f"the account's limit: {limit(account)}, {rate.used:,} used in the last window"
    if retrying := ledger.states["retrying"]:
        yield f"{counted(retrying, 'recipient')} will be tried again, by itself"
    if ledger.states["in_doubt"]:
        yield "the rest is in doubt: sluicegate doubt list"


def limit(account: State) -> str:
    """The account's limit, for people."""
    return f"{account.rate.limit:g} per {account.rate.window_seconds:g} s"


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
