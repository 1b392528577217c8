"""The hours of a campaign's recipients: who waits for which of them, and until when."""

from typing import Any

import msgspec
import redis

from sluicegate.campaigns.hours import HoursClass, classes_of
from sluicegate.keys import Keys
from sluicegate.stored import LaneName, OpenTimes, StoredHours


class ClassHours(msgspec.Struct, frozen=True):
    """A class of recipients: in which ``zones`` they are, by which ``rules``, and how many wait.

    All of the rules must be open in all of the zones. It is open while ``opens_ms`` (wall) has
    come, until ``closes_ms``; None where no time is known. From ``over_ms`` on, whoever still
    waits has expired.
    """

    name: str
    zones: tuple[str, ...]
    rules: tuple[str, ...]
    waiting: int
    is_open: bool
    opens_ms: int | None
    closes_ms: int | None
    over_ms: int | None


def campaign_hours(client: redis.Redis, keys: Keys, name: str, now_ms: float) -> list[ClassHours]:
    """The classes of a campaign, those with most waiting first; none where it has no hours."""
    store: Any = client
    stored = StoredHours.parse(store.hgetall(keys.hours(name)))
    waiting = dict.fromkeys(stored.times, 0)
    lanes = [lane.decode() for lane in store.smembers(keys.other_lanes(name))]
    pipeline = store.pipeline(transaction=False)
    for lane in lanes:
        pipeline.llen(keys.lane(lane))
    for lane, length in zip(lanes, pipeline.execute(), strict=True):
        if (found := LaneName.parse(lane).hours) in waiting:
            waiting[found] += length
    shown = [
        _class(name, found, stored.times[name], waiting[name], now_ms)
        for name, found in classes_of(stored).items()
    ]
    return sorted(shown, key=lambda one: (-one.waiting, one.opens_ms or 0, one.zones))


def _class(
    name: str, found: HoursClass, times: OpenTimes, waiting: int, now_ms: float
) -> ClassHours:
    ahead = [stretch for stretch in times.stretches if now_ms < stretch[1]]
    opens, closes = ahead[0] if ahead else (None, None)
    return ClassHours(
        name=name,
        zones=found.zones,
        rules=found.rules,
        waiting=waiting,
        is_open=opens is not None and opens <= now_ms,
        opens_ms=opens,
        closes_ms=closes,
        over_ms=times.over_ms,
    )
