"""An account's state at one moment, read from Redis at a cost that no backlog raises."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import redis

from sluicegate import __version__
from sluicegate.config import Config
from sluicegate.keys import Keys
from sluicegate.receipts import DELIVERIES
from sluicegate.safety import Hazard
from sluicegate.stored import DELIVERY_FIELDS, HaltInfo, HeardVersion, Record
from sluicegate_worker.queue import worker_tag

from .archive import ArchiveState, read_archive
from .carrier_use import CarrierUse, read_carrier_use
from .costs import CostRow, cost_of_day, cost_row, day_of
from .facts import LIVE_SECONDS, AccountFacts, BreakerState, MessageCounts, RequestRate
from .look import Look
from .published import LimitsState, compared_limits
from .reconcile import ReconcileState, read_reconcile
from .server import ServerState, read_hazards, read_server
from .standstill import Standstill
from .waiting_webhooks import WaitingWebhooks, read_waiting_webhooks
from .why import Waits, Why
from .withheld import Withheld

SAMPLE = 50
"""How many dead letters and doubts are read for their causes."""

_WORKERS = 100
_SCANS, _SCANNED = 4, 500
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000


class WorkerState(msgspec.Struct, frozen=True):
    """A worker, and how long ago it was last heard; one that is ``silent`` is taken for gone.

    ``tag`` is what a message's attempts name it by; ``version`` is "" where it tells none, as
    before there was one to tell.
    """

    name: str
    seconds_ago: float
    silent: bool = False
    tag: str = ""
    version: str = ""


class AccountCause(msgspec.Struct, frozen=True):
    """Why ``count`` of the latest dead letters died, or why doubts are held."""

    code: str
    reason: str
    count: int


class ReceiptsState(msgspec.Struct, frozen=True):
    """What receipts said of accepted messages; ``set_up`` if messages ask for receipts.

    ``heard_seconds_ago`` is when a process of ``sluicegate serve`` was last heard, None where none
    ever was; ``needed`` if one has to run, for receipts or a STOP.
    Of ``sampled`` messages, accepted between an hour and a day ago, ``missing`` have no receipt.
    """

    set_up: bool
    public_url: str
    deliveries: Mapping[str, int]
    sampled: int
    missing: int
    needed: bool
    heard_seconds_ago: float | None


class AccountState(msgspec.Struct, frozen=True):
    """All that ``status`` shows; times are wall milliseconds of the server's clock.

    ``twice`` messages were sent twice, and nobody has cleared them. ``reviewed`` numbers are sent
    nothing, and ``reviewed_messages`` held for them, until a person has read what they wrote.
    ``withheld`` is what waits for limits on recipients.
    ``webhooks`` wait to be passed on to the apps' URLs, ``webhook_bytes`` of each kind at most.
    ``parked`` counts the lanes, senders and registrations that wait for a level. ``key_variable``
    is the environment variable that holds the account's key. ``costs_today`` is what messages
    accepted today (UTC) cost, by currency; ``money_warned`` are the levels of which so much of a
    day's cap in money is spent that a person should know. ``archive`` is where finished messages
    go, and ``reconcile`` when the books were last compared with the provider's. ``carriers`` is
    what is used of the brands' days and the registrations' rates. ``version`` is the
    one that reads.
    """

    account: str
    key_variable: str
    now_ms: float
    counts: MessageCounts
    work_due: bool
    parked: int
    limits: LimitsState
    rate: RequestRate
    breaker: BreakerState
    why: Why
    workers: Sequence[WorkerState]
    halts: Sequence[HaltInfo]
    receipts: ReceiptsState
    dead_causes: Sequence[AccountCause]
    held_causes: Sequence[AccountCause]
    optouts: int
    twice: int
    reviewed: int
    reviewed_messages: int
    withheld: Withheld
    webhooks: WaitingWebhooks
    webhook_bytes: int
    totals: Mapping[str, int]
    server: ServerState
    standstill: Standstill
    hazards: Sequence[Hazard]
    distant_ms: Mapping[str, float]
    costs_today: Sequence[CostRow] = ()
    money_warned: Sequence[str] = ()
    archive: ArchiveState = ArchiveState()
    reconcile: ReconcileState = ReconcileState()
    carriers: CarrierUse = CarrierUse()
    version: str = __version__


def read_account(client: redis.Redis, config: Config, name: str) -> AccountState:
    """Read account ``name``; raises InvalidConfig where it is not configured.

    Causes are as they were answered: they may hold phone numbers.
    """
    account, keys = config.account(name), Keys(name)
    waits = Waits(client, keys)
    facts, seen = waits.facts, _look(client, keys)
    dead_ids, held_ids = seen["dead_ids"], seen["held_ids"]
    answers = _answers(client, keys, [*dead_ids, *held_ids])
    return AccountState(
        account=name,
        key_variable=account.api_key_env,
        now_ms=facts.now_ms,
        counts=facts.counts,
        work_due=_work_due(facts, seen["next_doubt"]),
        parked=seen["parked:t"] + seen["parked:b"],
        limits=compared_limits(facts.limits, account, config.apps_of(name)),
        rate=facts.rate,
        breaker=facts.breaker,
        why=waits.account(),
        workers=_workers(seen["workers"], seen["versions"], facts.now_ms),
        halts=sorted_halts(facts.halts.values()),
        receipts=_receipts(client, config, name, facts),
        dead_causes=_causes(answers[: len(dead_ids)]),
        held_causes=_causes(answers[len(dead_ids) :]),
        optouts=seen["optouts"],
        twice=seen["twice"],
        reviewed=facts.reviewed,
        reviewed_messages=facts.reviewed_messages,
        withheld=facts.withheld,
        webhooks=read_waiting_webhooks(client, keys),
        webhook_bytes=config.web.relay_bytes,
        totals=facts.totals,
        server=read_server(client, config, keys),
        standstill=facts.standstill,
        hazards=read_hazards(client, config, name),
        distant_ms=facts.distant_ms,
        costs_today=_costs(client, keys, facts.now_ms),
        money_warned=_warned(client, keys, facts.now_ms),
        archive=read_archive(client, keys, config, facts.now_ms),
        reconcile=_reconcile(client, keys, config),
        carriers=read_carrier_use(Look(client, keys), facts.limits, facts.now_ms),
    )


def sorted_halts(halts: Iterable[HaltInfo]) -> list[HaltInfo]:
    """An account's halts, its own first."""
    return sorted(halts, key=lambda halt: (halt.level != "account", halt.level))


