"""``sluicegate status``: one screen on whether anything is wrong, why, and what to do."""

from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from .failures import FAILED
from .findings import Finding, findings
from .output import Document, clean, console, counted, lasting, when, write, write_document
from .session import Session
from .state import Rate, State, read

_WORKERS_SHOWN = 5


def status(ctx: typer.Context, json: Document = False) -> None:
    """Is anything wrong, why, and what to do?

    Exits with 1 where a person is needed.

    \b
    Example:
      sluicegate status
      sluicegate status --json | jq .counts
    """
    session: Session = ctx.obj
    state = read(session)
    found = findings(state)
    if json:
        known: dict[str, Any] = msgspec.structs.asdict(state)
        needed = any(finding.person for finding in found)
        write_document({"person_needed": needed, "findings": found} | known)
    else:
        _show(state, found)
    if any(finding.person for finding in found):
        raise typer.Exit(FAILED)


def _show(state: State, found: list[Finding]) -> None:
    out = console()
    out.print(_headline(state, found), style="bold red" if found and found[0].person else "bold")
    for finding in found:
        _show_finding(out, finding)
    out.print()
    both = Table.grid(padding=(0, 4))
    both.add_row(_messages(state), _rates(state))
    write(both)


def _headline(state: State, found: list[Finding]) -> str:
    needed = sum(finding.person for finding in found)
    if needed:
        verdict = f"{counted(needed, 'thing needs', 'things need')} a person"
    else:
        verdict = "no person is needed" if found else "nothing is wrong"
    return f"account {state.account}, {when(state.now_ms)}: {verdict}"


def _show_finding(out: Console, finding: Finding) -> None:
    out.print(f"\n{'!' if finding.person else '-'} {finding.what}", style="bold", soft_wrap=True)
    out.print(f"    why  {finding.why}", soft_wrap=True)
    out.print(f"    do   {finding.do}", soft_wrap=True)


def _messages(state: State) -> Table:
    counts = state.counts
    resent = counts.in_doubt - counts.held
    rows = (
        ("waiting", counts.waiting, f"in {counted(state.lanes, 'lane')}"),
        ("scheduled, retrying", counts.due, ""),
        ("granted", counts.granted, "a worker has it"),
        ("started", counts.started, "its POST may be under way"),
        ("in doubt, for you", counts.held, ""),
        ("in doubt, for policy", resent, ""),
        ("dead", counts.dead, ""),
        ("accepted", counts.accepted, _twice(state)),
        ("cancelled", counts.cancelled, ""),
        ("expired", counts.expired, ""),
        ("suppressed", counts.suppressed, f"{counted(state.optouts, 'number')} opted out"),
        ("purged", counts.purged, ""),
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(style="dim")
    for name, count, note in rows:
        grid.add_row(name, f"{count:,}", note if count or name == "suppressed" else "")
    return grid


def _twice(state: State) -> str:
    twice = state.totals.get("sent_twice", 0)
    return f"{twice:,} of them twice" if twice else ""


def _rates(state: State) -> Table:
    rate = state.rate
    blocked = f"for {lasting(rate.blocked_seconds)}" if rate.blocked_seconds else "no"
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row("limit", f"{rate.limit:g} per {rate.window_seconds:g} s{_origin(rate)}")
    grid.add_row("used in the last window", f"{rate.used:,}")
    grid.add_row("used by others", f"{rate.others:g}")
    grid.add_row("margin after refusals", f"{rate.margin:.2g}")
    grid.add_row("blocked", blocked)
    grid.add_row("", "")
    for worker in state.workers[:_WORKERS_SHOWN]:
        heard = f"heard {lasting(worker.seconds_ago)} ago"
        grid.add_row("worker", f"{clean(worker.name)}, {heard}")
    if (more := len(state.workers) - _WORKERS_SHOWN) > 0:
        grid.add_row("", f"and {more} more")
    if not state.workers:
        grid.add_row("worker", "none heard in the last hour")
    return grid


def _origin(rate: Rate) -> str:
    if not rate.heard:
        return ", as configured: the provider has not answered yet"
    return "" if rate.limit == rate.configured else f", {rate.configured} configured"
