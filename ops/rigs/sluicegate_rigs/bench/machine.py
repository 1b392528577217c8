"""The machine: cores to run on, and the CPU and memory used by our processes and others."""

import contextlib
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """The server's core and the worker's; the same if there is only one."""
    ours = sorted(os.sched_getaffinity(0))
    return ours[0], ours[1 % len(ours)]


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run on one core meanwhile; processes started in the block stay on it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(pid: int) -> list[int]:
    """The ids of a process and its descendants."""
    pids = [pid]
    for parent in pids:
        try:
            for task in (_PROC / str(parent) / "task").iterdir():
                pids += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return pids


def cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU seconds, user and system, that the living processes have used so far."""
    used = 0.0
    for pid in pids:
        with contextlib.suppress(OSError):  # the process has ended
            used += time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) returns
    return used


def peak_bytes(pids: Iterable[int]) -> int:
    """The sum of each process's peak resident memory; shared memory counts more than once."""
    return _kilobytes(pids, "status", "VmHWM") * 1024


def shared_out_bytes(pids: Iterable[int]) -> int:
    """The processes' resident memory now, with shared memory divided among its users (PSS)."""
    return _kilobytes(pids, "smaps_rollup", "Pss:") * 1024


def _kilobytes(pids: Iterable[int], file: str, field: str) -> int:
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # the process has ended
            lines = (_PROC / str(pid) / file).read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith(field))
    return total


class Load(msgspec.Struct, frozen=True):
    """Seconds since the machine started: each core's busy time, and time stolen by the host."""

    busy: tuple[float, ...]
    stolen: float


def load(cores: Sequence[int]) -> Load:
    """The load of some cores so far."""
    lines = (_PROC / "stat").read_text().splitlines()
    named = {name: rest for name, _, rest in (line.partition(" ") for line in lines)}
    busy, stolen = [], 0
    for core in cores:
        numbers = [int(n) for n in named[f"cpu{core}"].split()[:8]]
        user, nice, system, _idle, _waiting, irq, softirq, taken = numbers
        busy.append((user + nice + system + irq + softirq) * _TICK_SECONDS)
        stolen += taken
    return Load(tuple(busy), stolen * _TICK_SECONDS)


def described() -> dict[str, object]:
    """The machine's description, for the record."""
    names = [
        line.partition(":")[2].strip()
        for line in (_PROC / "cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(_memory_kilobytes() / 1e6),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _memory_kilobytes() -> int:
    [line] = [x for x in (_PROC / "meminfo").read_text().splitlines() if x.startswith("MemTotal")]
    return int(line.split()[1])
