"""The figures other than drains: enqueueing, memory, idling, and the time that scripts take."""

import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from . import machine
from .comparison import BenchCase, Stats, paired, under_and_bare, worker_cpu
from .contenders import BARE, CELERY, MESSAGES, SLUICEGATE, Contender
from .environment import WORKER_CONCURRENCY, Environment, Produced
from .http_figures import HttpFigures, HttpRun, http_run
from .preflights import QUICK, WHOLE, PreflightFigures
from .progress import Part, part
from .runs import Counted, commands_at, wait_for
from .script_times import Held, Percentiles, held
from .stub import HOLDING, Endpoint

IDLE_AFTER_SECONDS = 7.0
"""Longer than an idle drain listens; after that, the next message needs a signal."""

USUAL_PER_SECOND = 50
"""The limit of an ordinary account, in requests per second."""

_SEED = 700


class Connected(msgspec.Struct, frozen=True):
    """A worker's TLS connections, peak resident memory, and proportional share of it (PSS)."""

    connections: int
    peak_mb: float
    shared_out_mb: float


class Figures(msgspec.Struct, kw_only=True):
    """All of these figures; None if only a run at full scale measures it."""

    import_rows_per_s: Stats
    enqueue_per_s: Stats
    celery_enqueue_per_s: Stats
    enqueue_vs_celery: Stats
    enqueue_cpu_s_per_1k: Stats
    celery_enqueue_cpu_s_per_1k: Stats
    bytes_per_recipient: Stats
    bytes_per_message: Stats
    celery_bytes_per_task: Stats
    memory_vs_celery: Stats
    idle_latency_ms: Percentiles
    latency_from_a_signal_ms: Percentiles | None = None
    tls_bare: Connected
    tls_under_celery: Connected
    idle_cpu: float
    celery_idle_cpu: float | None = None
    scripts_ms: dict[str, Held]
    commands_at_50: Counted
    under_celery_vs_bare: Stats
    under_celery_cpu_vs_bare: Stats
    preflight: PreflightFigures | None = None
    http: HttpFigures | None = None


def measure_all(environment: Environment, scale: float, repeats: int, seconds: float) -> Figures:
    """Measure all figures; ``scale`` 1 is full size, less is quicker."""
    whole = scale >= 1
    figures: dict[str, Any] = {}
    with part("enqueueing", 4 * repeats) as now:
        figures |= _enqueueing(environment, scale, repeats, now)
    pairs = 2 * repeats if whole else repeats
    with part("pairs", 2 * pairs) as now:
        figures |= _pairs(under_and_bare(environment, pairs, seconds, now))
    with part("figures", 9 if whole else 7) as now:
        figures |= _at_rest(environment, scale, now)
    return Figures(**figures)


def produced(environment: Environment, contender: Contender, count: int) -> Produced:
    """Run a contender's producer on an empty server."""
    environment.clear()
    environment.configure(Endpoint())
    return environment.produce(contender, count)


