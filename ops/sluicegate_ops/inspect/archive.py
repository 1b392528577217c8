"""What has ended: how much of it Redis keeps, what the archive has, and when it is archived."""

from typing import Any

import msgspec
import redis

from sluicegate.config import Config
from sluicegate.keys import Keys

RECIPIENT_BYTES = 370
"""What a campaign's finished recipient takes in Redis, about, as long as it stays there."""

_WEEK_MS = 7 * 86_400_000


class ArchiveState(msgspec.Struct, frozen=True):
    """An account's archive, as Redis knows of it; moments are wall ms, 0 for never.

    ``place`` is where it is, "" where the account has none, and ``configured`` whether this
    configuration names one. It is the account's since ``since_ms``. ``fault`` is what keeps the
    archiver from archiving, "" for nothing. The last pass was at ``passed_ms``: it left ``stay``
    finished messages here, of which the oldest ended at ``oldest_ms``. ``archived`` messages went
    there in all, ``late`` receipts wait for their messages, and ``ids`` of apps' messages are
    still known here.
    ``recipients`` are all that campaigns ever had, ``recent`` those of the last week's.
    """

    place: str = ""
    configured: bool = False
    since_ms: int = 0
    passed_ms: int = 0
    fault: str = ""
    stay: int = 0
    oldest_ms: int = 0
    archived: int = 0
    late: int = 0
    ids: int = 0
    unknown: int = 0
    recipients: int = 0
    recent: int = 0


def read_archive(client: redis.Redis, keys: Keys, config: Config, now_ms: float) -> ArchiveState:
    """Read it; this costs as much as there are campaigns."""
    store: Any = client
    campaigns = store.zrange(keys("campaigns"), 0, -1, withscores=True)
    pipeline = store.pipeline(transaction=False)
    for name, _ in campaigns:
        pipeline.hget(keys.ledger(name.decode()), "imported")
    imported = [int(count or 0) for count in pipeline.execute()]
    latest = [
        count
        for count, (_, created) in zip(imported, campaigns, strict=True)
        if created > now_ms - _WEEK_MS
    ]
    return msgspec.structs.replace(
        glance(store, keys),
        configured=config.archive is not None,
        recipients=sum(imported),
        recent=sum(latest),
    )


def glance(client: Any, keys: Keys) -> ArchiveState:
    """What the last pass noted, and what is late: it costs the same however much there is."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hgetall(keys("archive"))
    pipeline.llen(keys("late"))
    fields, late = pipeline.execute()
    known = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    return ArchiveState(
        place=known.get("place", ""),
        since_ms=int(known.get("since", 0)),
        fault=known.get("fault", ""),
        passed_ms=int(known.get("passed", 0)),
        oldest_ms=int(known.get("oldest") or 0),
        late=late,
        stay=int(known.get("stay", 0)),
        archived=int(known.get("archived", 0)),
        ids=int(known.get("ids", 0)),
        unknown=int(known.get("unknown", 0)),
    )
