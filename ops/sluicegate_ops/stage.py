"""A whole deployment on this machine: Valkey, a simulated Telnyx and real Celery workers.

The demo plays on it and the end-to-end tests break it. Everything lives in one temporary
directory and ends with the stage, also after Ctrl-C.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Self, cast

from sluicegate import Config, Sluice, load

from .embedded import EmbeddedServer
from .simulator import Settings, run

API_KEY = "KEY-of-the-simulator"
READY_SECONDS = 30.0
STOP_SECONDS = 20.0
NO_LEVELS = {"sms_per_second": 0, "mms_per_second": 0}


class Worker:
    """One Celery worker process."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """``kill -9``: no chance to say or settle anything."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it (SIGSTOP) as a frozen host would; returns once it stands still."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Ask it to stop as a deployment would; kill it after ``seconds``. Returns its status."""
        if self.alive:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode


class Stage:
    """The deployment; ``account`` are settings of ``[accounts.default]``, as in the file.

    Without settings of its own, only the limit on requests binds, as at the simulated provider.
    ``append_only`` is the server's persistence; ``provider`` the simulator's settings;
    ``settings`` are top-level settings of the file.
    """

    def __init__(
        self,
        provider: Settings,
        *,
        account: dict[str, Any] | None = None,
        append_only: Literal["no", "everysec", "always"] = "no",
        maxmemory_bytes: int = 0,
        **settings: Any,
    ) -> None:
        self._settings = settings
        self._provider, self._account = provider, account or {}
        self.server = EmbeddedServer(append_only=append_only, maxmemory_bytes=maxmemory_bytes)
        self._directory = tempfile.TemporaryDirectory(prefix="sluicegate-stage-")
        self.directory = Path(self._directory.name)
        self.workers: list[Worker] = []
        self._processes = contextlib.ExitStack()
        self._started = 0
        self.url = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._directory.cleanup)
            stack.enter_context(self.server)
            self.url = stack.enter_context(_simulating(self._provider))
            self._write_config()
            stack.callback(self.stop_workers)
            self._processes = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._processes.close()

    @property
    def config_file(self) -> Path:
        return self.directory / "sluicegate.toml"

    @property
    def environ(self) -> dict[str, str]:
        """What a process of this deployment needs in its environment."""
        return {
            **os.environ,
            "SLUICEGATE_CONFIG": str(self.config_file),
            "SLUICEGATE_TELNYX_API_KEY": API_KEY,
        }

    @property
    def config(self) -> Config:
        return load(self.config_file, {})

    def sluice(self) -> Sluice:
        """A producer of this deployment."""
        return Sluice(self.config)

    def start_worker(self) -> Worker:
        """Start a worker; it takes its share as soon as it is up."""
        self._started += 1
        name = f"worker{self._started}"
        log = self.directory / f"{name}.log"
        command = [
            *(sys.executable, "-m", "celery", "-A", "sluicegate_worker.app", "worker"),
            *("-n", f"{name}@stage", "--without-mingle", "--without-gossip"),
            *("--loglevel", "INFO"),
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdout=output,
                stderr=output,
                env=self.environ,
                cwd=self.directory,
                start_new_session=True,  # the terminal's Ctrl-C is for us, we stop the workers
            )
        worker = Worker(name, process, log)
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, seconds: float = READY_SECONDS) -> None:
        """Wait until every living worker has been heard; raises TimeoutError with its log."""
        names = {f"{worker.name}@stage".encode() for worker in self.workers if worker.alive}
        ends = time.monotonic() + seconds
        with self.sluice() as sluice:
            client = cast("Any", sluice.client)
            while not names <= set(client.zrange(sluice.keys("workers"), 0, -1)):
                if time.monotonic() > ends:
                    raise TimeoutError("\n".join(w.log.read_text()[-2000:] for w in self.workers))
                time.sleep(0.05)

    def stop_workers(self) -> None:
        """Stop all of them together, then wait for each."""
        for worker in self.workers:
            if worker.alive:
                worker.process.send_signal(signal.SIGCONT)
                worker.process.terminate()
        for worker in self.workers:
            worker.stop()

    def provider(self, face: str) -> Any:
        """What the simulator says at ``/_sim/<face>``, such as ``report``."""
        base = self.url.removesuffix("/v2")
        with urllib.request.urlopen(f"{base}/_sim/{face}", timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def change_provider(self, **settings: Any) -> None:
        """Change the simulator's settings while it runs."""
        base = self.url.removesuffix("/v2")
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{base}/_sim/settings",
            data=json.dumps(settings).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    def reset_provider(self) -> None:
        """Make the simulator forget what it received."""
        base = self.url.removesuffix("/v2")
        request = urllib.request.Request(f"{base}/_sim/reset", data=b"")  # noqa: S310
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310

    def _write_config(self) -> None:
        # Celery's signals have a database of their own, as in production.
        lines = [
            *(f"{name} = {json.dumps(value)}" for name, value in self._settings.items()),
            f'redis_url = "{self.server.url}"',
            f'broker_url = "{self.server.url.removesuffix("/0")}/1"',
            'deployment = "stage"',
            f'spool_directory = "{self.directory / "spool"}"',
            *_toml("accounts.default", {"base_url": self.url, **NO_LEVELS, **self._account}),
        ]
        self.config_file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(table: str, values: dict[str, Any]) -> Iterator[str]:
    yield f"[{table}]"
    nested = {name: value for name, value in values.items() if isinstance(value, dict)}
    for name, value in values.items():
        if name not in nested:
            yield f"{name} = {json.dumps(value)}"
    for name, value in nested.items():
        yield from _toml(f"{table}.{json.dumps(name)}", value)


@contextlib.contextmanager
def _simulating(settings: Settings) -> Iterator[str]:
    """The simulator in a process of its own, so that it costs the workers nothing."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_simulate, args=(settings, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(READY_SECONDS):
            raise TimeoutError("the simulator did not start")
        yield ours.recv()
    finally:
        ours.close()
        process.terminate()
        process.join(STOP_SECONDS)
        process.close()


def _simulate(settings: Settings, ready: Connection) -> None:
    os.setsid()  # the terminal's Ctrl-C is for the stage to handle
    run(settings, on_ready=ready.send)
