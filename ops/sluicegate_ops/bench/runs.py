"""One timed run: feed a contender, start its workers, see what they use until they are done."""

import time
from collections.abc import Sequence

import msgspec

from ..stage import Process
from . import machine
from .bed import Bed, Produced
from .contenders import Contender
from .monitor import Monitor
from .stub import NEVER, Door

WARM_UP = 0.1
"""So much of a run goes by before anything is measured: connections, imports, first answers."""

LEAST_WARM_UP = 50  # messages
AFTER_SECONDS = 0.6
"""Acknowledgements and outcomes come after the last answer, and are part of the work."""

STALL_SECONDS = 60.0
POLL_SECONDS = 0.01


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured; CPU in seconds per 1,000 messages.

    ``foreign`` is the share of all cores that neither the bench nor its processes used, ``stolen``
    what the host took. ``surplus`` requests came more than there were messages.
    """

    messages: int
    per_second: float
    worker_cpu: float
    server_cpu: float
    stub_cpu: float
    peak_bytes: int
    most_under_way: int
    foreign: float
    stolen: float
    surplus: int
    produced: Produced


class _Snapshot(msgspec.Struct, frozen=True):
    """What everybody had used at one moment."""

    at: float
    count: int
    worker: float
    server: float
    stub: float
    bench: float
    machine: machine.Load

    @classmethod
    def taken(cls, bed: Bed, pids: Sequence[int]) -> "_Snapshot":
        return cls(
            time.monotonic(),
            bed.stub.count,
            machine.cpu_seconds(pids),
            machine.cpu_seconds([bed.server_pid]),
            machine.cpu_seconds([bed.stub.pid]),
            time.process_time(),
            machine.load(),
        )


def warm_up(count: int) -> int:
    """How many of a run's messages go by before anything is measured."""
    return min(max(LEAST_WARM_UP, int(WARM_UP * count)), count // 2)


def drained(
    bed: Bed,
    contender: Contender,
    door: Door,
    count: int,
    *,
    backlog: int = 0,
    lanes: int = 1,
    workers: int = 1,
) -> Run:
    """Enqueue, drain ``count`` of them, measure. With a ``backlog`` more than that wait."""
    bed.clear()
    bed.configure(door, workers=workers)
    produced = bed.produce(contender, max(count, backlog), lanes)
    with bed.working(contender, door, workers) as processes:
        warm = warm_up(count)
        wait_for(bed, warm, processes)
        pids = _pids(processes)
        first = _Snapshot.taken(bed, pids)
        wait_for(bed, count, processes)
        if count >= backlog:
            time.sleep(AFTER_SECONDS)
        last = _Snapshot.taken(bed, _pids(processes))
        peak = machine.memory_bytes(_pids(processes))
    return _run(bed, first, last, warm, count, peak, produced, backlog)


def commands(bed: Bed, contender: Contender, count: int) -> float:
    """The server's commands per message of a drain at full speed, a script's call as one."""
    bed.clear()
    bed.configure(Door())
    bed.produce(contender, count)
    with bed.working(contender, Door()) as processes:
        warm = warm_up(count)
        wait_for(bed, warm, processes)
        with Monitor(bed.server.port) as monitor:
            began, before = monitor.count, bed.stub.count
            wait_for(bed, count, processes)
            time.sleep(AFTER_SECONDS)
            return (monitor.count - began) / max(1, bed.stub.count - before)


def commands_at(bed: Bed, contender: Contender, per_second: int, seconds: float) -> float:
    """The same of a worker that may send ``per_second``, and always has something to send."""
    door = Door(limit=per_second) if per_second != NEVER else Door()
    bed.clear()
    bed.configure(door, limit=per_second)
    bed.produce(contender, int(per_second * (seconds + 10)))
    with bed.working(contender, door) as processes:
        wait_for(bed, per_second, processes)
        with Monitor(bed.server.port) as monitor:
            began, before = monitor.count, bed.stub.count
            time.sleep(seconds)
            return (monitor.count - began) / max(1, bed.stub.count - before)


def wait_for(bed: Bed, count: int, processes: Sequence[Process]) -> None:
    """Wait for so many requests; raises RuntimeError with a log where a worker ends or stalls."""
    seen, ends = -1, 0.0
    while (now := bed.stub.count) < count:
        if now > seen:
            seen, ends = now, time.monotonic() + STALL_SECONDS
        gone = [process for process in processes if not process.alive]
        if gone or time.monotonic() > ends:
            logs = (process.log.read_text()[-2000:] for process in gone or processes)
            raise RuntimeError(
                "\n".join([f"a worker ended or stalled at {now} of {count}", *logs])
            )
        time.sleep(POLL_SECONDS)


def _pids(processes: Sequence[Process]) -> list[int]:
    return [pid for process in processes for pid in machine.tree(process.process.pid)]


def _run(
    bed: Bed,
    first: _Snapshot,
    last: _Snapshot,
    warm: int,
    count: int,
    peak: int,
    produced: Produced,
    backlog: int,
) -> Run:
    used = last.worker - first.worker, last.server - first.server, last.stub - first.stub
    messages = (last.count - first.count) / 1000
    took = bed.stub.time(count - 1) - bed.stub.time(warm - 1)
    cores = len({bed.server_core, bed.worker_core})
    capacity = cores * (last.at - first.at)
    busy = last.machine.busy - first.machine.busy
    return Run(
        messages=count,
        per_second=(count - warm) / took,
        worker_cpu=used[0] / messages,
        server_cpu=used[1] / messages,
        stub_cpu=used[2] / messages,
        peak_bytes=peak,
        most_under_way=bed.stub.most_under_way,
        foreign=max(0.0, busy - sum(used) - (last.bench - first.bench)) / capacity,
        stolen=(last.machine.stolen - first.machine.stolen) / capacity,
        surplus=0 if count < backlog else last.count - count,
        produced=produced,
    )
