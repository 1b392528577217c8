"""A probe on the screen: each call as it is made, and the findings at the end."""

from collections.abc import Sequence

import typer

from sluicegate.config import Account

from ...operating.words import clean
from ..kit.output import write_pairs
from .advice import remarks, settings
from .calls import Call
from .findings import Findings
from .skew import Skew, skew_of

_COUNTING = {
    "alone": "counts down by our calls alone",
    "others": "falls by more than our calls",
    "still": "does not fall",
    "untold": "",
}
_SOURCE = {
    "policy": ", as the provider's policy says",
    "count": ", as its counts of our requests show",
    "reset": ", inferred from the reset header",
    "nothing": "",
}


def show_call(number: int, call: Call) -> None:
    """Write one call: its status, latency, clock skew, headers, and how long it asks to wait."""
    typer.echo(f"{number:>3}  {call.status or call.problem}  {call.took_ms:,.0f} ms{_ahead(call)}")
    for name, value in call.headers.items():
        typer.echo(f"       {clean(name)}: {clean(value)}")
    if call.status == 429:
        typer.echo(f"       {_asked(call)}")


def show_findings(findings: Findings, account: Account) -> None:
    """Write what the calls show together, and what to set."""
    statuses = ", ".join(
        f"{n} x {status or 'no answer'}" for status, n in findings.statuses.items()
    )
    typer.echo()
    write_pairs(
        (
            ("calls", f"{findings.calls}: {statuses}"),
            ("limit", ", ".join(f"{limit:,}" for limit in findings.limits) or "not named"),
            ("window", _window(findings)),
            ("remaining", _COUNTING[findings.counting] or "not named"),
            ("reset", ", ".join(findings.readings) or "not named"),
            (
                "their clock",
                _skew(findings.skew) if findings.skew else "not shown by the dates",
            ),
            ("latency", _latency(findings)),
        )
    )
    typer.echo()
    for remark in remarks(findings, account):
        typer.echo(remark)
    _show_settings(settings(findings, account), account)


def _asked(call: Call) -> str:
    wait = f"{call.wait_seconds:g} s"
    if call.rate.wait_ms >= 0:
        return f"asks to wait {wait}"
    return f"window ends in {wait}" if call.rate.reset_ms >= 0 else f"names no time, so {wait}"


def _show_settings(changed: dict[str, int | float], account: Account) -> None:
    if not changed:
        current = f"limit = {account.limit}, window_seconds = {account.window_seconds}"
        typer.echo(f"\nsluicegate.toml may stay as it is: {current}")
        return
    typer.echo("\nIn the account's table in sluicegate.toml:\n")
    for name, value in changed.items():
        typer.echo(f"    {name} = {value}  # now {getattr(account, name)}")


def _window(findings: Findings) -> str:
    if not findings.window.seconds:
        return "unknown"
    least = "" if findings.window.passed else "at least "
    return f"{least}{findings.window.seconds:g} s{_SOURCE[findings.window.source]}"


def _latency(findings: Findings) -> str:
    latency = findings.latency
    if latency is None:
        return ""
    rest: Sequence[tuple[str, float]] = (
        ("half within", latency.p50_ms),
        ("90 % within", latency.p90_ms),
        ("all within", latency.highest_ms),
    )
    first = f"; the first, which opens the connection, {latency.first_ms:,.0f} ms"
    return ", ".join(f"{name} {ms:,.0f} ms" for name, ms in rest) + first


def _ahead(call: Call) -> str:
    skew = skew_of(call)
    return f"  their clock {_skew(skew)}" if skew else ""


def _skew(skew: Skew) -> str:
    return f"{skew.seconds:+.2f} s from ours, give or take {skew.error_seconds:.2f} s"
