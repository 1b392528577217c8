"""How an account or a campaign went: by the minute for an hour, by the hour for thirty days."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from sluicegate.errors import Malformed
from sluicegate.keys import Keys
from sluicegate.memory import ServerMemory
from sluicegate.stored import TrendCounts

_GRACE_MS = 5_000
"""After its end a bucket is written by the next sweep."""

_LATE_MS = 30_000
"""What was counted so long after a bucket's end is what the next one is reckoned from, no more."""


_LEAST_KNOWN = 10


class TrendSpan(NamedTuple):
    """Buckets of one length: so many are shown, and so many stand in a key of their own name."""

    name: str
    ms: int
    shown: int
    per_key: int


MINUTES = TrendSpan("minute", 60_000, 60, 60)
HOURS = TrendSpan("hour", 3_600_000, 30 * 24, 24)


class TrendPoint(msgspec.Struct, frozen=True):
    """One minute or hour from ``from_ms`` (wall) on; None is not known, for nobody looked.

    In ``seconds`` of it, so many were enqueued, accepted, ... more than before. ``waiting`` and
    ``in_doubt`` are those at its end, and ``so_far`` is all that had been counted then: of a
    campaign, how many recipients had come to be in each state.
    """

    from_ms: float
    seconds: float | None = None
    enqueued: int | None = None
    accepted: int | None = None
    dead: int | None = None
    delivered: int | None = None
    failed: int | None = None
    unsent: int | None = None
    waiting: int | None = None
    in_doubt: int | None = None
    accepted_per_second: float | None = None
    so_far: TrendCounts | None = None


_COUNTED = ("enqueued", "accepted", "dead", "delivered", "failed", "unsent")


def read_trend(
    client: redis.Redis, keys: Keys, span: TrendSpan, now_ms: float, campaign: str = ""
) -> list[TrendPoint]:
    """The latest minutes or hours, the oldest first; of a campaign, from its first to its last.

    An account has a point for each bucket. It costs as much as there are buckets, whatever waits.
    """
    last = _last(span, now_ms)
    stored = _stored(client, keys, span, last, campaign)
    points = list(_points(span, range(last - span.shown + 1, last + 1), stored))
    known = [at for at, point in enumerate(points) if point.so_far is not None]
    if not campaign:
        return points
    return points[known[0] : known[-1] + 1] if known else []


def seconds_until_full(memory: ServerMemory, points: Sequence[TrendPoint]) -> float | None:
    """How long until intake stops if memory goes on growing as it did; None where it does not.

    ``points`` are an account's minutes. A few of them tell nothing.
    """
    known = [point for point in points if point.so_far is not None and point.so_far.used_kib]
    if not memory.ceiling or len(known) < _LEAST_KNOWN:
        return None
    first, last = known[0], known[-1]
    assert first.so_far is not None  # noqa: S101 - both are known, which mypy forgets
    assert last.so_far is not None  # noqa: S101 - likewise
    grown = 1024 * (last.so_far.used_kib - first.so_far.used_kib)
    if grown <= 0:
        return None
    took = (last.from_ms - first.from_ms) / 1000
    return max(0.0, memory.ceiling - memory.used) * took / grown


def _last(span: TrendSpan, now_ms: float) -> int:
    """The latest bucket: the hour that runs, or the minute that has ended last."""
    if span is HOURS:
        return int(now_ms // span.ms)
    return int((now_ms - _GRACE_MS) // span.ms) - 1


def _stored(
    client: Any, keys: Keys, span: TrendSpan, last: int, campaign: str
) -> Mapping[int, TrendCounts]:
    """The buckets that were written, and the one before the first that is shown."""
    first = last - span.shown
    places = range(first // span.per_key, last // span.per_key + 1)
    pipeline = client.pipeline(transaction=False)
    for place in places:
        pipeline.hgetall(keys.trend(span.name, place, campaign))
    return dict(_parsed(span, zip(places, pipeline.execute(), strict=True)))


def _parsed(
    span: TrendSpan, answers: Iterable[tuple[int, Mapping[bytes, bytes]]]
) -> Iterator[tuple[int, TrendCounts]]:
    for place, fields in answers:
        for field, text in fields.items():
            try:
                yield place * span.per_key + int(field), TrendCounts.parse(text)
            except (Malformed, ValueError):
                continue  # nobody's chart fails for a text that no script wrote: it is a gap


def _points(
    span: TrendSpan, buckets: Sequence[int], stored: Mapping[int, TrendCounts]
) -> Iterator[TrendPoint]:
    for bucket in buckets:
        counts, before = stored.get(bucket), stored.get(bucket - 1)
        from_ms = float(bucket * span.ms)
        if counts is None or counts.offset_ms > span.ms + _LATE_MS:
            yield TrendPoint(from_ms)
            continue
        stands = TrendPoint(
            from_ms, waiting=counts.waiting, in_doubt=counts.in_doubt, so_far=counts
        )
        yield _with_more(stands, counts, before, span) if before else stands


def _with_more(
    point: TrendPoint, counts: TrendCounts, before: TrendCounts, span: TrendSpan
) -> TrendPoint:
    """The point with what came since the bucket before it was counted."""
    seconds = (counts.offset_ms + span.ms - before.offset_ms) / 1000
    if seconds <= 0:  # the server's clock was set back
        return point
    more = {
        name: max(0, getattr(counts, name) - getattr(before, name)) for name in _COUNTED
    }  # a replayed dead letter is one less
    rate = round(more["accepted"] / seconds, 3)
    return msgspec.structs.replace(
        point, seconds=round(seconds, 3), accepted_per_second=rate, **more
    )
