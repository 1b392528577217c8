"""The environment of every run: one server and one stub, on a core of their own."""

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import msgspec
import redis

from sluicegate import Config, Sluice, load_config

from ..deployment import API_KEY, Process
from ..embedded import EmbeddedServer
from . import machine
from .bodies import bodies
from .certificate import write_certificate
from .contenders import Contender
from .stub import NEVER, Endpoint, stub

WORKER_CONCURRENCY = 200
"""POSTs under way in one worker of ours, and as many in its peers that let one say so."""

HEADROOM = 1.5
"""The account's concurrency over that: it also counts what is granted and not settled yet."""

STOP_SECONDS = 10.0


class Produced(msgspec.Struct, frozen=True):
    """What a producer took for ``count`` messages, and what they take up in the server."""

    count: int
    seconds: float
    cpu_seconds: float
    server_bytes: int

    @property
    def per_second(self) -> float:
        return self.count / self.seconds

    @property
    def bytes_each(self) -> float:
        return self.server_bytes / self.count


class Environment:
    """The server, the stub, and the directory in which everything else is; a context manager."""

    def __init__(self, *, append_only: bool = False) -> None:
        self.server = EmbeddedServer(append_only="everysec" if append_only else "no")
        self._stack = contextlib.ExitStack()
        self._runs = 0

    def __enter__(self) -> Self:
        self.server_core, self.worker_core = machine.cores()
        self.machine = machine.described()
        with contextlib.ExitStack() as stack:
            stack.enter_context(machine.pinned(self.server_core))
            made = tempfile.TemporaryDirectory(prefix="sluicegate-bench-")
            self.directory = Path(stack.enter_context(made))
            certificate = self.directory / "certificate.pem"
            write_certificate(certificate)
            stack.enter_context(self.server)
            self.stub = stack.enter_context(stub(certificate))
            client = stack.enter_context(redis.Redis.from_url(self.server.url))
            self.store = cast("Any", client)
            self.server_pid = int(self.store.info("server")["process_id"])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def clear(self) -> None:
        """Empty the server and make the stub forget."""
        self.store.execute_command("FLUSHALL", "SYNC")  # else memory is freed while we measure
        self.stub.reset()

    def configure(self, endpoint: Endpoint, limit: int = NEVER, workers: int = 1) -> None:
        """Write our configuration for one endpoint of the stub; ``limit`` is per second."""
        concurrency = int(HEADROOM * WORKER_CONCURRENCY) * workers
        lines = [
            f'redis_url = "{self.server.url}"',
            f'broker_url = "{self.server.url.removesuffix("/0")}/1"',
            'deployment = "bench"',
            f'spool_directory = "{self.directory / "spool"}"',
            "[accounts.default]",
            f'base_url = "{self.stub.url(endpoint)}"',
            f"limit = {limit}",
            "sms_per_second = 0",
            "mms_per_second = 0",
            f"concurrency = {concurrency}",
            f"worker_concurrency = {WORKER_CONCURRENCY}",
        ]
        self._config_file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def config(self) -> Config:
        return load_config(self._config_file, {})

    def sluice(self) -> Sluice:
        """A producer of ours."""
        return Sluice(self.config)

    def environ(self, endpoint: Endpoint) -> dict[str, str]:
        """What ours and others need in their environment."""
        certificate = str(self.directory / "certificate.pem")
        return {
            **os.environ,
            "BENCH_REDIS_URL": self.server.url,
            "BENCH_URL": self.stub.url(endpoint),
            "SLUICEGATE_TELNYX_API_KEY": API_KEY,
            "SLUICEGATE_CONFIG": str(self._config_file),
            "SLUICEGATE_METRICS_PORT": "19750",
            "SSL_CERT_FILE": certificate,
            "NODE_EXTRA_CA_CERTS": certificate,
            "NODE_ENV": "production",
        }

    def produce(self, contender: Contender, count: int, lanes: int = 1) -> Produced:
        """Have a contender's producer enqueue ``count`` messages, alone on the worker's core."""
        made = self.directory / "bodies.json"
        if contender.node:
            made.write_text(json.dumps(list(bodies(count))), encoding="utf-8")
        before = self._used_bytes()
        done = self.run(contender.fed(count, lanes, made), self.environ(Endpoint()))
        took = json.loads(done.splitlines()[-1])
        return Produced(count, took["seconds"], took["cpu_seconds"], self._used_bytes() - before)

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> str:
        """Run a command to its end on the worker's core; what it printed."""
        with machine.pinned(self.worker_core):
            process = subprocess.Popen(  # noqa: S603 - commands of our own
                command,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # the terminal's Ctrl-C is for us
            )
        with process:
            try:
                printed, said = process.communicate()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{said[-2000:]}")
        return printed

    @contextlib.contextmanager
    def working(
        self, contender: Contender, endpoint: Endpoint, workers: int = 1
    ) -> Iterator[list[Process]]:
        """Run workers of a contender on the worker's core; all of them are gone at the end."""
        running: list[Process] = []
        try:
            for worker in range(workers):
                self._runs += 1
                name, command = (
                    f"{contender.name}-{self._runs}",
                    contender.started(endpoint, worker),
                )
                with machine.pinned(self.worker_core):
                    running.append(
                        Process.launched(name, command, self.environ(endpoint), self.directory)
                    )
            yield running
        finally:
            for process in running:
                process.ask_to_stop()
            ends = time.monotonic() + STOP_SECONDS
            for process in running:
                process.stop(max(0.1, ends - time.monotonic()))
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.process.pid, 9)  # what it may have left behind

    @property
    def _config_file(self) -> Path:
        return self.directory / "sluicegate.toml"

    def _used_bytes(self) -> int:
        found = self.store.info("memory")
        return int(found["used_memory"] - found["mem_clients_normal"])
