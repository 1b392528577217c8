"""How long a full call of the worker's script occupies the server."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any, cast

import msgspec

from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.hours import Classes, SendingHours
from sluicegate.campaigns.plan import Plan, key_hash, ticket_end
from sluicegate.campaigns.recipients import Recipient
from sluicegate.keys import Keys
from sluicegate.scripts import Scripts
from sluicegate_worker.capacity import shares
from sluicegate_worker.queue import PUBLISH, STEP, Queue
from sluicegate_worker.wire import BATCH, Grant, Settle, Start, parse_stepped

from . import machine
from .contenders import MESSAGES
from .environment import Environment
from .stub import NEVER, Endpoint

ALL = "all three"
EACH, *_ = shares(BATCH, BATCH, BATCH)
"""How many of each kind a drain's call carries when there is enough of all three."""

LIMITED = "claim, with limits per person"
OF_CAMPAIGN, IN_HOURS = "claim, of a campaign", "claim, of a campaign with hours"
PARTS = ("claim", "start", "settle", ALL, LIMITED, OF_CAMPAIGN, IN_HOURS)
_KINDS = dict(
    zip(
        ((BATCH, 0, 0), (0, BATCH, 0), (0, 0, BATCH), (EACH, EACH, EACH)),
        PARTS[:4],
        strict=True,
    )
)
_LIMITS = "\n".join(
    f"""[accounts.default.per_recipient.{priority}]
hourly = 10
daily = 20
weekly = 50
quiet_seconds = 1.0
same_text_seconds = 604800.0"""
    for priority in ("bulk", "transactional")
)
_OPEN = SendingHours(windows="00:00-24:00")
_SENDER, _TEXT = "+15557654321", "your code is 1234"
_REQUEST = b'{"from":"+15557654321","to":"+12125550123","text":"your code is 1234"}'


class Percentiles(msgspec.Struct, frozen=True):
    """The median and the 99th percentile of ``count`` values."""

    p50: float
    p99: float
    count: int

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Percentiles":
        p99 = quantiles(figures, n=100, method="inclusive")[-1]
        return cls(median(figures), p99, len(figures))


class Held(msgspec.Struct, frozen=True):
    """Milliseconds of calls of one kind.

    ``script`` is the duration in the server's slowlog; it grows if others use the same core.
    ``cpu`` is what the server's process used, including reading the request and writing the
    answer.
    """

    script: Percentiles
    cpu: Percentiles


class _Calls:
    """Calls the script, and notes the duration of each kind of call."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._queue = Queue(cast("Any", None), environment.config, "default", "bench")
        self._scripts = Scripts(environment.store, Keys("default").prefix)
        self._scripts.call(PUBLISH, self._queue.publish_args())
        self.script: dict[str, list[float]] = {name: [] for name in PARTS}
        self.cpu: dict[str, list[float]] = {name: [] for name in PARTS}

    def call(self, settles: Sequence[Grant], starts: Sequence[Grant], want: int) -> list[Grant]:
        """Call once; note the duration if the call carried a full batch of a known kind."""
        token = self._queue.token()
        args = self._queue.step_args(
            [
                Settle(id=g.id, token=g.token, kind="accepted", provider_id="p" * 36, heard=True)
                for g in settles
            ],
            [Start(g.id, g.token, _REQUEST) for g in starts],
            (),
            want,
            token,
        )
        before = machine.cpu_seconds([self._environment.server_pid])
        answer = self._scripts.call(STEP, args)
        used = machine.cpu_seconds([self._environment.server_pid]) - before
        [entry] = self._environment.store.slowlog_get(1)
        claimed = parse_stepped(answer, token if want else "").claimed
        done = len(claimed.grants), len(starts), len(settles)
        if done in _KINDS:
            self.script[_KINDS[done]].append(entry["duration"] / 1000)
            self.cpu[_KINDS[done]].append(1000 * used)
        if want:
            time.sleep(claimed.wait_ms / 1000)
        return list(claimed.grants)


def held(environment: Environment, calls: int) -> dict[str, Held]:
    """Measure ``calls`` of each kind: 50 claims, 50 starts, 50 settles, or all three together.

    And 50 claims where all limits on what a recipient gets are configured, and of a campaign
    without hours and with them.
    """
    apart = {
        LIMITED: _limited(environment, calls),
        OF_CAMPAIGN: _of_campaign(environment, calls, None),
        IN_HOURS: _of_campaign(environment, calls, _OPEN),
    }
    environment.clear()
    environment.configure(Endpoint())
    environment.produce(MESSAGES, (2 * calls + 10) * BATCH)
    with _slowlog(environment):
        meter = _Calls(environment)
        for _ in range(calls):
            grants = meter.call((), (), BATCH)
            meter.call((), grants, 0)
            meter.call(grants, (), 0)
        posted: list[Grant] = []
        granted: list[Grant] = []
        for _ in range(calls + 2):  # the first two have nothing to settle yet
            posted, granted = granted, meter.call(posted, granted, EACH)
    for name, other in apart.items():
        meter.script[name], meter.cpu[name] = other.script["claim"], other.cpu["claim"]
    return {
        name: Held(Percentiles.of(meter.script[name]), Percentiles.of(meter.cpu[name]))
        for name in PARTS
    }


def _limited(environment: Environment, calls: int) -> _Calls:
    environment.clear()
    environment.configure(Endpoint(), NEVER, 1, _LIMITS)
    environment.produce(MESSAGES, (calls + 10) * BATCH)
    return _cycles(environment, calls)


def _of_campaign(environment: Environment, calls: int, hours: SendingHours | None) -> _Calls:
    environment.clear()
    environment.configure(Endpoint())
    plan = Plan(name="bench", text=_TEXT, to_column="phone", sender=_SENDER, hours=hours)
    campaigns, rows = Campaigns(environment.store, Keys("default")), (calls + 10) * BATCH
    campaigns.create(plan, rows)
    for _ in campaigns.add(plan.name, _people(plan, rows)):
        pass
    campaigns.act(plan.name, "start")
    return _cycles(environment, calls)


def _people(plan: Plan, rows: int) -> Iterator[Recipient]:
    classes = Classes(plan.hours) if plan.hours else None
    for number in range(rows):
        to = f"+1212{2_000_000 + number}"
        hash = key_hash(to)
        end, hours = ticket_end(plan, to, 1, ()), classes.of(to) if classes else None
        yield Recipient(number, hash, to, _TEXT, 1, "GSM-7", end, hours)


def _cycles(environment: Environment, calls: int) -> _Calls:
    with _slowlog(environment):
        meter = _Calls(environment)
        for _ in range(calls):
            grants = meter.call((), (), BATCH)
            meter.call((), grants, 0)
            meter.call(grants, (), 0)
    return meter


@contextmanager
def _slowlog(environment: Environment) -> Iterator[None]:
    environment.store.config_set("slowlog-log-slower-than", 0)
    try:
        yield
    finally:
        environment.store.config_set("slowlog-log-slower-than", -1)
        environment.store.slowlog_reset()
