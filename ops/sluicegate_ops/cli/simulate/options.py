"""The options of ``sluicegate simulate``, and the simulator's settings that they make."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..kit.command import option_set

if TYPE_CHECKING:  # the simulator is heavy, and no other command needs it
    from sluicegate_ops.simulator import Settings


def _probability(help: str) -> Any:
    return typer.Option(metavar="P", min=0, max=1, help=f"Probability {help}, 0 to 1.")


def _rate(help: str) -> Any:
    return typer.Option(metavar="RATE", min=0, help=f"{help}; 0 is no limit.")


def _share(help: str) -> Any:
    return typer.Option(metavar="P", min=0, max=1, help=f"Share of {help}, 0 to 1.")


@option_set
class LimitOptions:
    """Where the simulator listens, and the limits that it imposes; 0 stands for no limit."""

    host: Annotated[str, typer.Option(metavar="HOST", help="The address to listen on.")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int, typer.Option(metavar="PORT", help="The port to listen on; 0 takes a free one.")
    ] = 8025
    limit: Annotated[
        int, typer.Option(metavar="N", min=0, help="Requests per window; 0 is no limit.")
    ] = 50
    window: Annotated[float, typer.Option(metavar="S", help="Seconds in a window.")] = 1.0
    limiter: Annotated[
        str, typer.Option(metavar="KIND", help="How it counts: fixed, sliding or bucket.")
    ] = "sliding"
    reset: Annotated[
        str, typer.Option(metavar="KIND", help="x-ratelimit-reset: epoch, delta or absent.")
    ] = "epoch"
    latency_ms: Annotated[
        float, typer.Option(metavar="MS", min=0, help="How long an answer takes, on average.")
    ] = 0.0
    jitter_ms: Annotated[
        float, typer.Option(metavar="MS", min=0, help="The standard deviation of that time.")
    ] = 0.0
    max_concurrency: Annotated[
        int, typer.Option(metavar="N", min=0, help="Unanswered requests at most; 0 is no limit.")
    ] = 0
    idempotency: Annotated[
        bool, typer.Option("--idempotency/--no-idempotency", help="Honour Idempotency-Key.")
    ] = True
    sample_account: Annotated[
        bool,
        typer.Option("--sample-account", help="Own profiles, numbers and a 10DLC campaign."),
    ] = False


@option_set
class FaultOptions:
    """How often requests fail, and how; the fields are those of the simulator's ``Faults``."""

    error_500: Annotated[float, _probability("of an answer 500")] = 0.0
    error_503: Annotated[float, _probability("of an answer 503")] = 0.0
    error_429: Annotated[float, _probability("of an answer 429")] = 0.0
    hang: Annotated[float, _probability("that a request hangs")] = 0.0
    close_before: Annotated[float, _probability("of closing before it accepts")] = 0.0
    close_after: Annotated[float, _probability("of closing after it has accepted")] = 0.0
    accepted_500: Annotated[float, _probability("of 500 after it has accepted")] = 0.0


@option_set
class QueueOptions:
    """How fast accepted messages leave the simulated provider's queues."""

    hang_seconds: Annotated[
        float, typer.Option(metavar="S", help="How long a hanging request is held.")
    ] = 60.0
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed, the same faults.")] = 1
    sender_rate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SENDER=RATE", help="Segments per second of a sender; may be repeated."
        ),
    ] = None
    default_sender_rate: Annotated[float, _rate("Segments per second of each other sender")] = 0.0
    account_sms_rate: Annotated[float, _rate("SMS segments per second of all senders")] = 0.0
    account_mms_rate: Annotated[float, _rate("MMS per second of all senders")] = 0.0
    queue_seconds: Annotated[
        float, typer.Option(metavar="S", min=0, help="What a queue holds, in seconds of its rate.")
    ] = 14_400.0
    spend_cap: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Messages per profile until midnight UTC; 0 is no limit."
        ),
    ] = 0


@option_set
class WebhookOptions:
    """Where webhooks go, when, and what goes wrong on the way."""

    webhook_url: Annotated[
        str, typer.Option(metavar="URL", help="Where webhooks of messages that name no URL go.")
    ] = ""
    webhook_failover_url: Annotated[
        str, typer.Option(metavar="URL", help="Where a webhook goes after 3 failures.")
    ] = ""
    webhook_delay: Annotated[
        float,
        typer.Option(metavar="S", min=0, help="Seconds between two states, on average."),
    ] = 0.2
    webhook_jitter: Annotated[
        float, typer.Option(metavar="S", min=0, help="The standard deviation of that delay.")
    ] = 0.05
    delivery_failed: Annotated[float, _share("messages that fail")] = 0.0
    delivery_unconfirmed: Annotated[float, _share("messages that stay unconfirmed")] = 0.0
    webhook_loss: Annotated[float, _share("events that are lost")] = 0.0
    webhook_duplicate: Annotated[float, _share("events that come twice")] = 0.0
    webhook_reorder: Annotated[float, _share("messages whose events come in reverse")] = 0.0
    webhook_forged: Annotated[float, _share("events that come with a forged one")] = 0.0
    webhook_tampered: Annotated[float, _share("events that come with a changed one")] = 0.0
    webhook_stale: Annotated[float, _share("events that come with an old one")] = 0.0
    signing_key: Annotated[
        str, typer.Option(metavar="KEY", help="Private key, 32 bytes in base64; else a new one.")
    ] = ""


