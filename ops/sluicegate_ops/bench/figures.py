"""Figures beside the drains: what enqueueing, memory, idling and a script's call cost."""

import random
import time
from statistics import median, quantiles
from typing import Any, cast

import msgspec

from sluicegate.keys import Keys
from sluicegate.scripts import Scripts
from sluicegate_worker.claims import BATCH, PUBLISH, STEP, Claims, Grant, Settle, Start, stepped

from . import machine
from .bed import WORKER_CONCURRENCY, Bed, Produced
from .contenders import BARE, CELERY, MESSAGES, SLUICEGATE, Contender
from .runs import wait_for
from .stub import Door

IDLE_AFTER_SECONDS = 7.0
"""An idle drain listens for some seconds, then ends; the next message needs a signal."""

READY_SECONDS = 30.0
_SEED = 700


class Spread(msgspec.Struct, frozen=True):
    """Many of the same figure: the middle, and what one in a hundred exceeds."""

    p50: float
    p99: float
    count: int

    @classmethod
    def of(cls, figures: list[float]) -> "Spread":
        p99 = quantiles(figures, n=100, method="inclusive")[-1]
        return cls(median(figures), p99, len(figures))


def produced(bed: Bed, contender: Contender, count: int) -> Produced:
    """A producer on an empty server."""
    bed.clear()
    bed.configure(Door())
    return bed.produce(contender, count)


def idle_latency_ms(bed: Bed, count: int, *, awake: bool = True) -> Spread:
    """From the call of ``enqueue`` to the arrival of the POST, through Celery, with nothing to do.

    ``awake`` drains were idle for a moment only; otherwise a signal has to start one each time.
    """
    draw = random.Random(_SEED)  # noqa: S311 - a simulation
    late_ms: list[float] = []
    bed.clear()
    bed.configure(Door())
    with bed.working(SLUICEGATE, Door()) as processes, bed.sluice() as sluice:
        for n in range(count + 1):
            began = time.monotonic()
            sluice.enqueue(to="+12125550123", sender="+15557654321", text="your code is 1234")
            wait_for(bed, n + 1, processes)
            if n:  # the first has to wait for the worker's start
                late_ms.append(1000 * (bed.stub.time(n) - began))
            time.sleep(draw.uniform(0.05, 0.15) if awake else IDLE_AFTER_SECONDS)
    return Spread.of(late_ms)


def idle_cpu(bed: Bed, contender: Contender, seconds: float) -> float:
    """The share of a core that a worker with nothing to do uses."""
    bed.clear()
    bed.configure(Door())
    bed.produce(contender, 1)
    with bed.working(contender, Door()) as processes:
        wait_for(bed, 1, processes)
        time.sleep(IDLE_AFTER_SECONDS)
        pids = machine.tree(processes[0].process.pid)
        before = machine.cpu_seconds(pids)
        time.sleep(seconds)
        return (machine.cpu_seconds(pids) - before) / seconds


def connected_bytes(bed: Bed, contender: Contender, count: int) -> tuple[int, int]:
    """A worker's most resident memory with 200 TLS connections, and how many it really had."""
    door = Door(50, tls=True)
    bed.clear()
    bed.configure(door)
    bed.produce(contender, count)
    with bed.working(contender, door) as processes:
        wait_for(bed, count, processes)
        peak = machine.memory_bytes(machine.tree(processes[0].process.pid))
    return peak, min(bed.stub.most_under_way, WORKER_CONCURRENCY)


def script_ms(bed: Bed, calls: int) -> Spread:
    """The server's own time for a step that settles, starts and claims 50 messages at once."""
    bed.clear()
    bed.configure(Door())
    bed.produce(MESSAGES, (calls + 2) * BATCH)
    claims = Claims(cast("Any", None), bed.config, "default", "bench")
    scripts = Scripts(bed.store, Keys("default").prefix)
    scripts.call(PUBLISH, claims.publish_args())
    bed.store.config_set("slowlog-log-slower-than", 0)
    took_ms: list[float] = []
    settles: list[Settle] = []
    starts: list[Grant] = []
    try:
        while len(took_ms) < calls:
            token = claims.token()
            args = claims.step_args(
                settles, [Start(g.id, g.token, b"{}") for g in starts], (), BATCH, token
            )
            claimed = stepped(scripts.call(STEP, args), token).claimed
            [entry] = bed.store.slowlog_get(1)
            if len(settles) == len(starts) == BATCH:
                took_ms.append(entry["duration"] / 1000)
            settles = [
                Settle(id=g.id, token=g.token, kind="accepted", provider_id="p" * 36, flags="h")
                for g in starts
            ]
            starts = list(claimed.grants)
            time.sleep(claimed.wait_ms / 1000)
    finally:
        bed.store.config_set("slowlog-log-slower-than", -1)
        bed.store.slowlog_reset()
    return Spread.of(took_ms)


def every(bed: Bed, scale: float) -> dict[str, Any]:
    """All of them; ``scale`` 1 is the whole measure, less is quicker."""
    many, few = max(500, int(100_000 * scale)), max(100, int(5_000 * scale))
    queued, enqueued = produced(bed, SLUICEGATE, many), produced(bed, MESSAGES, many // 2)
    task = produced(bed, CELERY, few)
    tls_bytes, connections = connected_bytes(bed, BARE, max(400, int(4_000 * scale)))
    celery_bytes, _ = connected_bytes(bed, SLUICEGATE, max(400, int(4_000 * scale)))
    idle_seconds = max(2.0, 15.0 * scale)
    figures = {
        "import_rows_per_s": queued.per_second,
        "enqueue_per_s": enqueued.per_second,
        "celery_enqueue_per_s": task.per_second,
        "enqueue_cpu_s_per_1k": 1000 * enqueued.cpu_seconds / enqueued.count,
        "celery_enqueue_cpu_s_per_1k": 1000 * task.cpu_seconds / task.count,
        "bytes_per_recipient": queued.bytes_each,
        "bytes_per_message": enqueued.bytes_each,
        "celery_bytes_per_task": task.bytes_each,
        "idle_latency_ms": idle_latency_ms(bed, max(20, int(300 * scale))),
        "tls_connections": connections,
        "rss_mb_bare_tls": tls_bytes / 1e6,
        "rss_mb_under_celery_tls": celery_bytes / 1e6,
        "idle_cpu": idle_cpu(bed, SLUICEGATE, idle_seconds),
        "script_ms_at_50": script_ms(bed, max(20, int(400 * scale))),
    }
    if scale >= 1:
        figures["celery_idle_cpu"] = idle_cpu(bed, CELERY, idle_seconds)
        figures["latency_from_a_signal_ms"] = idle_latency_ms(bed, 10, awake=False)
    return figures
