"""An account's state at one moment, read from Redis at a cost that no backlog raises."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sluicegate.config import Account
from sluicegate.keys import Keys
from sluicegate.levels import digest, published
from sluicegate_worker.operator.halts import HaltInfo

from ..inspect import Breaker, Counts, Facts, Rate, Why
from .kit.output import hidden
from .kit.session import Session
from .message.fates import set_up, told

SAMPLE = 50
"""How many dead letters and doubts are looked into for their causes."""

_WORKERS = 100
_SCANS, _SCANNED = 4, 500
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_SETTINGS = {
    "window_ms": "window_seconds",
    "sms": "sms_per_second",
    "mms": "mms_per_second",
    "zone": "the zone of the brands' day",
}


class Worker(msgspec.Struct, frozen=True):
    """A worker, and how long ago it was last heard."""

    name: str
    seconds_ago: float


class Cause(msgspec.Struct, frozen=True):
    """Why ``count`` of the latest dead letters died, or why doubts are held."""

    code: str
    reason: str
    count: int


class Limits(msgspec.Struct, frozen=True):
    """The limits in force: their version, None where none are yet.

    ``here`` is the version of the file read here, and ``differ`` names its settings that say
    something else.
    """

    version: int | None
    here: int
    differ: Sequence[str]


class Receipts(msgspec.Struct, frozen=True):
    """What receipts told of what was accepted; ``set_up`` where messages ask for them.

    Of ``sampled`` messages, accepted between an hour and a day ago, ``missing`` have had none.
    """

    set_up: bool
    public_url: str
    fates: Mapping[str, int]
    sampled: int
    missing: int


class State(msgspec.Struct, frozen=True):
    """All that ``status`` shows; times are wall milliseconds of the server's clock.

    ``parked`` counts the lanes, senders and registrations that wait for a level.
    """

    account: str
    now_ms: float
    counts: Counts
    work_due: bool
    parked: int
    limits: Limits
    rate: Rate
    breaker: Breaker
    why: Why
    workers: Sequence[Worker]
    halts: Sequence[HaltInfo]
    receipts: Receipts
    dead_causes: Sequence[Cause]
    held_causes: Sequence[Cause]
    optouts: int
    totals: Mapping[str, int]


def read(session: Session) -> State:
    """Read it: what the scripts see, then what depends on it."""
    waits = session.waits
    facts, seen = waits.facts, _look(session.client, session.keys)
    dead_ids, held_ids = seen["dead_ids"], seen["held_ids"]
    causes = _reasons(session, [*dead_ids, *held_ids])
    return State(
        account=session.name,
        now_ms=facts.now_ms,
        counts=facts.counts,
        work_due=_work_due(facts, seen["next_doubt"]),
        parked=seen["parked:t"] + seen["parked:b"],
        limits=_limits(facts, session.account),
        rate=facts.rate,
        breaker=facts.breaker,
        why=waits.account(),
        workers=[_worker(name, facts.now_ms - at) for name, at in seen["workers"]],
        halts=halts(session),
        receipts=_receipts(session, facts),
        dead_causes=_causes(causes[: len(dead_ids)]),
        held_causes=_causes(causes[len(dead_ids) :]),
        optouts=seen["optouts"],
        totals=facts.totals,
    )


def halts(session: Session) -> list[HaltInfo]:
    """The account's halts, the account's own first, the numbers in their causes hidden."""
    found = sorted(session.halts.list(), key=lambda one: (one.level != "account", one.level))
    return [msgspec.structs.replace(one, why=hidden(one.why)) for one in found]


def _receipts(session: Session, facts: Facts) -> Receipts:
    asked, fates = set_up(session), told(facts.totals)
    found = _sampled(session, facts.now_ms) if asked and fates["unknown"] else []
    url = session.config.web.public_url
    return Receipts(asked, url, fates, len(found), found.count(False))


def _sampled(session: Session, now_ms: float) -> list[bool]:
    """Of some records accepted between an hour and a day ago, whether a receipt told of each."""
    client: Any = session.client
    found: dict[bytes, bool] = {}
    cursor = 0
    for _ in range(_SCANS):
        cursor, keys = client.scan(cursor, match=session.keys.record("*"), count=_SCANNED)
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(key, "state", "at", "fate")
        for key, (state, at, fate) in zip(keys, pipeline.execute(), strict=True):
            if state == b"accepted" and _HOUR_MS < now_ms - int(at or 0) < _DAY_MS:
                found[key] = fate is not None
        if not cursor:
            break
    return list(found.values())


def _look(client: Any, keys: Keys) -> dict[str, Any]:
    p = client.pipeline(transaction=True)
    asked = {
        "workers": p.zrange(keys("workers"), 0, _WORKERS - 1, desc=True, withscores=True),
        "parked:t": p.zcard(keys("parked:t")),
        "parked:b": p.zcard(keys("parked:b")),
        "optouts": p.hlen(keys("optouts")),
        "next_doubt": p.zrange(keys("doubts"), 0, 0, withscores=True),
        "dead_ids": p.zrange(keys("dead"), 0, SAMPLE - 1, desc=True),
        "held_ids": p.zrangebyscore(keys("doubts"), "+inf", "+inf", 0, SAMPLE),
    }
    return dict(zip(asked, p.execute(), strict=True))


def _work_due(facts: Facts, next_doubt: Sequence[tuple[bytes, float]]) -> bool:
    counts = facts.counts
    soonest = [at for _, at in next_doubt]
    soonest += [] if facts.next_due_ms is None else [facts.next_due_ms]
    at_work = counts.waiting + counts.granted + counts.started > 0
    return at_work or any(at <= facts.now_ms for at in soonest)


def _limits(facts: Facts, account: Account) -> Limits:
    """What is in force, beside what the file read here would publish."""
    here, in_force = published(account), facts.limits
    if not in_force:
        return Limits(None, account.limits_version, [])
    same = in_force.get("digest") == digest(here)
    fields = [] if same else sorted(here.keys() | in_force.keys() - {"version", "digest"})
    differ = [_difference(name, in_force, here) for name in fields]
    return Limits(
        int(in_force.get("version", 0)), account.limits_version, list(filter(None, differ))
    )


def _difference(field: str, in_force: Mapping[str, str], here: Mapping[str, str]) -> str:
    one, other = in_force.get(field, ""), here.get(field, "")
    if one == other:
        return ""
    name = _SETTINGS.get(field, field.replace(":", " ", 1))
    return f"{name} ({one} in force, {other} here)" if field in ("limit", "concurrency") else name


def _worker(name: bytes, silent_ms: float) -> Worker:
    return Worker(name.decode(), max(0, round(silent_ms)) / 1000)


def _reasons(session: Session, ids: Sequence[bytes]) -> list[list[bytes | None]]:
    client: Any = session.client
    pipeline = client.pipeline(transaction=False)
    for id in ids:
        pipeline.hmget(session.keys.record(id.decode()), "code", "reason")
    found: list[list[bytes | None]] = pipeline.execute()
    return found


def _causes(found: Sequence[Sequence[bytes | None]]) -> list[Cause]:
    """Codes by how often they occur, each with the reason of the latest that has it."""
    known = [
        ((code or b"").decode(), hidden((reason or b"").decode(errors="replace")))
        for code, reason in found
    ]
    reasons = dict(reversed(known))
    often = Counter(code for code, _ in known)
    return [Cause(code, reasons[code], count) for code, count in often.most_common()]
