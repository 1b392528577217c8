"""An account at one moment: its counts, limits, halts and bucket, as its scripts see them."""

import math
from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from sluicegate.keys import FINAL_STATES, Keys
from sluicegate.stored import HaltInfo

LIVE_SECONDS = 10.0
"""A worker sweeps every second; one that was not heard for so long is taken for gone."""

_INDEXES = ("due", "granted", "started", "doubts", "dead")


class MessageCounts(msgspec.Struct, frozen=True):
    """Messages by where they are; the ended ones are counted since the account's first message.

    ``due`` are scheduled or retrying. ``held`` of those ``in_doubt`` wait for a person, the rest
    for policy.
    """

    waiting: int
    due: int
    granted: int
    started: int
    in_doubt: int
    held: int
    dead: int
    accepted: int
    cancelled: int
    expired: int
    suppressed: int
    purged: int


class RequestRate(msgspec.Struct, frozen=True):
    """The account's requests: ``limit`` per window, less ``others``' use and the ``margin``.

    ``configured`` and ``configured_seconds`` are what is published, 0 where nothing is yet; the
    provider's headers may say otherwise. ``used`` slots went in the last window, and the next is
    ``next_seconds`` from now. ``reset_seconds`` is the longest that the provider named. ``heard``
    is False until its first answer.
    """

    limit: float
    window_seconds: float
    configured: int
    configured_seconds: float
    concurrency: int
    used: int
    others: float
    margin: float
    blocked_seconds: float
    next_seconds: float
    reset_seconds: float
    heard: bool

    @property
    def budget(self) -> float:
        """Requests that a window really lets through."""
        others = min(self.others, 0.9 * self.limit)
        return max(self.limit - others - self.margin, self.limit / 10, 1.0)


class BreakerState(msgspec.Struct, frozen=True):
    """Whether the provider answers (worker's breaker.lua), in wall ms.

    While it is ``open`` nothing is sent, and a worker asks again at ``probe_ms``; ``half`` tries
    one message at a time. ``since_ms`` is when it opened, None where that is not known.
    """

    state: Literal["closed", "open", "half"] = "closed"
    since_ms: float | None = None
    probe_ms: float = 0.0


class AccountFacts(msgspec.Struct, frozen=True):
    """What ``read_facts`` found; ``limits`` and ``levels`` are the hashes of these names.

    ``now_ms`` is the server's wall clock, ``steady_ms`` its steady one. ``halts`` are those in
    force. ``silent_seconds`` is how long no worker was heard, None where none was in the last
    hour; ``next_due_ms`` when the first that is retried or scheduled returns.
    """

    now_ms: float
    steady_ms: float
    counts: MessageCounts
    totals: Mapping[str, int]
    limits: Mapping[str, str]
    levels: Mapping[str, str]
    halts: Mapping[str, HaltInfo]
    rate: RequestRate
    silent_seconds: float | None
    next_due_ms: float | None
    breaker: BreakerState


def read_facts(client: Any, keys: Keys) -> AccountFacts:
    """Read them, in two round trips: counts of one moment, then what depends on the limits.

    It costs as much as there are senders, and nothing for a backlog.
    """
    pipeline = client.pipeline(transaction=True)
    asked: dict[str, Any] = {
        "time": pipeline.time(),
        "held": pipeline.zcount(keys("doubts"), "+inf", "+inf"),
        "workers": pipeline.zrange(keys("workers"), 0, 0, desc=True, withscores=True),
        "next_due": pipeline.zrange(keys("due"), 0, 0, withscores=True),
    }
    asked |= {name: pipeline.zcard(keys(name)) for name in _INDEXES}
    hashes = ("clock", "bucket", "totals", "limits", "levels", "halts", "breaker")
    asked |= {name: pipeline.hgetall(keys(name)) for name in hashes}
    seen: dict[str, Any] = dict(zip(asked, pipeline.execute(), strict=True))
    seen |= {name: _texts(seen[name]) for name in hashes}
    seconds, micros = seen["time"]
    wall = seconds * 1000 + micros / 1000
    clock = seen["clock"]
    steady = max(wall, float(clock.get("wall", wall))) + float(clock.get("offset", 0))
    totals = {name: int(count) for name, count in seen["totals"].items()}
    return AccountFacts(
        now_ms=wall,
        steady_ms=steady,
        counts=_counts(seen, totals),
        totals=totals,
        limits=seen["limits"],
        levels=seen["levels"],
        halts=_halts(seen["halts"], wall),
        rate=_Bucket(seen["bucket"], seen["limits"], steady).rate(client, keys),
        silent_seconds=_silent(seen["workers"], wall),
        next_due_ms=seen["next_due"][0][1] if seen["next_due"] else None,
        breaker=_breaker(seen["breaker"], wall - steady),
    )