def receipts_are_set_up(config: Config, account: str) -> bool:
    """Whether an account's messages ask for receipts."""
    return bool(config.web.public_url) and config.account(account).receipts


def deliveries_of(totals: Mapping[str, int]) -> dict[str, int]:
    """Accepted messages by what receipts said of them; ``unknown`` are those without one."""
    deliveries = {delivery: totals.get(delivery, 0) for delivery in DELIVERIES}
    return deliveries | {"unknown": totals.get("accepted", 0) - sum(deliveries.values())}


def server_ms(client: redis.Redis) -> float:
    """The wall clock that records go by: the server's, in milliseconds."""
    store: Any = client
    seconds, micros = store.time()
    return float(seconds * 1000 + micros / 1000)


def worker_names(client: redis.Redis, keys: Keys) -> dict[str, str]:
    """The workers heard in the last hour, by the tag that attempts name them by."""
    store: Any = client
    names = [name.decode() for name in store.zrange(keys("workers"), 0, -1)]
    return {worker_tag(name): name for name in names}


def _warned(client: Any, keys: Keys, now_ms: float) -> list[str]:
    today = str(int(now_ms // _DAY_MS)).encode()
    stored = client.hgetall(keys("money")).items()
    warned = (field.decode().removeprefix("warned:") for field, day in stored if day == today)
    return sorted(level for level in warned if level.partition(":")[0] in ("account", "app"))


def _reconcile(client: redis.Redis, keys: Keys, config: Config) -> ReconcileState:
    settings = config.reconcile
    every_hours = settings.every_hours if settings is not None else 0.0
    state = read_reconcile(client, keys)
    return msgspec.structs.replace(state, every_hours=every_hours)


def _costs(client: redis.Redis, keys: Keys, now_ms: float) -> list[CostRow]:
    """What messages accepted today cost, by currency."""
    today = day_of(now_ms)
    return [
        cost_row(today.isoformat(), field.currency, sum)
        for field, sum in cost_of_day(client, keys, today).items()
        if field.kind == "all" and sum.messages
    ]


def _receipts(
    client: redis.Redis, config: Config, name: str, facts: AccountFacts
) -> ReceiptsState:
    set_up, deliveries = receipts_are_set_up(config, name), deliveries_of(facts.totals)
    sample = _told(client, Keys(name), facts.now_ms) if set_up and deliveries["unknown"] else []
    store: Any = client
    heard = store.zrange(Keys(name)("serving"), 0, 0, desc=True, withscores=True)
    return ReceiptsState(
        set_up,
        config.web.public_url,
        deliveries,
        len(sample),
        sample.count(False),
        needed=set_up or bool(config.account(name).messaging_profiles),
        heard_seconds_ago=max(0.0, facts.now_ms - heard[0][1]) / 1000 if heard else None,
    )


def _told(client: Any, keys: Keys, now_ms: float) -> list[bool]:
    """Of some records accepted between an hour and a day ago, whether each has a receipt."""
    told: dict[bytes, bool] = {}
    names = ("state", "at", *DELIVERY_FIELDS)
    cursor = 0
    for _ in range(_SCANS):
        cursor, records = client.scan(cursor, match=keys.record("*"), count=_SCANNED)
        pipeline = client.pipeline(transaction=False)
        for key in records:
            pipeline.hmget(key, *names)
        for key, values in zip(records, pipeline.execute(), strict=True):
            record = Record.parse_some(names, values)
            if record.state == "accepted" and _HOUR_MS < now_ms - record.at < _DAY_MS:
                told[key] = bool(record.delivery)
        if not cursor:
            break
    return list(told.values())


def _look(client: Any, keys: Keys) -> dict[str, Any]:
    p = client.pipeline(transaction=True)
    asked = {
        "workers": p.zrange(keys("workers"), 0, _WORKERS - 1, desc=True, withscores=True),
        "versions": p.hgetall(keys("versions")),
        "parked:t": p.zcard(keys("parked:t")),
        "parked:b": p.zcard(keys("parked:b")),
        "optouts": p.hlen(keys("optouts")),
        "twice": p.hlen(keys("twice")),
        "next_doubt": p.zrange(keys("doubts"), 0, 0, withscores=True),
        "dead_ids": p.zrange(keys("dead"), 0, SAMPLE - 1, desc=True),
        "held_ids": p.zrangebyscore(keys("doubts"), "+inf", "+inf", 0, SAMPLE),
    }
    return dict(zip(asked, p.execute(), strict=True))


def _work_due(facts: AccountFacts, next_doubt: Sequence[tuple[bytes, float]]) -> bool:
    counts = facts.counts
    open_waiting = counts.waiting - facts.standstill.closed_waiting
    soonest = [at for _, at in next_doubt]
    soonest += [] if facts.next_due_ms is None else [facts.next_due_ms]
    at_work = open_waiting + counts.granted + counts.started > 0
    return at_work or any(at <= facts.now_ms for at in soonest)


def _workers(
    heard: Sequence[tuple[bytes, float]], versions: Mapping[bytes, bytes], now_ms: float
) -> list[WorkerState]:
    workers = []
    for stored_name, heard_ms in heard:
        name, seconds = stored_name.decode(), max(0, round(now_ms - heard_ms)) / 1000
        told = HeardVersion.parse(versions.get(stored_name, b"0"))
        version = told.version if told.at_ms == heard_ms else ""
        silent = seconds >= LIVE_SECONDS
        workers.append(WorkerState(name, seconds, silent, worker_tag(name), version))
    return workers


def _answers(client: Any, keys: Keys, ids: Sequence[bytes]) -> list[tuple[str, str]]:
    """Code and reason of each message."""
    pipeline = client.pipeline(transaction=False)
    for id in ids:
        pipeline.hmget(keys.record(id.decode()), "code", "reason")
    return [
        ((code or b"").decode(), (reason or b"").decode(errors="replace"))
        for code, reason in pipeline.execute()
    ]


def _causes(answers: Sequence[tuple[str, str]]) -> list[AccountCause]:
    """Codes by how often they occur, each with the reason of the latest that has it."""
    reasons = dict(reversed(answers))
    often = Counter(code for code, _ in answers)
    return [AccountCause(code, reasons[code], count) for code, count in often.most_common()]
