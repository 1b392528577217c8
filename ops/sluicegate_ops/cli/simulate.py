"""``sluicegate simulate``: a provider to try things on, until Ctrl-C."""

import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .failures import BAD_INPUT, fail
from .output import write_pairs

if TYPE_CHECKING:  # the simulator is heavy, and no other command needs it
    from sluicegate_ops.simulator import Settings

_REPORTED = (
    "received",
    "accepted",
    "replayed",
    "received_twice",
    "responses",
    "faults",
    "highest_received_in_window",
    "requests_per_second",
)

Chance = typer.Option(min=0, max=1, help="Probability of this fault, 0 to 1.")
Milliseconds = typer.Option(min=0)

_HOW = """\
Simulated Telnyx at {url}

Point Sluicegate at it in sluicegate.toml:

    [accounts.default]
    base_url = "{url}"

and start a worker; any key will do:

    SLUICEGATE_TELNYX_API_KEY=KEY celery -A sluicegate_worker.app worker

What it received so far: {base}/_sim/report
Ctrl-C ends it.
"""


def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: a free one.")] = 8025,
    limit: Annotated[int, typer.Option(min=0, help="Requests per window; 0: no limit.")] = 50,
    window: Annotated[float, typer.Option(help="Seconds in a window.")] = 1.0,
    limiter: Annotated[str, typer.Option(help="fixed, sliding or bucket.")] = "sliding",
    reset: Annotated[str, typer.Option(help="x-ratelimit-reset: epoch or delta.")] = "epoch",
    latency_ms: Annotated[float, Milliseconds] = 0.0,
    jitter_ms: Annotated[float, Milliseconds] = 0.0,
    max_concurrency: Annotated[
        int, typer.Option(min=0, help="Unanswered requests at most; 0: no cap.")
    ] = 0,
    idempotency: Annotated[
        bool, typer.Option("--idempotency/--no-idempotency", help="Honour Idempotency-Key.")
    ] = True,
    error_500: Annotated[float, Chance] = 0.0,
    error_503: Annotated[float, Chance] = 0.0,
    error_429: Annotated[float, Chance] = 0.0,
    hang: Annotated[float, Chance] = 0.0,
    close_before: Annotated[float, Chance] = 0.0,
    close_after: Annotated[float, Chance] = 0.0,
    accepted_500: Annotated[float, Chance] = 0.0,
    hang_seconds: Annotated[float, typer.Option(help="How long a hanging request is held.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed throws the same faults.")] = 1,
) -> None:
    """Imitate the provider's API, until Ctrl-C.

    With its rate limit, its headers, and any faults that you ask for.

    \b
    Example:
      sluicegate simulate --limit 10 --error-503 0.05 --latency-ms 200
    """
    faults = {
        "error_500": error_500,
        "error_503": error_503,
        "error_429": error_429,
        "hang": hang,
        "close_before": close_before,
        "close_after": close_after,
        "accepted_500": accepted_500,
    }
    values: dict[str, Any] = {
        "host": host,
        "port": port,
        "limit": limit or None,
        "window_seconds": window,
        "limiter": limiter,
        "reset": reset,
        "latency_ms": latency_ms,
        "latency_jitter_ms": jitter_ms,
        "max_concurrency": max_concurrency or None,
        "idempotency": idempotency,
        "hang_seconds": hang_seconds,
        "seed": seed,
    }
    from sluicegate_ops.simulator import Faults, Settings

    try:
        settings = Settings(**values, faults=Faults(**faults))
    except ValueError as error:
        fail(str(error), BAD_INPUT)
    try:
        _run(settings)
    except OSError as error:
        fail(f"{host}:{port}: {error.strerror or error}. --port 0 takes a free port")


def _run(settings: "Settings") -> None:
    from sluicegate_ops.simulator import simulator_in_thread

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with simulator_in_thread(settings) as simulator:
        typer.echo(_HOW.format(url=simulator.url, base=simulator.base))
        stopped.wait()
        report = simulator.report()
    typer.echo("\nReceived:")
    write_pairs(
        (name.replace("_", " "), _plain(value))
        for name, value in report.items()
        if name in _REPORTED
    )


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {count}" for name, count in value.items()) or "none"
    return value