def _enqueueing(
    environment: Environment, scale: float, repeats: int, part: Part
) -> dict[str, Any]:
    many, few = max(500, int(100_000 * scale)), max(100, int(5_000 * scale))
    of: dict[str, list[Produced]] = {}
    over_http = list[HttpRun]()
    for _ in range(repeats):
        for contender, count in ((SLUICEGATE, many), (MESSAGES, many // 2), (CELERY, few)):
            part.begin(contender.feed)
            took = produced(environment, contender, count)
            of.setdefault(contender.feed, []).append(took)
            part.end(
                f"{contender.feed}: {took.per_second:,.0f}/s, {took.bytes_each:,.0f} bytes each"
            )
        part.begin("http")
        over_http.append(http_run(environment, many // 2, 2 * few))
        part.end(
            f"http: {over_http[-1].bulk_per_s:,.0f}/s in bulk, {over_http[-1].single_per_s:,.0f}/s"
        )
    rows, messages, tasks = of["campaign"], of["messages"], of["celery"]
    together = list(zip(rows, messages, tasks, strict=True))
    return {
        "import_rows_per_s": Stats.of(run.per_second for run in rows),
        "enqueue_per_s": Stats.of(run.per_second for run in messages),
        "celery_enqueue_per_s": Stats.of(run.per_second for run in tasks),
        "enqueue_vs_celery": Stats.of(m.per_second / t.per_second for _, m, t in together),
        "enqueue_cpu_s_per_1k": _cpu(messages),
        "celery_enqueue_cpu_s_per_1k": _cpu(tasks),
        "bytes_per_recipient": Stats.of(run.bytes_each for run in rows),
        "bytes_per_message": Stats.of(run.bytes_each for run in messages),
        "celery_bytes_per_task": Stats.of(run.bytes_each for run in tasks),
        "http": HttpFigures.of(over_http, [run.per_second for run in messages]),
        "memory_vs_celery": Stats.of(r.bytes_each / t.bytes_each for r, _, t in together),
    }


def _cpu(runs: Sequence[Produced]) -> Stats:
    return Stats.of(1000 * run.cpu_seconds / run.count for run in runs)


def _pairs(cases: Sequence[BenchCase]) -> dict[str, Stats | None]:
    names = SLUICEGATE.name, BARE.name, Endpoint()
    return {
        "under_celery_vs_bare": paired(cases, *names),
        "under_celery_cpu_vs_bare": paired(cases, *names, worker_cpu),
    }


def _at_rest(environment: Environment, scale: float, part: Part) -> dict[str, Any]:
    """Measure latency, memory, idling and scripts, each once; times are percentiles of many."""
    seconds = max(3.0, 20.0 * scale)
    measures: dict[str, Callable[[], Any]] = {
        "idle_latency_ms": lambda: idle_latency_ms(environment, max(20, int(300 * scale))),
        "tls_bare": lambda: connected(environment, BARE),
        "tls_under_celery": lambda: connected(environment, SLUICEGATE),
        "idle_cpu": lambda: idle_cpu(environment, SLUICEGATE, seconds),
        "scripts_ms": lambda: held(environment, max(20, int(500 * scale))),
        "preflight": lambda: preflighted(environment, WHOLE if scale >= 1 else QUICK),
        "commands_at_50": lambda: commands_at(environment, SLUICEGATE, USUAL_PER_SECOND, seconds),
    }
    if scale >= 1:
        measures["celery_idle_cpu"] = lambda: idle_cpu(environment, CELERY, seconds)
        measures["latency_from_a_signal_ms"] = lambda: idle_latency_ms(
            environment, 20, awake=False
        )
    figures = {}
    for name, measure in measures.items():
        part.begin(name)
        figures[name] = measure()
        part.end(name)
    return figures


def preflighted(environment: Environment, rows: int) -> PreflightFigures:
    """Check a file of so many rows in a process of its own."""
    environment.clear()
    command = [sys.executable, "-m", "sluicegate_rigs.bench.preflights", str(rows)]
    output = environment.run(command, environment.environ(Endpoint()))
    return msgspec.json.decode(output.splitlines()[-1], type=PreflightFigures)


def idle_latency_ms(environment: Environment, count: int, *, awake: bool = True) -> Percentiles:
    """Milliseconds from calling ``enqueue`` to the POST's arrival, through an idle Celery worker.

    With ``awake`` the drain is still listening; otherwise a signal has to start one each time.
    """
    draw = random.Random(_SEED)  # noqa: S311 - a simulation
    late_ms: list[float] = []
    environment.clear()
    environment.configure(Endpoint())
    with environment.working(SLUICEGATE, Endpoint()) as processes, environment.sluice() as sluice:
        for n in range(count + 1):
            began = time.monotonic()
            sluice.enqueue(to="+12125550123", sender="+15557654321", text="your code is 1234")
            wait_for(environment, n + 1, processes)
            if n:  # the first waits for the worker to start
                late_ms.append(1000 * (environment.stub.time(n) - began))
            time.sleep(draw.uniform(0.05, 0.15) if awake else IDLE_AFTER_SECONDS)
    return Percentiles.of(late_ms)


def idle_cpu(environment: Environment, contender: Contender, seconds: float) -> float:
    """The share of a core that an idle worker uses."""
    environment.clear()
    environment.configure(Endpoint())
    environment.produce(contender, 1)
    with environment.working(contender, Endpoint()) as processes:
        wait_for(environment, 1, processes)
        time.sleep(IDLE_AFTER_SECONDS)
        pids = machine.tree(processes[0].process.pid)
        before = machine.cpu_seconds(pids)
        time.sleep(seconds)
        return (machine.cpu_seconds(pids) - before) / seconds


def connected(environment: Environment, contender: Contender) -> Connected:
    """A worker's memory after it has opened and used all the TLS connections that it may have."""
    environment.clear()
    environment.configure(HOLDING)
    before = environment.stub.connections
    environment.produce(contender, 4 * WORKER_CONCURRENCY)
    with environment.working(contender, HOLDING) as processes:
        wait_for(environment, 3 * WORKER_CONCURRENCY + 1, processes)
        pids = machine.tree(processes[0].process.pid)
        peak, share = machine.peak_bytes(pids), machine.shared_out_bytes(pids)
        return Connected(environment.stub.connections - before, peak / 1e6, share / 1e6)