def _texts(found: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode(errors="replace") for name, value in found.items()}


def _silent(workers: list[tuple[bytes, float]], wall: float) -> float | None:
    return max(0, round(wall - workers[0][1])) / 1000 if workers else None


def _counts(seen: Mapping[str, Any], totals: Mapping[str, int]) -> MessageCounts:
    """What waits is what was enqueued and is nowhere else.

    The lanes' lengths would say too much: a cancelled message's ticket stays until it is popped.
    """
    ended = {state: totals.get(state, 0) for state in FINAL_STATES}
    under_way = {name: seen[name] for name in ("due", "granted", "started", "dead")}
    under_way["in_doubt"] = seen["doubts"]
    elsewhere = sum(ended.values()) + sum(under_way.values())
    waiting = max(0, totals.get("enqueued", 0) - elsewhere)
    return MessageCounts(waiting=waiting, held=seen["held"], **under_way, **ended)


def _halts(halts: Mapping[str, str], wall: float) -> dict[str, HaltInfo]:
    """The halts in force; one that has ended may not be cleared away yet."""
    in_force = {}
    for level, text in halts.items():
        ends, _, why = text.partition("|")
        if not ends or float(ends) > wall:
            in_force[level] = HaltInfo(level, why, int(float(ends)) if ends else None)
    return in_force


def _breaker(found: Mapping[str, str], to_wall_ms: float) -> BreakerState:
    """The breaker; ``to_wall_ms`` turns its steady times into wall times."""
    state = cast("Any", found.get("state", "closed"))
    opened, probe = (float(found.get(name, 0)) for name in ("opened", "probe_at"))
    return BreakerState(state, opened + to_wall_ms if opened else None, probe + to_wall_ms)


class _Bucket:
    """The bucket's figures brought up to now, as its script does when it loads them."""

    def __init__(
        self, bucket: Mapping[str, str], limits: Mapping[str, str], steady_ms: float
    ) -> None:
        self._found, self._steady_ms = bucket, steady_ms
        self.configured = int(limits.get("limit", 0))
        self.configured_ms = float(limits.get("window_ms", 0))
        self.concurrency = int(limits.get("concurrency", 0))
        same = (self._of("configured"), self._of("window")) == (
            self.configured,
            self.configured_ms,
        )
        self.limit = self._of("limit") if same else float(self.configured)
        policy_ms = self._of("policy") if same else 0.0
        self.reset_ms = self._of("reset") if same else 0.0
        self.window_ms = policy_ms if policy_ms > 0 else self.configured_ms

    def _of(self, name: str, default: float = 0.0) -> float:
        return float(self._found.get(name, default))

    def rate(self, client: Any, keys: Keys) -> RequestRate:
        window, steady = self.window_ms, self._steady_ms
        held_ms = steady - self._of("peak_at", steady)
        peak, last_peak = self._of("peak"), self._of("last_peak") if held_ms < window else 0.0
        fade_ms = max(30_000.0, 2 * window)
        margin = self._of("margin") * 0.5 ** ((steady - self._of("margin_at", steady)) / fade_ms)
        found = RequestRate(
            limit=self.limit,
            window_seconds=window / 1000,
            configured=self.configured,
            configured_seconds=self.configured_ms / 1000,
            concurrency=self.concurrency,
            used=0,
            others=max(0.0, peak, last_peak) if held_ms < 2 * window else 0.0,
            margin=round(margin, 3),
            blocked_seconds=max(0.0, self._of("block") - steady) / 1000,
            next_seconds=0.0,
            reset_seconds=max(0.0, self.reset_ms) / 1000,
            heard=bool(self._of("heard")),
        )
        nth = -max(1, math.floor(found.budget))
        pipeline = client.pipeline(transaction=False)
        pipeline.zcount(keys("log"), f"({steady - window:.3f}", f"{steady:.3f}")
        pipeline.zrange(keys("log"), nth, nth, withscores=True)
        used, leaving = pipeline.execute()
        free = max([self._of("tat"), self._of("slot")] + [at + self._span for _, at in leaving])
        next_seconds = max(0.0, free - steady) / 1000
        return msgspec.structs.replace(found, used=used, next_seconds=next_seconds)

    @property
    def _span(self) -> float:
        """The window and the jitter of requests, which the log looks back over."""
        window = self.window_ms
        deviations = 2 * math.sqrt(max(0.0, self._of("rtt_var")))
        return window + max(min(50.0, 0.01 * window), min(0.1 * window, deviations))
