"""What stands still, and since when: claims, a server without memory, deaf workers, campaigns."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sluicegate.keys import Keys

STALLED_SECONDS = 40.0
"""A drain lasts 25 s, and a lost signal is sent again after 5: by then somebody has claimed."""

_CAMPAIGNS = 100


class DeafWorker(msgspec.Struct, frozen=True):
    """A worker whose signals start no drain, since when (wall ms), and why."""

    name: str
    since_ms: float
    why: str


class ClosedCampaign(msgspec.Struct, frozen=True):
    """A draft, scheduled or paused campaign for which messages wait, and since when (wall ms).

    ``at_ms`` is when a scheduled one starts. ``stopped`` says why one has paused by itself, and
    ``stopped_by`` for which cap or guard: see ``pausing.lua``.
    """

    name: str
    state: str
    since_ms: float
    waiting: int
    at_ms: float | None = None
    stopped_by: str = ""
    stopped: str = ""


class Standstill(msgspec.Struct, frozen=True):
    """Wall milliseconds, None where it is not so, or never was.

    Something has been ready since ``ready_ms``; the last claim came at ``asked_ms``, and the last
    that was granted anything at ``granted_ms``. Since ``full_ms`` nothing is sent for want of
    memory.
    ``deaf`` are workers, ``closed`` the first campaigns that nobody may send. ``mended`` counts
    the entries of indexes that were lost and put back, the last of them at ``mended_ms``.
    """

    ready_ms: float | None = None
    asked_ms: float | None = None
    granted_ms: float | None = None
    full_ms: float | None = None
    deaf: Sequence[DeafWorker] = ()
    closed: Sequence[ClosedCampaign] = ()
    mended: Mapping[str, int] = {}
    mended_ms: float = 0.0

    def unclaimed_seconds(self, now_ms: float) -> float:
        """For how long something has been ready, and nothing was granted; 0 where nothing is."""
        if self.ready_ms is None:
            return 0.0
        return max(0.0, now_ms - max(self.ready_ms, self.granted_ms or 0.0)) / 1000

    def unasked_seconds(self, now_ms: float) -> float | None:
        """How long ago a worker last claimed; None where none ever did."""
        return None if self.asked_ms is None else max(0.0, now_ms - self.asked_ms) / 1000

    @property
    def paused(self) -> Sequence[ClosedCampaign]:
        return [campaign for campaign in self.closed if campaign.state == "paused"]

    @property
    def closed_waiting(self) -> int:
        """How many messages wait in campaigns that nobody may send."""
        return sum(campaign.waiting for campaign in self.closed)


def read_standstill(client: Any, keys: Keys, live: float) -> Standstill:
    """Read it; deaf are only workers heard since ``live`` (wall ms)."""
    pipeline = client.pipeline(transaction=True)
    pipeline.hmget(keys("standstill"), "ready", "asked", "granted")
    pipeline.hget(keys("full"), "since")
    pipeline.hgetall(keys("deaf"))
    pipeline.zrangebyscore(keys("workers"), live, "+inf")
    pipeline.zrange(keys("closed"), 0, _CAMPAIGNS - 1, withscores=True)
    pipeline.hgetall(keys("mended"))
    (ready, asked, granted), full, deaf, heard, closed, mended = pipeline.execute()
    mended_ms = float(mended.pop(b"at", 0))
    return Standstill(
        ready_ms=_ms(ready),
        asked_ms=_ms(asked),
        granted_ms=_ms(granted),
        full_ms=_ms(full),
        deaf=[_deaf(name, deaf[name]) for name in sorted(heard) if name in deaf],
        closed=_closed(client, keys, dict(closed)),
        mended={name.decode(): int(count) for name, count in mended.items()},
        mended_ms=mended_ms,
    )


def _ms(text: bytes | None) -> float | None:
    return None if text is None else float(text)


def _deaf(name: bytes, text: bytes) -> DeafWorker:
    since, _, why = text.decode(errors="replace").partition(" ")
    return DeafWorker(name.decode(), float(since or 0), why)


def _closed(client: Any, keys: Keys, since: Mapping[bytes, float]) -> list[ClosedCampaign]:
    pipeline = client.pipeline(transaction=False)
    names = [name.decode() for name in since]
    for name in names:
        pipeline.hmget(keys.campaign(name), "state", "at", "stopped_by", "stopped")
        pipeline.hget(keys.ledger(name), "waiting")
    answers = iter(pipeline.execute())
    campaigns = [
        _campaign(name, since_ms, fields, int(waiting or 0))
        for name, since_ms, fields, waiting in zip(
            names, since.values(), answers, answers, strict=True
        )
    ]
    return [campaign for campaign in campaigns if campaign.waiting > 0]


def _campaign(
    name: str, since_ms: float, fields: Sequence[bytes | None], waiting: int
) -> ClosedCampaign:
    state, at, stopped_by, stopped = fields
    at_ms = float(at) if state == b"scheduled" and at else None
    by = (stopped_by or (b"money" if stopped else b"")).decode()
    why = (stopped or b"").decode()
    return ClosedCampaign(name, (state or b"").decode(), since_ms, waiting, at_ms, by, why)
