"""Whom anything reached lately: campaigns and apps, in Redis and in the archive."""

from collections.abc import Callable, Iterator
from typing import Any

import redis

from sluicegate.archive import ArchiveReader
from sluicegate.keys import Keys
from sluicegate.stored import Record

_PAGE = 1_000
_FIELDS = ("state", "to", "at", "maybe", "maybe_before", "provider_id", "delivery")


def reached_since(
    client: redis.Redis,
    keys: Keys,
    archive: ArchiveReader,
    since_ms: float,
    on_message: Callable[[int], None] = lambda messages: None,
) -> Iterator[str]:
    """Yield the number of each message that was accepted, or may have been, from then on.

    A number may come more than once. It reads every record: ``on_message`` hears how many so far.
    Raises ArchiveUnavailable where some are in an archive that can't be asked.
    """
    count = 0
    for values in _records(client, keys):
        count += 1
        on_message(count)
        record = Record.parse_some(_FIELDS, values)
        if record.to and record.at >= since_ms and _may_have_reached(record):
            yield record.to
    for message in archive.ended_since(int(since_ms)):
        count += 1
        on_message(count)
        if message.record.to and _may_have_reached(message.record):
            yield message.record.to


def _may_have_reached(record: Record) -> bool:
    sent = record.state == "accepted" or record.provider_id or record.delivery
    return bool(sent) or record.maybe + record.maybe_before > 0


def _records(client: redis.Redis, keys: Keys) -> Iterator[list[bytes | None]]:
    store: Any = client
    cursor, first = 0, True
    while cursor or first:
        first = False
        cursor, names = store.scan(cursor, match=keys.record("*"), count=_PAGE)
        pipeline = store.pipeline(transaction=False)
        for name in names:
            pipeline.hmget(name, _FIELDS)
        yield from pipeline.execute()
