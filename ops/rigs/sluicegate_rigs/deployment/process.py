"""One process of a deployment, with its own log: started, frozen, killed or stopped."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from .fork import Fork

STOP_SECONDS = 20.0
_ENDING = (signal.SIGTERM, signal.SIGHUP)  # kill, a supervisor; a terminal that is closed


class Process:
    """A process; it appends to the log of earlier processes of the same name."""

    def __init__(self, name: str, process: subprocess.Popen[bytes] | Fork, log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @classmethod
    def launched(
        cls, name: str, command: Sequence[str], environ: Mapping[str, str], directory: Path
    ) -> Self:
        """Start ``command`` in ``directory``, which also holds its log."""
        log = directory / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdout=output,
                stderr=output,
                env=environ,
                cwd=directory,
                start_new_session=True,  # Ctrl-C is for us: we stop what we started
            )
        return cls(name, process, log)

    @classmethod
    def forked(
        cls, name: str, module: Sequence[str], environ: Mapping[str, str], directory: Path
    ) -> Self:
        """``launched`` with ``python -m`` and this ``module`` with its arguments; see ``Fork``."""
        log = directory / f"{name}.log"
        return cls(name, Fork(module[0], module[1:], environ, directory, log), log)

    @classmethod
    def started(
        cls,
        name: str,
        module: Sequence[str],
        environ: Mapping[str, str],
        directory: Path,
        *,
        forked: bool,
    ) -> Self:
        """Start ``python -m`` with this ``module`` and its arguments, as a fork or anew."""
        if forked:
            return cls.forked(name, module, environ, directory)
        return cls.launched(name, [sys.executable, "-m", *module], environ, directory)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def kill(self) -> None:
        """``kill -9``: it gets no chance to log or settle anything."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it (SIGSTOP) like a frozen host; returns once it has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        if isinstance(self.process, Fork):
            self.process.wait_until_frozen()
        else:
            os.waitpid(self.process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        """Ask it to stop (SIGTERM), like a rolling deployment; returns at once."""
        if self.alive:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Ask it to stop, and kill it after ``seconds``; return its exit status."""
        self.ask_to_stop()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.wait()


class WorkerProcess(Process):
    """One Celery worker process."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Take SIGTERM and SIGHUP for Ctrl-C, so that whatever was started is stopped.

    Once one has come, the next ones are not heard: they would cut the stopping short. Only the
    main thread can hear signals; in another one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        for signum in _ENDING:
            signal.signal(signum, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {signum: signal.signal(signum, end) for signum in _ENDING}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
