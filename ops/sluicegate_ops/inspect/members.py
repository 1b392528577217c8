"""A campaign's recipient that was never started: it has no record, only a ticket."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import redis

from sluicegate.errors import Malformed
from sluicegate.keys import NAMED_ENDS, UNSENT, Keys
from sluicegate.stored import Lease, MessageId, Ticket

_PAGE = 1000


class Member(NamedTuple):
    """One recipient; ``to`` is "" while it waits in its lane, which is not searched.

    ``code`` says which limit on it ended its message, "" if none did.
    """

    campaign: str
    state: str
    to: str = ""
    code: str = ""


def member(client: redis.Redis, keys: Keys, id: str) -> Member | None:
    """Where recipient ``id`` stands; None unless it is a recipient that was never started.

    Reads the lists of those that ended unsent.
    """
    try:
        campaign, short, _ = name = MessageId.parse(id)
    except Malformed:
        return None
    if name.hash is None or not _was_imported(client, keys, campaign, name.hash):
        return None
    store: Any = client
    if lease := store.hget(keys("leases"), id):
        return Member(campaign, "granted", Lease.parse(lease).ticket.to)
    for ended, state in UNSENT.items():
        for ticket in _tickets(store, keys.unsent(campaign, ended)):
            if Ticket.short_of(ticket) == short.encode():
                code = ended if ended in NAMED_ENDS else ""
                return Member(campaign, state, Ticket.parse(ticket).to, code)
    state = store.hget(keys.campaign(campaign), "state")
    return Member(campaign, "cancelled" if state == b"cancelled" else "waiting")


def imported(client: redis.Redis, keys: Keys, among: Sequence[tuple[str, int, int]]) -> list[bool]:
    """Whether a hash was imported, of each campaign's name, its sets and that hash."""
    pipeline: Any = client.pipeline(transaction=False)
    for campaign, shards, hash in among:
        pipeline.sismember(keys.members(campaign, hash % shards), str(hash))
    return [bool(found) for found in pipeline.execute()]


def _was_imported(client: Any, keys: Keys, campaign: str, hash: int) -> bool:
    bare, keyed = client.hmget(keys.campaign(campaign), "shards", "keyed_shards")
    if not (shards := keyed or bare):
        return False
    [found] = imported(client, keys, [(campaign, int(shards), hash)])
    return found


def _tickets(client: Any, key: str) -> Iterator[bytes]:
    start = 0
    while page := client.lrange(key, start, start + _PAGE - 1):
        yield from page
        start += _PAGE
