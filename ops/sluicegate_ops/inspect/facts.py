"""An account at one moment: its counts, limits, halts and bucket, as its scripts see them."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from sluicegate.keys import FINAL_STATES
from sluicegate.stored import HaltInfo

from .look import AccountLook, LaneLimits, Look
from .server import refused_writes
from .standstill import Standstill, read_standstill
from .withheld import Withheld, read_withheld

LIVE_SECONDS = 10.0
"""A worker sweeps every second; one that was not heard for so long is taken for gone."""

_MUCH_SHARED = 0.2
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


WindowEvidence = Literal["", "policy", "reset", "limit", "quiet", "drops", "age", "refill", "room"]
"""What told how long the provider's window is; worker's window.lua says what each means."""


class RequestRate(msgspec.Struct, frozen=True):
    """The account's requests: of ``limit`` per window, ``budget`` may really go.

    What ``others`` use and a ``margin`` are taken off. ``configured`` and ``configured_seconds``
    are what is published, 0 before anything is; the provider's headers may say otherwise, but
    ``ceiling`` is the most per second whatever they say, 0 where there is none.
    ``others`` is their peak; ``shared`` is what they use on average, 0 if not heard for a minute.
    ``used`` slots went in the last window, and ``ceiling_used`` of the ``ceiling_slots`` that the
    ceiling allows in about a second; the next is ``next_seconds`` from now, and
    ``next_bulk_seconds`` for bulk. ``reset_seconds`` is the longest that the provider named.
    ``said`` is the limit that the provider named last, 0 before it named any. ``evidence`` is what
    told the window where that is not the configuration (worker's window.lua), and
    ``believed_since_ms`` (wall) since when it is believed. ``in_doubt`` says that it was not seen
    yet, and ``bounded`` that the provider names a rate higher than is believed.
    ``heard`` is False until its first answer. Of ``concurrency`` requests, ``most`` may be under
    way at this moment, ``most_bulk`` for bulk, and ``under_way`` are. ``refuses`` says that the
    next slot is too far ahead to be granted now, ``refuses_bulk`` the same of bulk.
    """

    limit: float = 0.0
    budget: float = 0.0
    window_seconds: float = 0.0
    configured: int = 0
    configured_seconds: float = 0.0
    ceiling: float = 0.0
    concurrency: int = 0
    most: int = 0
    most_bulk: int = 0
    under_way: int = 0
    used: int = 0
    ceiling_used: int = 0
    ceiling_slots: int = 0
    others: float = 0.0
    shared: float = 0.0
    margin: float = 0.0
    blocked_seconds: float = 0.0
    next_seconds: float = 0.0
    next_bulk_seconds: float = 0.0
    reset_seconds: float = 0.0
    round_trip_seconds: float = 0.0
    said: int = 0
    evidence: WindowEvidence = ""
    believed_since_ms: float | None = None
    in_doubt: bool = False
    bounded: bool = False
    heard: bool = False
    refuses: bool = False
    refuses_bulk: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether others use so much of this key that a person should know."""
        return self.shared >= max(1.0, _MUCH_SHARED * self.limit)

    @property
    def at_ceiling(self) -> bool:
        """Whether the configured ceiling is lower than what the provider leaves."""
        return 0 < self.ceiling * self.window_seconds <= self.budget

    def is_used(self, share: float) -> bool:
        """Whether at least this share of what may go went just now."""
        if self.at_ceiling:
            return self.ceiling_used >= share * self.ceiling_slots
        return self.used >= share * self.budget


class BreakerState(msgspec.Struct, frozen=True):
    """Whether the provider answers (worker's breaker.lua), in wall ms.

    While it is ``open`` nothing is sent, and a worker asks again at ``probe_ms``; ``half`` tries
    one message at a time. ``since_ms`` is when it opened, None where that is not known.
    ``cause`` is how many attempts failed then, and what the last was answered: it may hold a phone
    number. ``culprit`` is the message that failed last, and the last ``failures`` attempts in a
    row.
    """

    state: Literal["closed", "open", "half"] = "closed"
    since_ms: float | None = None
    probe_ms: float = 0.0
    cause: str = ""
    culprit: str = ""
    failures: int = 0


class AccountFacts(msgspec.Struct, frozen=True):
    """What ``read_facts`` found; ``limits`` is the hash of that name.

    ``now_ms`` is the server's wall clock, ``steady_ms`` its steady one. ``halts`` are those in
    force. ``silent_seconds`` is how long no worker was heard, None where none was in the last
    hour; ``next_due_ms`` when the first that is retried or scheduled returns. ``distant_ms`` is
    how long calls of workers take that are far from Redis. ``refuses`` says why the server takes
    no writes, "" where it takes them. ``reviewed`` numbers are sent nothing until a person has
    read their replies, and ``reviewed_messages`` are held for them, or were when they were ended.
    ``withheld`` is what waits for limits on recipients. ``alone`` are lanes, one of SMS and one of
    MMS, that pass no level but the account's.
    """

    now_ms: float
    steady_ms: float
    counts: MessageCounts
    totals: Mapping[str, int]
    limits: Mapping[str, str]
    halts: Mapping[str, HaltInfo]
    rate: RequestRate
    silent_seconds: float | None
    next_due_ms: float | None
    breaker: BreakerState
    distant_ms: Mapping[str, float]
    standstill: Standstill
    refuses: str
    reviewed: int = 0
    reviewed_messages: int = 0
    withheld: Withheld = Withheld()
    alone: tuple[LaneLimits, ...] = ()


def read_facts(look: Look) -> AccountFacts:
    """Read them: what the scripts decide, then counts of one moment.

    It costs as much as there are senders, and nothing for a backlog.
    """
    account, seen = look.account(), _seen(look)
    wall = account.values["wall"]
    totals = {name: int(count) for name, count in seen["totals"].items()}
    return AccountFacts(
        now_ms=wall,
        steady_ms=account.values["steady"],
        counts=_counts(seen, totals),
        totals=totals,
        limits=seen["limits"],
        halts=account.halts,
        rate=_rate(account, seen["limits"]),
        silent_seconds=_silent(seen["workers"], wall),
        next_due_ms=seen["next_due"][0][1] if seen["next_due"] else None,
        breaker=_breaker(account),
        distant_ms={name.decode(): ms for name, ms in seen["distant"]},
        standstill=read_standstill(look.client, look.keys, wall - 1000 * LIVE_SECONDS),
        refuses=refused_writes(look.client, look.keys),
        reviewed=seen["reviewed"],
        reviewed_messages=seen["reviewed_messages"],
        withheld=read_withheld(look.client, look.keys),
        alone=account.alone,
    )


def _seen(look: Look) -> dict[str, Any]:
    keys, pipeline = look.keys, look.client.pipeline(transaction=True)
    asked: dict[str, Any] = {
        "held": pipeline.zcount(keys("doubts"), "+inf", "+inf"),
        "reviewed": pipeline.hlen(keys("reviews")),
        "reviewed_messages": pipeline.zcard(keys("held")),
        "workers": pipeline.zrange(keys("workers"), 0, 0, desc=True, withscores=True),
        "next_due": pipeline.zrange(keys("due"), 0, 0, withscores=True),
        "distant": pipeline.zrange(keys("distant"), 0, -1, desc=True, withscores=True),
    }
    asked |= {name: pipeline.zcard(keys(name)) for name in _INDEXES}
    asked |= {name: pipeline.hgetall(keys(name)) for name in ("totals", "limits")}
    seen: dict[str, Any] = dict(zip(asked, pipeline.execute(), strict=True))
    return seen | {name: _texts(seen[name]) for name in ("totals", "limits")}


def _texts(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode(errors="replace") for name, value in fields.items()}


def _silent(workers: list[tuple[bytes, float]], wall: float) -> float | None:
    return max(0, round(wall - workers[0][1])) / 1000 if workers else None


def _counts(seen: Mapping[str, Any], totals: Mapping[str, int]) -> MessageCounts:
    """What waits is what was enqueued and is nowhere else.

    The lanes' lengths would be too high: a cancelled message's ticket stays until it is popped.
    """
    ended = {state: totals.get(state, 0) for state in FINAL_STATES}
    under_way = {name: seen[name] for name in ("due", "granted", "started", "dead")}
    under_way["in_doubt"] = seen["doubts"]
    elsewhere = sum(ended.values()) + sum(under_way.values())
    waiting = max(0, totals.get("enqueued", 0) - elsewhere)
    return MessageCounts(waiting=waiting, held=seen["held"], **under_way, **ended)


def _rate(account: AccountLook, limits: Mapping[str, str]) -> RequestRate:
    values = account.values
    now_ms = values["wall"]

    def seconds_to(name: str) -> float:
        return max(0.0, values[name] - now_ms) / 1000

    evidence: Any = account.evidence
    if not values["limit"]:
        return RequestRate()
    return RequestRate(
        limit=values["limit"],
        budget=values["budget"],
        window_seconds=values["window"] / 1000,
        configured=int(limits.get("limit", 0)),
        configured_seconds=float(limits.get("window_ms", 0)) / 1000,
        ceiling=float(limits.get("ceiling", 0)),
        concurrency=int(limits.get("concurrency", 0)),
        most=int(values["cap"]),
        most_bulk=int(values["bulk_cap"]),
        under_way=int(values["under_way"]),
        used=int(values["used"]),
        ceiling_used=int(values["ceiling_used"]),
        ceiling_slots=int(values["ceiling_slots"]),
        others=values["others"],
        shared=round(values["shared"], 1),
        margin=round(values["margin"], 3),
        blocked_seconds=seconds_to("block"),
        next_seconds=seconds_to("slot"),
        next_bulk_seconds=seconds_to("bulk_slot"),
        reset_seconds=max(0.0, values["reset"]) / 1000,
        round_trip_seconds=values["round_trip"] / 1000,
        said=int(values["said"]),
        evidence=evidence,
        believed_since_ms=values.get("believed_since"),
        in_doubt=values["doubt"] == 1,
        bounded=bool(values["bounded"]),
        heard=bool(values["heard"]),
        refuses=values["slot"] > values["last"],
        refuses_bulk=values["bulk_slot"] > values["bulk_last"],
    )


def _breaker(account: AccountLook) -> BreakerState:
    state: Any = account.breaker
    values = account.values
    return BreakerState(
        state,
        values.get("opened"),
        values["probe"],
        account.cause,
        account.culprit,
        int(values["failures"]),
    )
