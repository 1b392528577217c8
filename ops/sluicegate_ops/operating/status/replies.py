"""What is odd about recipients: replies that a person must read or no app takes, and pumping."""

from collections.abc import Iterator

from ...inspect import AccountState, BehindTarget
from ..words import clean, counted, lasting
from .finding import Finding

_PATIENCE_SECONDS = 300.0
"""An app that is away for less may be restarting."""

_SHOWN = 3
_NEARLY_FULL = 0.8
_MIB = 1_048_576


def reviews(state: AccountState) -> Iterator[Finding]:
    """Replies that may be revocations."""
    if not (reviewed := state.reviewed):
        return
    held = state.reviewed_messages
    yield Finding(
        f"{counted(reviewed, 'number has', 'numbers have')} written what may be a revocation",
        f"nothing is sent to them until you have read it; {counted(held, 'message')} held",
        "sluicegate optout review --full, then decide with --opt-out or --release",
    )


def braked(state: AccountState) -> Iterator[Finding]:
    """Prefixes to which more is asked for than the brake against pumping lets through."""
    for prefix, waiting in state.withheld.prefixes.items():
        yield Finding(
            f"more goes to numbers from {prefix} on than per_prefix lets through",
            f"{counted(waiting, 'message waits', 'messages wait')}; perhaps somebody has codes "
            "sent to numbers that earn by it",
            f'look at who asks for them; if it is right, set "{prefix}" in per_prefix.prefixes '
            "higher",
            subject=prefix,
        )


def webhooks(state: AccountState) -> Iterator[Finding]:
    """Webhooks that wait for apps which do not take them, and those that fill their room."""
    state_of, now_ms = state.webhooks, state.now_ms
    for target in state_of.behind[:_SHOWN]:
        seconds = max(0.0, now_ms - target.since_ms) / 1000
        waiting = counted(target.waiting, "webhook waits", "webhooks wait")
        yield Finding(
            f"{waiting} to be passed on to {clean(target.host)}, for {lasting(seconds)}",
            clean(target.why) or "it did not take them",
            _way_out(target),
            person=seconds >= _PATIENCE_SECONDS,
            subject=f"{target.kind} {target.host}",
            since_ms=target.since_ms,
        )
    for kind, size in state_of.bytes.items():
        if size >= _NEARLY_FULL * state.webhook_bytes:
            yield Finding(
                f"webhooks to be passed on take {size / _MIB:,.0f} MiB of Redis",
                f"{state.webhook_bytes / _MIB:,.0f} MiB are allowed; beyond that {_END[kind]}",
                "let the apps take theirs, or raise web.relay_bytes",
                subject=f"bytes {kind}",
            )
    free = state.webhook_bytes - state_of.bytes.get("receipt", 0)
    for app, size in state_of.app_bytes.items():
        if size >= _NEARLY_FULL * free:
            whose = f"the app {clean(app)}" if app else "messages of no app"
            yield Finding(
                f"receipts of {whose} to be passed on take {size / _MIB:,.0f} MiB of Redis",
                f"an app may take as much as it leaves free: beyond that {_END['receipt']}",
                "let it take them, or raise web.relay_bytes",
                subject=f"bytes of {app}",
            )


_END = {
    "inbound": "what comes in is answered 503, and the provider soon gives it up",
    "receipt": "receipts are recorded here and not passed on",
    "event": "events stay in the stream until there is room",
}


def _way_out(target: BehindTarget) -> str:
    if target.kind == "inbound":
        return "start the app behind inbound_url, or name another: they go out by themselves then"
    if target.kind == "event":
        return "start that app: they go out by themselves then; after 3 days it is given none more"
    return "start that app: they go out by themselves then, for 3 days"
