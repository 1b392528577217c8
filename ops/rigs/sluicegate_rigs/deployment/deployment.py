"""The deployment: its parts, their order, and the configuration that connects them."""

import contextlib
import json
import os
import signal
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, Self, cast

import redis

from sluicegate import Config, Sluice, load_config
from sluicegate_ops.simulator import Settings
from sluicegate_worker.queue import worker_tag

from ..embedded import EmbeddedServer, free_ports
from .process import STOP_SECONDS, Process, WorkerProcess, ended_by_signals
from .provider import admin, simulating

API_KEY: Final = "KEY-of-the-simulator"
SECRETS: Final = {
    "SLUICEGATE_TELNYX_API_KEY": API_KEY,
    "SLUICEGATE_RECEIPTS_SECRET": "secret-of-the-receipts-of-the-deployment",
    "DEPLOYMENT_APP_TOKEN": "token-of-the-app-of-the-deployment",
    "DEPLOYMENT_OTHER_TOKEN": "token-of-the-other-app-of-the-deployment",
}
"""The secrets that no process may ever write down, by environment variable."""

READY_SECONDS = 30.0
NO_LEVELS = {"sms_per_second": 0, "mms_per_second": 0}


class Deployment:
    """The deployment; ``account`` holds settings of ``[accounts.default]``, as in the file.

    Without such settings only the limit on requests applies, as at the simulated provider.
    ``append_only`` is the server's persistence, ``provider`` the simulator's settings, and
    ``settings`` are top-level settings and tables of the file. With ``receipts`` the provider
    sends webhooks to where ``start_web`` will listen, and two apps called ``app`` and ``other``
    may send through it. ``forked`` starts its processes faster; see ``Fork``.
    """

    def __init__(
        self,
        provider: Settings,
        *,
        account: dict[str, Any] | None = None,
        append_only: Literal["no", "everysec", "always"] = "no",
        maxmemory_bytes: int = 0,
        receipts: bool = False,
        forked: bool = False,
        **settings: Any,
    ) -> None:
        self._settings, self._forked = settings, forked
        self._provider, self._account = provider, account or {}
        self.server = EmbeddedServer(append_only=append_only, maxmemory_bytes=maxmemory_bytes)
        self._directory = tempfile.TemporaryDirectory(prefix="sluicegate-deployment-")
        self.directory = Path(self._directory.name)
        self.workers: list[WorkerProcess] = []
        self.web: Process | None = None
        self._web_port, self._metrics_port = free_ports(2)
        self._receives = receipts
        self._processes = contextlib.ExitStack()
        self._started = 0
        self._public_key = self.url = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(ended_by_signals())
            stack.callback(self._directory.cleanup)
            stack.enter_context(self.server)
            self.url = stack.enter_context(simulating(self._provider, forked=self._forked))
            self._public_key = self.provider("public_key")["public_key"]
            self._write_config()
            stack.callback(self._stop_web)
            stack.callback(self.stop_workers)
            self._processes = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._processes.close()

    @property
    def config_file(self) -> Path:
        return self.directory / "sluicegate.toml"

    @property
    def web_url(self) -> str:
        """The front door's URL, also before it is started."""
        return f"http://127.0.0.1:{self._web_port}"

    @property
    def monitoring_url(self) -> str:
        """Where the front door tells its health and its metrics."""
        return f"http://127.0.0.1:{self._metrics_port}"

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables of this deployment's processes."""
        files = {"SLUICEGATE_CONFIG": str(self.config_file)}
        return {**os.environ, **files, **SECRETS, "SLUICEGATE_TELNYX_PUBLIC_KEY": self._public_key}

    @property
    def config(self) -> Config:
        return load_config(self.config_file, {})

    def sluice(self) -> Sluice:
        """A producer of this deployment."""
        return Sluice(self.config)

    def start_worker(self, *options: str) -> WorkerProcess:
        """Start a worker with Celery's ``options``; it takes its share once it is up."""
        name = self._new_name()
        module = [
            *("celery", "-A", "sluicegate_worker.app", "worker"),
            *("-n", f"{name}@sluicegate", "--without-mingle", "--without-gossip"),
            *("--loglevel", "INFO"),
            *options,
        ]
        worker = WorkerProcess.started(
            name, module, self.environ, self.directory, forked=self._forked
        )
        self.workers.append(worker)
        return worker

    def workers_heard(self) -> list[WorkerProcess]:
        """The living workers that have reported to Redis; raises redis.RedisError."""
        with self.sluice() as sluice:
            heard = set(cast("Any", sluice.client).zrange(sluice.keys("workers"), 0, -1))
        return [w for w in self.workers if f"{w.name}@sluicegate".encode() in heard and w.alive]

    def wait_for_workers(self, seconds: float = READY_SECONDS) -> None:
        """Wait until every living worker has reported; raises TimeoutError with the logs."""
        alive = [worker for worker in self.workers if worker.alive]
        ends = time.monotonic() + seconds
        while not set(alive) <= set(self.workers_heard()):
            if time.monotonic() > ends:
                raise TimeoutError("\n".join(w.log.read_text()[-2000:] for w in self.workers))
            time.sleep(0.05)

    def stop_workers(self) -> None:
        """Stop all workers at once, then wait for each."""
        for worker in self.workers:
            worker.ask_to_stop()
        ends = time.monotonic() + STOP_SECONDS
        for worker in self.workers:
            worker.stop(max(0.0, ends - time.monotonic()))

    def start_web(self) -> Process:
        """Start ``sluicegate serve``, always at the same URL; see ``wait_for_web``."""
        module = ["sluicegate_ops.cli", "serve"]
        module += ["--port", str(self._web_port), "--metrics-port", str(self._metrics_port)]
        self.web = Process.started(
            "web", module, self.environ, self.directory, forked=self._forked
        )
        return self.web

    def wait_for_web(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the front door answers; raises TimeoutError with its log."""
        ends = time.monotonic() + seconds
        while not self._web_answers():
            if self.web is None or not self.web.alive or time.monotonic() > ends:
                log = self.web.log.read_text()[-2000:] if self.web else "it was not started"
                raise TimeoutError(f"the front door did not open: {log}")
            time.sleep(0.05)

    def restart_server(self, *, politely: bool = False) -> None:
        """End the server by ``kill -9``, or SIGTERM if ``politely``; restart it on its data."""
        if politely:
            os.kill(self.server_pid, signal.SIGTERM)
            ends = time.monotonic() + READY_SECONDS
            while self._server_listens() and time.monotonic() < ends:
                time.sleep(0.01)
        self.server.restart()

    @property
    def server_pid(self) -> int:
        """The server's process id; raises redis.RedisError if it is down."""
        with redis.Redis.from_url(self.server.url) as client:
            return int(cast("Any", client.info("server"))["process_id"])

    def provider(self, path: str) -> Any:
        """The simulator's answer at ``/_sim/<path>``, such as ``report``."""
        return admin(self.url, path)

    def change_provider(self, **settings: Any) -> None:
        """Change the simulator's settings while it runs."""
        admin(self.url, "settings", settings)

    def reset_provider(self) -> None:
        """Make the simulator forget what it received."""
        admin(self.url, "reset", {})

    def _new_name(self) -> str:
        """A name whose tag is unique here, so that a lease always identifies its worker."""
        tags = {worker_tag(f"{worker.name}@sluicegate") for worker in self.workers}
        while True:
            self._started += 1
            name = f"worker{self._started}"
            if worker_tag(f"{name}@sluicegate") not in tags:
                return name

    def _stop_web(self) -> None:
        if self.web is not None:
            self.web.stop()

    def _web_answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.monitoring_url}/healthz", timeout=1).close()  # noqa: S310 - our own server
        except OSError:
            return False
        return True

    def _server_listens(self) -> bool:
        try:
            with redis.Redis.from_url(self.server.url, socket_timeout=1) as client:
                client.ping()
        except redis.BusyLoadingError:
            return True
        except redis.RedisError:
            return False
        return True

    def _write_config(self) -> None:
        # Celery's signals use their own database, as in production.
        settings = self._settings.items()
        tables = {name: value for name, value in settings if isinstance(value, dict)}
        lines = [
            *(f"{name} = {json.dumps(value)}" for name, value in settings if name not in tables),
            f'redis_url = "{self.server.url}"',
            f'broker_url = "{self.server.url.removesuffix("/0")}/1"',
            'deployment = "local"',
            f'spool_directory = "{self.directory / "spool"}"',
            *_toml("accounts.default", {"base_url": self.url, **NO_LEVELS, **self._account}),
        ]
        if self._receives:
            apps = {
                app: {"token_env": f"DEPLOYMENT_{app.upper()}_TOKEN"} for app in ("app", "other")
            }
            web = {"public_url": self.web_url, "apps": apps}
            tables["web"] = web | tables.get("web", {})
        for name, table in tables.items():
            lines += _toml(name, table)
        self.config_file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(table: str, values: dict[str, Any]) -> Iterator[str]:
    yield f"[{table}]"
    nested = {name: value for name, value in values.items() if isinstance(value, dict)}
    for name, value in values.items():
        if name not in nested:
            yield f"{name} = {json.dumps(value)}"
    for name, value in nested.items():
        yield from _toml(f"{table}.{json.dumps(name)}", value)
