"""One timed run: feed a contender, start its workers, and measure them until they are done."""

import contextlib
import time
from collections.abc import Sequence

import msgspec

from ..deployment import Process
from . import machine
from .contenders import Contender
from .environment import Environment, Produced
from .monitor import Monitor
from .stub import Endpoint

WARM_UP = 0.1
"""The share of a run before the measurement: connections, imports, first answers."""

LEAST_WARM_UP = 50  # messages
AFTER_SECONDS = 0.6
"""How long to measure after the last answer: acknowledgements are part of the work."""

STALL_SECONDS = 60.0
UP_SECONDS, UP_SHARE = 0.5, 0.05
POLL_SECONDS = 0.01


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured; CPU in seconds per 1,000 messages.

    ``worker_core`` and ``server_core`` say how busy each core was; one near 1 is the bottleneck.
    ``foreign`` is the share of both cores that other programs used, and ``stolen`` the share that
    the host took. ``surplus`` counts requests beyond the number of messages.
    """

    messages: int
    per_second: float
    worker_cpu: float
    server_cpu: float
    stub_cpu: float
    peak_bytes: int
    most_under_way: int
    worker_core: float
    server_core: float
    foreign: float
    stolen: float
    surplus: int
    produced: Produced


class _Snapshot(msgspec.Struct, frozen=True):
    """What each process had used at one moment."""

    at: float
    count: int
    worker: float
    server: float
    stub: float
    bench: float
    machine: machine.Load

    @classmethod
    def taken(cls, environment: Environment, pids: Sequence[int]) -> "_Snapshot":
        return cls(
            time.monotonic(),
            environment.stub.count,
            machine.cpu_seconds(pids),
            machine.cpu_seconds([environment.server_pid]),
            machine.cpu_seconds([environment.stub.pid]),
            time.process_time(),
            machine.load((environment.worker_core, environment.server_core)),
        )


def warm_up(count: int) -> int:
    """How many of a run's messages are sent before the measurement begins."""
    return min(max(LEAST_WARM_UP, int(WARM_UP * count)), count // 2)


def drained(
    environment: Environment,
    contender: Contender,
    endpoint: Endpoint,
    count: int,
    *,
    backlog: int = 0,
    lanes: int = 1,
    workers: int = 1,
) -> Run:
    """Enqueue ``count`` messages, or ``backlog`` if that is more, and measure draining ``count``.

    Several workers start before there is anything to send, and are measured during the second
    half: otherwise the first would send everything while the last is still starting.
    """
    environment.clear()
    environment.configure(endpoint, workers=workers)
    feed = contender, max(count, backlog), lanes
    with contextlib.ExitStack() as stack:
        if workers == 1:
            produced = environment.produce(*feed)
        processes = stack.enter_context(environment.working(contender, endpoint, workers))
        if workers > 1:
            _wait_until_up(processes)
            produced = environment.produce(*feed)
        warm = warm_up(count) if workers == 1 else count // 2
        wait_for(environment, warm, processes)
        first = _Snapshot.taken(environment, _pids(processes))
        wait_for(environment, count, processes)
        if count >= backlog:
            time.sleep(AFTER_SECONDS)
        pids = _pids(processes)
        last = _Snapshot.taken(environment, pids)
        peak = machine.peak_bytes(pids)
    return _run(environment, first, last, warm, count, peak, produced, backlog)


class Counted(msgspec.Struct, frozen=True):
    """Commands per message: calls by clients (a script is one), and inside scripts."""

    calls: float
    inside: float


def commands(
    environment: Environment, contender: Contender, endpoint: Endpoint, count: int
) -> Counted:
    """Count the commands of a drain at full speed."""
    environment.clear()
    environment.configure(endpoint)
    environment.produce(contender, count)
    with environment.working(contender, endpoint) as processes:
        wait_for(environment, warm_up(count), processes)
        with Monitor(environment.server.port) as monitor:
            before = environment.stub.count
            wait_for(environment, count, processes)
            time.sleep(AFTER_SECONDS)
            return _counted(monitor, environment.stub.count - before)


def commands_at(
    environment: Environment, contender: Contender, per_second: int, seconds: float
) -> Counted:
    """Count the commands of a busy worker that may send ``per_second``."""
    endpoint = Endpoint(limit=per_second)
    environment.clear()
    environment.configure(endpoint, limit=per_second)
    environment.produce(contender, int(per_second * (seconds + 10)))
    with environment.working(contender, endpoint) as processes:
        wait_for(environment, per_second, processes)
        with Monitor(environment.server.port) as monitor:
            before = environment.stub.count
            time.sleep(seconds)
            return _counted(monitor, environment.stub.count - before)


def _counted(monitor: Monitor, messages: int) -> Counted:
    sent = max(1, messages)
    return Counted(monitor.count / sent, monitor.inside / sent)


def wait_for(environment: Environment, count: int, processes: Sequence[Process]) -> None:
    """Wait for ``count`` requests; raises RuntimeError with the log if a worker ends or stalls."""
    seen, ends = -1, 0.0
    while (now := environment.stub.count) < count:
        if now > seen:
            seen, ends = now, time.monotonic() + STALL_SECONDS
        gone = [process for process in processes if not process.alive]
        if gone or time.monotonic() > ends:
            logs = (
                process.log.read_text(errors="replace")[-2000:] for process in gone or processes
            )
            raise RuntimeError(
                "\n".join([f"a worker ended or stalled at {now} of {count}", *logs])
            )
        time.sleep(POLL_SECONDS)


def _pids(processes: Sequence[Process]) -> list[int]:
    return [pid for process in processes for pid in machine.tree(process.process.pid)]


def _wait_until_up(processes: Sequence[Process]) -> None:
    """Wait until the workers are nearly idle: their imports are done, and they listen."""
    used, ends = 0.0, time.monotonic() + STALL_SECONDS
    while time.monotonic() < ends:
        time.sleep(UP_SECONDS)
        now = machine.cpu_seconds(_pids(processes))
        if now > 0 and now - used < UP_SHARE * UP_SECONDS:
            return
        used = now


def _run(
    environment: Environment,
    first: _Snapshot,
    last: _Snapshot,
    warm: int,
    count: int,
    peak: int,
    produced: Produced,
    backlog: int,
) -> Run:
    used = last.worker - first.worker, last.server - first.server, last.stub - first.stub
    messages = max(1, last.count - first.count) / 1000
    took = environment.stub.time(count - 1) - environment.stub.time(warm - 1)
    elapsed = last.at - first.at
    worker_core, server_core = (
        (after - before) / elapsed
        for before, after in zip(first.machine.busy, last.machine.busy, strict=True)
    )
    cores = len({environment.server_core, environment.worker_core})
    busy = (worker_core + server_core) / 2 * cores * elapsed
    return Run(
        messages=count,
        per_second=(count - warm) / took,
        worker_cpu=used[0] / messages,
        server_cpu=used[1] / messages,
        stub_cpu=used[2] / messages,
        peak_bytes=peak,
        most_under_way=environment.stub.most_under_way,
        worker_core=min(1.0, worker_core),
        server_core=min(1.0, server_core),
        foreign=max(0.0, busy - sum(used) - (last.bench - first.bench)) / (cores * elapsed),
        stolen=(last.machine.stolen - first.machine.stolen) / (2 * elapsed),
        surplus=0 if count < backlog else last.count - count,
        produced=produced,
    )