@option_set
class BillOptions:
    """What messages cost, and what is told of it; the shares are those of ``Billing``."""

    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE=PRICE",
            help="Price of a part: '+44 SMS=0.05'; * is all other numbers. May be repeated.",
        ),
    ] = None
    carrier_fee: Annotated[
        list[str] | None,
        typer.Option(metavar="CARRIER=FEE", help="Its fee for each part; may be repeated."),
    ] = None
    currency: Annotated[str, typer.Option(metavar="CODE", help="The currency of prices.")] = "USD"
    changed_cost: Annotated[float, _share("messages whose final price differs")] = 0.0
    changed_parts: Annotated[float, _share("messages that have one part more at last")] = 0.0
    silent_answer: Annotated[float, _share("answers that tell no cost")] = 0.0
    silent_final: Annotated[float, _share("final events that tell no cost")] = 0.0
    unreadable: Annotated[float, _share("messages whose costs are nonsense")] = 0.0


# Bases are read from the last to the first: limits stand first in the help.
@option_set
class SimulateOptions(BillOptions, WebhookOptions, QueueOptions, FaultOptions, LimitOptions):
    """The options of ``simulate``."""


def settings_of(options: SimulateOptions) -> "Settings":
    """The simulator's settings; raises ValueError, naming the one that makes no sense."""
    from sluicegate_ops.simulator import Settings
    from sluicegate_ops.simulator.account.holdings import Holdings
    from sluicegate_ops.simulator.account.sample import sample

    values: dict[str, Any] = {  # untyped: the names of two choices are plain text until checked
        "host": options.host,
        "port": options.port,
        "limit": options.limit or None,
        "window_seconds": options.window,
        "limiter": options.limiter,
        "reset": options.reset,
        "latency_ms": options.latency_ms,
        "latency_jitter_ms": options.jitter_ms,
        "max_concurrency": options.max_concurrency or None,
        "idempotency": options.idempotency,
        "hang_seconds": options.hang_seconds,
        "seed": options.seed,
        "sender_rates": _sender_rates(options.sender_rate or []),
        "default_sender_rate": options.default_sender_rate or None,
        "account_sms_rate": options.account_sms_rate or None,
        "account_mms_rate": options.account_mms_rate or None,
        "queue_seconds": options.queue_seconds,
        "spend_cap": options.spend_cap or None,
        "account": sample() if options.sample_account else Holdings(),
    }
    return Settings(**values, **_parts(options))


def _parts(options: SimulateOptions) -> dict[str, Any]:
    from sluicegate_ops.simulator import Billing, Faults, Webhooks

    faults = {name: getattr(options, name) for name in FaultOptions.__dataclass_fields__}
    webhooks = Webhooks(
        url=options.webhook_url,
        failover_url=options.webhook_failover_url,
        delay_seconds=options.webhook_delay,
        jitter_seconds=options.webhook_jitter,
        delivery_failed=options.delivery_failed,
        delivery_unconfirmed=options.delivery_unconfirmed,
        loss=options.webhook_loss,
        duplicate=options.webhook_duplicate,
        reorder=options.webhook_reorder,
        forged=options.webhook_forged,
        tampered=options.webhook_tampered,
        stale=options.webhook_stale,
        signing_key=options.signing_key,
    )
    billing = Billing(
        currency=options.currency,
        prices=Billing().prices | _named(options.price or [], "--price", "'+44 SMS=0.05'"),
        carrier_fees=_named(options.carrier_fee or [], "--carrier-fee", "T-Mobile=0.003"),
        changed_cost=options.changed_cost,
        changed_parts=options.changed_parts,
        silent_answer=options.silent_answer,
        silent_final=options.silent_final,
        unreadable=options.unreadable,
    )
    return {"faults": Faults(**faults), "webhooks": webhooks, "billing": billing}


def _named(texts: list[str], option: str, example: str) -> dict[str, str]:
    """``NAME=AMOUNT`` by name; raises ValueError."""
    named = {}
    for text in texts:
        name, equals, amount = text.rpartition("=")
        if not (name and equals):
            raise ValueError(f"{option} {text}: give it as {example}")
        named[name.strip()] = amount.strip()
    return named


def _sender_rates(texts: list[str]) -> dict[str, float]:
    rates = {}
    for text in texts:
        sender, _, rate = text.rpartition("=")
        try:
            rates[sender] = float(rate)
        except ValueError:
            sender = ""
        if not sender:
            example = "give SENDER=RATE, such as +15557654321=0.1"
            raise ValueError(f"--sender-rate {text}: {example}")
    return rates
