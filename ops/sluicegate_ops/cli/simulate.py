"""``sluicegate simulate``: a provider to try things on, until Ctrl-C."""

import signal
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .kit.failures import BAD_INPUT, fail
from .kit.output import write_pairs

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

Rate = typer.Option(min=0, help="Segments per second; 0: no limit.")


def _share(of: str) -> Any:
    return typer.Option(min=0, max=1, help=f"Share of {of}, 0 to 1.")


_HOW = """\
Simulated Telnyx at {url}

Point Sluicegate at it in sluicegate.toml:

    [accounts.default]
    base_url = "{url}"

and start a worker; any key will do:

    SLUICEGATE_TELNYX_API_KEY=KEY celery -A sluicegate_worker.app worker

What it received so far: {base}/_sim/report
Public key of its webhooks: {key}
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
    sender_rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SENDER=RATE", help="Segments per second of a sender; may be repeated."
        ),
    ] = None,
    default_sender_rate: Annotated[float, Rate] = 0.0,
    account_sms_rate: Annotated[float, Rate] = 0.0,
    account_mms_rate: Annotated[float, Rate] = 0.0,
    queue_seconds: Annotated[
        float, typer.Option(min=0, help="What a queue holds, in seconds of its rate.")
    ] = 14_400,
    spend_cap: Annotated[
        int, typer.Option(min=0, help="Messages of a profile until midnight UTC; 0: no cap.")
    ] = 0,
    webhook_url: Annotated[str, typer.Option(help="For messages that name none.")] = "",
    webhook_failover_url: Annotated[str, typer.Option(help="Tried after 3 failures.")] = "",
    webhook_delay: Annotated[
        float, typer.Option(min=0, help="Seconds from one state to the next, on average.")
    ] = 0.2,
    webhook_jitter: Annotated[
        float, typer.Option(min=0, help="Their standard deviation, in seconds.")
    ] = 0.05,
    delivery_failed: Annotated[float, _share("messages that fail")] = 0.0,
    delivery_unconfirmed: Annotated[float, _share("messages that stay unconfirmed")] = 0.0,
    webhook_loss: Annotated[float, _share("events that are lost")] = 0.0,
    webhook_duplicate: Annotated[float, _share("events that come twice")] = 0.0,
    webhook_reorder: Annotated[float, _share("messages told of in reverse")] = 0.0,
    webhook_forged: Annotated[float, _share("events with a forged one beside")] = 0.0,
    webhook_tampered: Annotated[float, _share("events with a changed one beside")] = 0.0,
    webhook_stale: Annotated[float, _share("events with an old one beside")] = 0.0,
    signing_key: Annotated[
        str, typer.Option(help="Private key, 32 bytes in base64; without: a new one.")
    ] = "",
) -> None:
    """Imitate the provider's API, until Ctrl-C.

    With its rate limit, its headers, its queues and webhooks, and any faults that you ask for.

    \b
    Example:
      sluicegate simulate --limit 10 --error-503 0.05 --latency-ms 200
      sluicegate simulate --sender-rate +15557654321=0.1 --webhook-url http://127.0.0.1:8000/hook
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
        "default_sender_rate": default_sender_rate or None,
        "account_sms_rate": account_sms_rate or None,
        "account_mms_rate": account_mms_rate or None,
        "queue_seconds": queue_seconds,
        "spend_cap": spend_cap or None,
    }
    webhooks: dict[str, Any] = {
        "url": webhook_url,
        "failover_url": webhook_failover_url,
        "delay_seconds": webhook_delay,
        "jitter_seconds": webhook_jitter,
        "delivery_failed": delivery_failed,
        "delivery_unconfirmed": delivery_unconfirmed,
        "loss": webhook_loss,
        "duplicate": webhook_duplicate,
        "reorder": webhook_reorder,
        "forged": webhook_forged,
        "tampered": webhook_tampered,
        "stale": webhook_stale,
        "signing_key": signing_key,
    }
    from sluicegate_ops.simulator import Faults, Settings, Webhooks

    try:
        settings = Settings(
            **values,
            sender_rates=_rates(sender_rate or []),
            faults=Faults(**faults),
            webhooks=Webhooks(**webhooks),
        )
    except ValueError as error:
        fail(str(error), BAD_INPUT)
    try:
        _run(settings)
    except OSError as error:
        fail(f"{host}:{port}: {error.strerror or error}. --port 0 takes a free port")


def _rates(given: list[str]) -> dict[str, float]:
    rates = {}
    for text in given:
        sender, _, rate = text.rpartition("=")
        try:
            rates[sender] = float(rate)
        except ValueError:
            sender = ""
        if not sender:
            raise ValueError(f"--sender-rate {text}: SENDER=RATE is due, as in +15557654321=0.1")
    return rates


def _run(settings: "Settings") -> None:
    from sluicegate_ops.simulator import simulator_in_thread

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with simulator_in_thread(settings) as simulator:
        typer.echo(_HOW.format(url=simulator.url, base=simulator.base, key=simulator.public_key))
        stopped.wait()
        report = simulator.report()
        events = simulator.webhooks()
    typer.echo("\nReceived:")
    write_pairs(
        (name.replace("_", " "), _plain(value))
        for name, value in report.items()
        if name in _REPORTED
    )
    if events["events"]:
        typer.echo("\nTold by webhook:")
        write_pairs((name.replace("_", " "), count) for name, count in events.items() if count)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {count}" for name, count in value.items()) or "none"
    return value
