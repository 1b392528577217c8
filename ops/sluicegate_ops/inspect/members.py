"""A campaign's recipient that was never started: it has no record, only a ticket."""

from base64 import urlsafe_b64decode
from binascii import Error
from collections.abc import Iterator
from typing import Any, NamedTuple

import redis

from sluicegate.campaigns.plan import message_id
from sluicegate.keys import Keys, unsent_states

_PAGE = 1000


class Member(NamedTuple):
    """One recipient; ``to`` is "" while it waits in its lane, which is not searched."""

    campaign: str
    state: str
    to: str = ""


def member(client: redis.Redis, keys: Keys, id: str) -> Member | None:
    """Where recipient ``id`` stands; None unless it is a recipient that was never started.

    Reads the lists of those that ended unsent.
    """
    campaign, _, short = id.partition(".")
    hash = _hash(short)
    if hash is None or message_id(campaign, hash) != id:
        return None
    store: Any = client
    shards = store.hget(keys.campaign(campaign), "shards")
    if not shards or not store.sismember(keys.members(campaign, hash % int(shards)), str(hash)):
        return None
    lease = store.hget(keys("leases"), id)
    if lease:
        return Member(campaign, "granted", _to(lease.split(b"|", 5)[5]))
    for state in unsent_states():
        for ticket in _tickets(store, keys.unsent(campaign, state)):
            if ticket.startswith(f"{short}|".encode()):
                return Member(campaign, state, _to(ticket))
    return Member(campaign, "waiting")


def _hash(short: str) -> int | None:
    try:
        digest = urlsafe_b64decode(f"{short}=")
    except (Error, ValueError):
        return None
    return int.from_bytes(digest, signed=True) if len(digest) == 8 else None


def _tickets(client: Any, key: str) -> Iterator[bytes]:
    start = 0
    while page := client.lrange(key, start, start + _PAGE - 1):
        yield from page
        start += _PAGE


def _to(ticket: bytes) -> str:
    return ticket.split(b"|", 5)[4].decode()
