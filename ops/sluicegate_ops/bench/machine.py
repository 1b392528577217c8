"""The machine: who runs on which core, what a process has used, and what strangers used."""

import os
import platform
from collections.abc import Iterable
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """The server's core, and the worker's: the same where there is but one."""
    ours = sorted(os.sched_getaffinity(0))
    return ours[0], ours[1 % len(ours)]


def pin(pid: int, core: int) -> None:
    """Keep a process, with the threads that it has and will have, on one core."""
    for thread in (_PROC / str(pid) / "task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def tree(pid: int) -> list[int]:
    """A process and all below it; none where it is gone."""
    pids = [pid]
    for parent in pids:
        try:
            for task in (_PROC / str(parent) / "task").iterdir():
                pids += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return pids


def cpu_seconds(pids: Iterable[int]) -> float:
    """What the processes that still live have used, in user and system mode."""
    ticks = 0
    for pid in pids:
        try:
            after_name = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(after_name[11]) + int(after_name[12])
    return ticks * _TICK_SECONDS


def memory_bytes(pids: Iterable[int], field: str = "VmHWM") -> int:
    """Resident memory, summed; ``VmHWM`` is the most it ever was, ``VmRSS`` what it is."""
    found = 0
    for pid in pids:
        try:
            lines = (_PROC / str(pid) / "status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
    return found


class Load(msgspec.Struct, frozen=True):
    """Seconds of all cores so far: busy, and stolen by the host."""

    busy: float
    stolen: float


def load() -> Load:
    """What the machine's cores have done since it started."""
    numbers = [int(n) for n in (_PROC / "stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _waiting, irq, softirq, stolen = numbers
    busy = user + nice + system + irq + softirq
    return Load(busy * _TICK_SECONDS, stolen * _TICK_SECONDS)


def described() -> dict[str, object]:
    """The machine in words, for the record."""
    names = [
        line.partition(":")[2].strip()
        for line in (_PROC / "cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
