"""What a claim costs the server; it should not depend on the backlog or the number of lanes."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from statistics import median, quantiles
from typing import Any, cast

import msgspec
import redis

from sluicegate.config import Account, Config
from sluicegate.message import Message
from sluicegate.outbox import ENQUEUE, Outbox
from sluicegate.scripts import Scripts
from sluicegate_worker.queue import PUBLISH, STEP, Queue
from sluicegate_worker.wire import Grant, Settle, Start, parse_stepped

from ..embedded import EmbeddedServer
from .outcome import CaseResult, Targets
from .progress import progress

MOST = 1.2
TARGETS = Targets(cost=MOST)
WANTS = {1: 2_000, 50: 400}
"""Messages per claim, and how many such claims are measured."""

WARM_UP = 100  # claims
BATCH, CHUNK = 250, 50_000  # messages per call, and per filling task
PROCESSES = 2
LINE_EVERY = 500  # thousands of messages
NEVER = 1_000_000  # a limit that is never reached
ACCOUNT = Account(
    limit=NEVER, window_seconds=1.0, concurrency=NEVER, sms_per_second=0.0, mms_per_second=0.0
)


class Backlog(msgspec.Struct, frozen=True):
    """An account with ``depth`` messages waiting in each of ``lanes`` lanes."""

    account: str
    lanes: int
    depth: int

    @property
    def size(self) -> int:
        return self.lanes * self.depth

    def __str__(self) -> str:
        if self.lanes == 1:
            return f"{self.depth:,} in one lane"
        return f"{self.lanes:,} lanes of {self.depth:,}"


BACKLOGS = (
    Backlog("short", 1, 1_000),
    Backlog("deep", 1, 1_000_000),
    Backlog("wide", 10_000, 100),
)


def costs(chosen: Callable[[str], bool]) -> list[CaseResult]:
    """Fill a server with the queues, then measure claims on all of them in turns.

    ``chosen`` says by a case's name whether it is run.
    """
    wants = {want: count for want, count in WANTS.items() if chosen(f"claim of {want}")}
    if not wants:
        return []
    with EmbeddedServer() as server, redis.Redis.from_url(server.url) as store:
        _fill_all(server.url, BACKLOGS)
        meters = [ClaimMeter(store, backlog) for backlog in BACKLOGS]
        return [
            row
            for want, count in wants.items()
            for row in rows(BACKLOGS, want, in_turns(meters, want, count))
        ]


def rows(
    backlogs: Sequence[Backlog], want: int, times_us: Sequence[Sequence[float]]
) -> Iterator[CaseResult]:
    """A row for each queue's claims of ``want`` messages, compared with the first queue's."""
    first_us, first_p90_us = median(times_us[0]), quantiles(times_us[0], n=10)[-1]
    for index, (backlog, taken_us) in enumerate(zip(backlogs, times_us, strict=True)):
        us, p90_us = median(taken_us), quantiles(taken_us, n=10)[-1]
        yield CaseResult(
            case=f"claim of {want}, {backlog}",
            target=str(TARGETS if index else Targets()),
            held=us <= MOST * first_us and p90_us <= MOST * first_p90_us,
            claim_us=us,
            claim_p90_us=p90_us,
        )


def in_turns(
    meters: Sequence["ClaimMeter"], want: int, count: int, warm_up: int = WARM_UP
) -> list[list[float]]:
    """Microseconds of ``count`` claims on each queue, in turns, so that all share the noise."""
    times_us: list[list[float]] = [[] for _ in meters]
    for claim in range(-warm_up, count):
        for meter, taken_us in zip(meters, times_us, strict=True):
            us = meter.claim(want)
            if claim >= 0:
                taken_us.append(us)
    return times_us


class ClaimMeter:
    """Claims from one queue; completes what it claimed like a drain, and refills the queue."""

    def __init__(self, store: redis.Redis, backlog: Backlog) -> None:
        self.backlog = backlog
        self._store, self._scripts = cast("Any", store), _scripts(store, backlog)
        self._queue = Queue(cast("Any", None), _config(backlog), backlog.account, "meter")
        self._enqueued, self._taken = backlog.size, 0
        self._scripts.call(PUBLISH, self._queue.publish_args())
        store.config_set("slowlog-log-slower-than", 0)  # it records each command's microseconds
        self.claim(1)  # before the first answer, only a few are granted

    def claim(self, want: int) -> float:
        """Claim ``want`` messages in one call; return its microseconds on the server.

        Raises RuntimeError if fewer were granted.
        """
        token = self._queue.token()
        args = self._queue.step_args(want=want, token=token)
        claimed = parse_stepped(self._scripts.call(STEP, args), token).claimed
        [entry] = self._store.slowlog_get(1)
        if len(claimed.grants) != want:
            raise RuntimeError(f"{len(claimed.grants)} of {want} were granted: {claimed.why}")
        self._send(claimed.grants)
        return float(entry["duration"])

    def _send(self, grants: Sequence[Grant]) -> None:
        """Start and settle them, so that the bucket sees answers and nothing stays in flight."""
        starts = [Start(grant.id, grant.token, b"{}") for grant in grants]
        self._scripts.call(STEP, self._queue.step_args(starts=starts))
        settles = [
            Settle(id=grant.id, token=grant.token, kind="accepted", provider_id="p", heard=True)
            for grant in grants
        ]
        self._scripts.call(STEP, self._queue.step_args(settles))
        self._taken += len(grants)
        if self._taken >= BATCH:
            fill(self._store, self.backlog, self._enqueued, self._taken)
            self._enqueued, self._taken = self._enqueued + self._taken, 0


def _config(backlog: Backlog) -> Config:
    return Config(accounts={backlog.account: ACCOUNT})


def _scripts(store: redis.Redis, backlog: Backlog) -> Scripts:
    return Scripts(store, Outbox(_config(backlog), backlog.account).keys.prefix)


def _fill_all(url: str, backlogs: Sequence[Backlog]) -> None:
    """Fill the queues from several processes: making messages takes as long as storing them."""
    tasks = [
        (backlog, first, min(CHUNK, backlog.size - first))
        for backlog in backlogs
        for first in range(0, backlog.size, CHUNK)
    ]
    total = sum(backlog.size for backlog in backlogs) // 1000
    context = multiprocessing.get_context("spawn")
    with (
        progress("filling", total, "thousand messages", LINE_EVERY) as show,
        ProcessPoolExecutor(PROCESSES, context) as pool,
    ):
        futures = [pool.submit(_fill_from, url, *task) for task in tasks]
        done = 0
        try:
            for future in as_completed(futures):
                done += future.result()
                show(done // 1000)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fill_from(url: str, backlog: Backlog, first: int, count: int) -> int:
    with redis.Redis.from_url(url) as store:
        fill(store, backlog, first, count)
    return count


def fill(store: redis.Redis, backlog: Backlog, first: int, count: int) -> None:
    """Enqueue ``count`` messages, spread evenly over the lanes: each sender has one lane."""
    outbox, scripts = Outbox(_config(backlog), backlog.account), _scripts(store, backlog)
    for begin in range(first, first + count, BATCH):
        messages = [
            Message(
                id=f"m{n}",
                to="+15551234567",
                sender=f"+1555{n % backlog.lanes:07d}",
                text="hello",
                priority="bulk",
            )
            for n in range(begin, min(begin + BATCH, first + count))
        ]
        scripts.call(ENQUEUE, outbox.enqueue_args(messages))
