"""An account's state at one moment, read from Redis at a cost that no backlog raises."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sluicegate.config import Account
from sluicegate.keys import FINAL_STATES, Keys
from sluicegate_worker.halts import HaltInfo

from .output import hidden
from .session import Session

SAMPLE = 50
"""How many dead letters and doubts are looked into for their causes."""

_WORKERS = 100


class Counts(msgspec.Struct, frozen=True):
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


class Rate(msgspec.Struct, frozen=True):
    """What the bucket knows: ``limit`` per window, less ``others``' use and the ``margin``.

    ``used`` slots went in the last window. ``heard`` is False until the provider's first answer.
    """

    limit: float
    window_seconds: float
    configured: int
    used: int
    others: float
    margin: float
    blocked_seconds: float
    heard: bool


class Worker(msgspec.Struct, frozen=True):
    """A worker, and how long ago it was last heard."""

    name: str
    seconds_ago: float


class Cause(msgspec.Struct, frozen=True):
    """Why ``count`` of the latest dead letters died, or why doubts are held."""

    code: str
    reason: str
    count: int


class State(msgspec.Struct, frozen=True):
    """All that ``status`` shows; times are wall milliseconds of the server's clock."""

    account: str
    now_ms: float
    counts: Counts
    work_due: bool
    lanes: int
    rate: Rate
    workers: Sequence[Worker]
    halts: Sequence[HaltInfo]
    dead_causes: Sequence[Cause]
    held_causes: Sequence[Cause]
    optouts: int
    totals: Mapping[str, int]


def read(session: Session) -> State:
    """Read it: one transaction, then what depends on its answers."""
    client: Any = session.client
    keys, account = session.keys, session.account
    seen = _first_look(client, keys)
    now_ms, steady_ms = _clocks(seen["time"], seen["clock"])
    counts = _counts(seen)
    window_ms = account.window_seconds * 1000
    pipeline = client.pipeline(transaction=False)
    pipeline.zcount(keys("log"), f"({steady_ms - window_ms:.3f}", f"{steady_ms:.3f}")
    for id in (*seen["dead_ids"], *seen["held_ids"]):
        pipeline.hmget(keys.record(id.decode()), "code", "reason")
    used, *causes = pipeline.execute()
    soonest = [at for _, at in (*seen["next_due"], *seen["next_doubt"])]
    return State(
        account=session.name,
        now_ms=now_ms,
        counts=counts,
        work_due=counts.waiting + counts.granted + counts.started > 0
        or any(at <= now_ms for at in soonest),
        lanes=seen["ready:t"] + seen["ready:b"],
        rate=_rate(seen["bucket"], account, steady_ms, used),
        workers=[_worker(name, now_ms - at) for name, at in seen["workers"]],
        halts=session.halts.list(),
        dead_causes=_causes(causes[: len(seen["dead_ids"])]),
        held_causes=_causes(causes[len(seen["dead_ids"]) :]),
        optouts=seen["optouts"],
        totals=seen["totals"],
    )


def _first_look(client: Any, keys: Keys) -> dict[str, Any]:
    """One transaction, so that the counts belong to one moment and add up."""
    p = client.pipeline(transaction=True)
    asked = {
        "time": p.time(),
        "clock": p.hgetall(keys("clock")),
        "bucket": p.hgetall(keys("bucket")),
        "totals": p.hgetall(keys("totals")),
        "workers": p.zrange(keys("workers"), 0, _WORKERS - 1, desc=True, withscores=True),
        "ready:t": p.zcard(keys("ready:t")),
        "ready:b": p.zcard(keys("ready:b")),
        "due": p.zcard(keys("due")),
        "granted": p.zcard(keys("granted")),
        "started": p.zcard(keys("started")),
        "in_doubt": p.zcard(keys("doubts")),
        "held": p.zcount(keys("doubts"), "+inf", "+inf"),
        "dead": p.zcard(keys("dead")),
        "optouts": p.hlen(keys("optouts")),
        "next_due": p.zrange(keys("due"), 0, 0, withscores=True),
        "next_doubt": p.zrange(keys("doubts"), 0, 0, withscores=True),
        "dead_ids": p.zrange(keys("dead"), 0, SAMPLE - 1, desc=True),
        "held_ids": p.zrangebyscore(keys("doubts"), "+inf", "+inf", 0, SAMPLE),
    }
    seen: dict[str, Any] = dict(zip(asked, p.execute(), strict=True))
    seen["totals"] = {name.decode(): int(value) for name, value in seen["totals"].items()}
    return seen


def _clocks(time: tuple[int, int], clock: Mapping[bytes, bytes]) -> tuple[float, float]:
    """The server's wall and steady milliseconds, as the scripts' own clock has them."""
    wall = time[0] * 1000 + time[1] / 1000
    last, offset = float(clock.get(b"wall", wall)), float(clock.get(b"offset", 0))
    return wall, max(wall, last) + offset


def _counts(seen: Mapping[str, Any]) -> Counts:
    """What waits is what was enqueued and is nowhere else.

    The lanes' lengths would say too much: a cancelled message's ticket stays until it is popped.
    """
    totals: Mapping[str, int] = seen["totals"]
    ended = {state: totals.get(state, 0) for state in FINAL_STATES}
    under_way = {name: seen[name] for name in ("due", "granted", "started", "in_doubt", "dead")}
    elsewhere = sum(ended.values()) + sum(under_way.values())
    waiting = max(0, totals.get("enqueued", 0) - elsewhere)
    return Counts(waiting=waiting, held=seen["held"], **under_way, **ended)


def _worker(name: bytes, silent_ms: float) -> Worker:
    return Worker(name.decode(), max(0, round(silent_ms)) / 1000)


def _rate(bucket: Mapping[bytes, bytes], account: Account, steady_ms: float, used: int) -> Rate:
    """The bucket's figures brought up to now, as its script does when it loads them."""

    def of(name: str, default: float = 0.0) -> float:
        return float(bucket.get(name.encode(), default))

    window_ms = account.window_seconds * 1000
    held_ms = steady_ms - of("peak_at", steady_ms)
    peaks = (of("peak"), of("last_peak")) if held_ms < window_ms else (of("peak"),)
    others = max(0.0, *peaks) if held_ms < 2 * window_ms else 0.0
    decay = 0.5 ** ((steady_ms - of("margin_at", steady_ms)) / max(30_000, 2 * window_ms))
    limit = of("limit") if of("configured") == account.limit else float(account.limit)
    return Rate(
        limit=limit,
        window_seconds=account.window_seconds,
        configured=account.limit,
        used=used,
        others=others,
        margin=round(of("margin") * decay, 3),
        blocked_seconds=max(0.0, of("block") - steady_ms) / 1000,
        heard=bool(of("heard")),
    )


def _causes(found: Sequence[Sequence[bytes | None]]) -> list[Cause]:
    """Codes by how often they occur, each with the reason of the latest that has it."""
    known = [
        ((code or b"").decode(), hidden((reason or b"").decode(errors="replace")))
        for code, reason in found
    ]
    reasons = dict(reversed(known))
    often = Counter(code for code, _ in known)
    return [Cause(code, reasons[code], count) for code, count in often.most_common()]
