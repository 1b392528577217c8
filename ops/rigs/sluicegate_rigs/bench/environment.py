"""The environment of every run: one server and one stub, on their own core."""

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
"""POSTs in flight in one of our workers, and in each peer that has such a setting."""

HEADROOM = 1.5
"""The account's concurrency as a multiple of that: it also counts unsettled messages."""

STOP_SECONDS = 10.0


class Produced(msgspec.Struct, frozen=True):
    """What enqueueing ``count`` messages took, and the memory that they use in the server."""

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
    """A context manager: the server, the stub, and the directory that holds everything else."""

    def __init__(self, *, append_only: bool = False) -> None:
        self.server = EmbeddedServer(append_only="everysec" if append_only else "no")
        self._stack = contextlib.ExitStack()
        self._runs = 0

    def __enter__(self) -> Self:
        self.server_core, self.worker_core = machine.cores()
        self.machine = machine.described()
        with contextlib.ExitStack() as stack:
            stack.enter_context(machine.pinned(self.server_core))
            directory = tempfile.TemporaryDirectory(prefix="sluicegate-bench-")
            self.directory = Path(stack.enter_context(directory))
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
        self.store.execute_command(
            "FLUSHALL", "SYNC"
        )  # SYNC, or it would free memory while we measure
        self.stub.reset()

    def configure(
        self, endpoint: Endpoint, limit: int = NEVER, workers: int = 1, *tables: str
    ) -> None:
        """Write our configuration for one endpoint of the stub, with further ``tables`` of TOML.

        ``limit`` is per second.
        """
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
            *tables,
        ]
        self._config_file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def config(self) -> Config:
        return load_config(self._config_file, {})

    def sluice(self) -> Sluice:
        """A producer of ours."""
        return Sluice(self.config)

    def environ(self, endpoint: Endpoint) -> dict[str, str]:
        """The environment variables that our workers and the peers need."""
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
        """Enqueue ``count`` messages with the contender's producer, alone on the worker's core."""
        bodies_file = self.directory / "bodies.json"
        if contender.node:
            bodies_file.write_text(json.dumps(list(bodies(count))), encoding="utf-8")
        before = self._used_bytes()
        output = self.run(contender.fed(count, lanes, bodies_file), self.environ(Endpoint()))
        took = json.loads(output.splitlines()[-1])
        return Produced(count, took["seconds"], took["cpu_seconds"], self._used_bytes() - before)

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> str:
        """Run a command to its end on the worker's core; return its output."""
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
                output, errors = process.communicate()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{errors[-2000:]}")
        return output

    @contextlib.contextmanager
    def working(
        self, contender: Contender, endpoint: Endpoint, workers: int = 1
    ) -> Iterator[list[Process]]:
        """Run a contender's workers on the worker's core; all of them have ended afterwards."""
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
                    os.killpg(process.process.pid, 9)  # its children, if any are left

    @property
    def _config_file(self) -> Path:
        return self.directory / "sluicegate.toml"

    def _used_bytes(self) -> int:
        memory = self.store.info("memory")
        return int(memory["used_memory"] - memory["mem_clients_normal"])
