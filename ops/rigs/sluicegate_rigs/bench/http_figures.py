"""How many messages a second `sluicegate serve` takes, with a token, caps and validation."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ..deployment import Process
from ..embedded import free_ports
from . import machine
from .bodies import SENDER
from .comparison import Stats
from .environment import Environment
from .http_load import TOKEN_ENV
from .stub import NEVER, Endpoint

UP_SECONDS: Final = 30.0
_TOKEN: Final = "token-of-the-bench-0123456789"  # noqa: S105 - of a server that lasts seconds
_LIMITS: Final = (
    f'token_env = "{TOKEN_ENV}"',
    f'senders = ["{SENDER}"]',
    'countries = ["US"]',
    "daily_messages = 100000000",
    "daily_money = 1000000.0",
    "most_waiting = 100000000",
)


class HttpRun(msgspec.Struct, frozen=True):
    """One run: messages a second in bulk and singly, and the latter's times.

    Those at ``PACE`` a second are counted from when a message was due, not from when it was sent.
    """

    bulk_per_s: float
    single_per_s: float
    single_p50_ms: float
    single_p99_ms: float
    paced_p99_ms: float


class HttpFigures(msgspec.Struct, frozen=True):
    """All runs; each bulk request to `enqueue_many` from Python, measured just before it."""

    bulk_per_s: Stats
    bulk_to_python: Stats
    single_per_s: Stats
    single_p99_ms: Stats
    paced_p99_ms: Stats

    @classmethod
    def of(cls, runs: Sequence[HttpRun], python_per_s: Sequence[float]) -> "HttpFigures":
        together = zip(runs, python_per_s, strict=True)
        return cls(
            Stats.of(run.bulk_per_s for run in runs),
            Stats.of(run.bulk_per_s / python for run, python in together),
            Stats.of(run.single_per_s for run in runs),
            Stats.of(run.single_p99_ms for run in runs),
            Stats.of(run.paced_p99_ms for run in runs),
        )


def http_run(environment: Environment, many: int, few: int) -> HttpRun:
    """Serve on the worker's core; the client shares the other one with Redis."""
    environment.clear()
    with _serving(environment) as port:
        module = ["-m", "sluicegate_rigs.bench.http_load"]
        command = [sys.executable, *module, str(port), str(few), str(many)]
        environ = environment.environ(Endpoint()) | {TOKEN_ENV: _TOKEN}
        with machine.pinned(environment.server_core):
            done = subprocess.run(command, env=environ, capture_output=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace")[-2000:])
    took = json.loads(done.stdout.splitlines()[-1])
    single, paced = took["single"], took["paced"]
    return HttpRun(
        bulk_per_s=many / took["bulk_seconds"],
        single_per_s=few / single["seconds"],
        single_p50_ms=single["p50_ms"],
        single_p99_ms=single["p99_ms"],
        paced_p99_ms=paced["p99_ms"],
    )


@contextlib.contextmanager
def _serving(environment: Environment) -> Iterator[int]:
    """A `sluicegate serve` of its own; yields its port."""
    port, monitoring = free_ports(2)
    environment.configure(
        Endpoint(),
        NEVER,
        1,
        "price_per_segment = 0.004",
        "price_per_mms = 0.02",
        "receipts = false",
        f'[accounts.default.senders."{SENDER}"]',
        'kind = "toll_free"',
        "[web]",
        f"port = {port}",
        f"metrics_port = {monitoring}",
        "[web.apps.bench]",
        *_LIMITS,
    )
    command = [sys.executable, "-m", "sluicegate_ops.cli", "serve"]
    environ = environment.environ(Endpoint()) | {TOKEN_ENV: _TOKEN}
    with machine.pinned(environment.worker_core):
        serve = Process.launched("serve", command, environ, environment.directory)
    try:
        _wait_until_up(serve, port)
        yield port
    finally:
        serve.ask_to_stop()
        serve.stop(5.0)


def _wait_until_up(serve: Process, port: int) -> None:
    ends = time.monotonic() + UP_SECONDS
    while time.monotonic() < ends and serve.alive:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise RuntimeError(serve.log.read_text(errors="replace")[-2000:])
