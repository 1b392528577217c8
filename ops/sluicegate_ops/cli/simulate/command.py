"""``sluicegate simulate``: runs a simulated provider, and reports what it received."""

import signal
import threading
from typing import TYPE_CHECKING

import typer

from ...operating.session import Session
from ..kit.command import command
from ..kit.failures import BAD_INPUT, fail
from ..kit.output import write_pairs
from .options import SimulateOptions, settings_of

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

_HOW_TO = """\
Simulated Telnyx at {url}

To use it, put this into sluicegate.toml:

    [accounts.default]
    base_url = "{url}"

and start a worker, with any key:

    SLUICEGATE_TELNYX_API_KEY=KEY celery -A sluicegate_worker.app worker

What it has received: {base}/_sim/report
The public key of its webhooks: {key}
Press Ctrl-C to end it.
"""


@command
def simulate(_: Session, options: SimulateOptions) -> None:
    """Simulate the provider's API, until Ctrl-C.

    It has Telnyx's rate limit, headers, queues and webhooks, and fails as often
    as you ask it to. At the end it reports what it received.

    \b
    Example:
      sluicegate simulate --limit 10 --error-503 0.05 --latency-ms 200
      sluicegate simulate --sender-rate +15557654321=0.1 --webhook-url http://127.0.0.1:8000/hook
    """
    try:
        settings = settings_of(options)
    except ValueError as error:
        fail(str(error), BAD_INPUT)
    try:
        _run(settings)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        fail(f"{where}: {error.strerror or error}. --port 0 takes a free port")


def _run(settings: "Settings") -> None:
    from sluicegate_ops.simulator import simulator_in_thread

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with simulator_in_thread(settings) as simulator:
        url, base, key = simulator.url, simulator.base, simulator.public_key
        typer.echo(_HOW_TO.format(url=url, base=base, key=key))
        stopped.wait()
        report, events, costs = simulator.report(), simulator.webhooks(), simulator.costs()
    _show(report, events)
    for currency, amount in costs.billed.items():
        typer.echo(f"\nBilled: {amount} {currency} for {costs.messages:,} messages")


def _show(report: dict[str, object], events: dict[str, int]) -> None:
    typer.echo("\nReceived:")
    write_pairs(
        (name.replace("_", " "), _plain(report[name])) for name in report if name in _REPORTED
    )
    if events["events"]:
        typer.echo("\nTold by webhook:")
        write_pairs((name.replace("_", " "), count) for name, count in events.items() if count)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {count}" for name, count in value.items()) or "none"
    return value
