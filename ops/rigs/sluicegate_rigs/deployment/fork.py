"""Python processes that start at once: forks of one that has imported what they need.

A worker and its command line are imported in a second or two of CPU time. Whoever starts dozens of
them, as tests do, spares most of that. In ``ps`` all of them look alike.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Not what reads its configuration while it is imported: sluicegate_worker.app and .tasks.
IMPORTED = [
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "kombu.transport.redis",
    "sluicegate_ops.simulator",
    "sluicegate_ops.web.server",
    "sluicegate_worker.engine",
    "sluicegate_worker.patience",
]
_forking = multiprocessing.get_context("forkserver")


class Fork:
    """``python -m module args`` with the methods of a ``subprocess.Popen`` that we use."""

    def __init__(
        self,
        module: str,
        args: Sequence[str],
        environ: Mapping[str, str],
        directory: Path,
        log: Path,
    ) -> None:
        log.touch()  # whoever started it may look into it at once
        _forking.set_forkserver_preload(IMPORTED)
        told = (module, [*args], dict(environ), str(directory), str(log))
        self._process = _forking.Process(target=_become, args=told, daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0  # of a started process it is never None

    @property
    def returncode(self) -> int | None:
        """As ``Popen`` has it: minus the signal that ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Its exit status, None while it lives."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if (status := self.returncode) is None:
            raise subprocess.TimeoutExpired("a fork", timeout or 0.0)
        return status

    def send_signal(self, signum: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def wait_until_frozen(self) -> None:
        """Wait until a SIGSTOP has worked: its parent could be told, but that is not us."""
        while self.poll() is None and not _state_of(self.pid).startswith("T"):
            time.sleep(0.001)


def _state_of(pid: int) -> str:
    """The state of a process as one letter; "T" is stopped."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text().rpartition(")")[2].strip()
    command = ["ps", "-o", "state=", "-p", str(pid)]  # macOS
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - our own command


def _become(
    module: str, args: list[str], environ: dict[str, str], directory: str, log: str
) -> None:
    """Be ``python -m module args`` in a session of its own, with that environment."""
    os.setsid()
    for stream, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
        (2, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags, 0o644), stream)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(directory)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [module, *args]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
