"""``sluicegate status``: one screen that says if anything is wrong, why, and what to do."""

from collections.abc import Iterator, Sequence

import typer

from ...inspect import AccountState, CostRow, RequestRate, read_account
from ...operating.message.deliveries import summed
from ...operating.session import Session
from ...operating.status.archiving import kept
from ...operating.status.carriers import carrier_rows
from ...operating.status.document import headline, masked_state, status_document
from ...operating.status.finding import Finding
from ...operating.status.findings import findings
from ...operating.status.reasons import is_guess, limit, sentence
from ...operating.status.reconciled import reconciled
from ...operating.words import clean, counted, lasting
from ..kit.command import command, option_set
from ..kit.failures import FAILED
from ..kit.options import AsJsonDocument
from ..kit.output import tell, write_beside, write_document

_WORKERS_SHOWN = 5


@option_set
class StatusOptions:
    """The options of ``status``."""

    json: AsJsonDocument = False


@command
def status(session: Session, options: StatusOptions) -> None:
    """Show if anything is wrong, why, and what to do.

    Exits with 1 if a person is needed.

    \b
    Example:
      sluicegate status
      sluicegate status --json | jq .counts
    """
    state = masked_state(read_account(session.client, session.config, session.name))
    problems = findings(state)
    if options.json:
        write_document(status_document(state, problems))
    else:
        _show(state, problems)
    if any(finding.person for finding in problems):
        raise typer.Exit(FAILED)


def _show(state: AccountState, problems: list[Finding]) -> None:
    alarming = problems and problems[0].person
    tell(headline(state, problems), style="bold red" if alarming else "bold")
    for finding in problems:
        _show_finding(finding)
    if reason := sentence(state.why):
        tell(f"\nheld back: {reason}", indent=2)
    typer.echo()
    write_beside(_messages(state), _around(state))


def _show_finding(finding: Finding) -> None:
    tell(f"\n{'!' if finding.person else '-'} {finding.what}", indent=2, style="bold")
    tell(f"    why  {finding.why}", indent=9)
    tell(f"    do   {finding.do}", indent=9)


def _messages(state: AccountState) -> list[tuple[str, str]]:
    counts = state.counts
    rows = (
        ("waiting", counts.waiting),
        ("scheduled, retrying", counts.due),
        ("granted", counts.granted),
        ("started", counts.started),
        ("in doubt, for you", counts.held),
        ("in doubt, by policy", counts.in_doubt - counts.held),
        ("dead", counts.dead),
        ("accepted", counts.accepted),
        *((f"  {delivery}", count) for delivery, count in state.receipts.deliveries.items()),
        ("cancelled", counts.cancelled),
        ("expired", counts.expired),
        ("suppressed", counts.suppressed),
        ("purged", counts.purged),
    )
    return [(name, f"{count:,}") for name, count in rows]


def _around(state: AccountState) -> list[tuple[str, str]]:
    rate, twice = state.rate, state.totals.get("sent_twice", 0)
    waiting = sum(state.webhooks.waiting.values())
    blocked = f"for {lasting(rate.blocked_seconds)}" if rate.blocked_seconds else "no"
    return [
        ("limit", f"{limit(rate)}{_origin(rate)}"),
        *[("at most", f"{rate.ceiling:g} requests per s")] * bool(rate.ceiling),
        ("concurrency", f"{rate.concurrency:,} at once"),
        ("limits_version", _version(state)),
        ("used last window", f"{rate.used:,}"),
        ("used by others", f"{rate.others:g}"),
        ("margin", f"{rate.margin:.2g}"),
        ("blocked", blocked),
        *[("parked", f"{state.parked:,}, see: sluicegate lanes")] * bool(state.parked),
        *carrier_rows(state.carriers, state.now_ms),
        ("receipts", _receipts(state)),
        ("opted out", counted(state.optouts, "number")),
        *[("to review", counted(state.reviewed, "number"))] * bool(state.reviewed),
        *[("webhooks to pass on", f"{waiting:,}")] * bool(waiting),
        *[("sent twice", f"{twice:,}")] * bool(twice),
        *kept(state),
        *reconciled(state),
        *[("cost today", _costs(state.costs_today))] * bool(state.costs_today),
        *_workers(state),
    ]


def _costs(rows: Sequence[CostRow]) -> str:
    """What today's messages cost in each currency, and of how many that is not known."""
    known = [f"{row.cost} {row.currency}" for row in rows if row.cost is not None]
    known += [f"{row.messages:,} not known yet" for row in rows if row.cost is None]
    return ", ".join(known)


def _workers(state: AccountState) -> Iterator[tuple[str, str]]:
    """Those that are heard, then those that fell silent within the hour."""
    for word, silent in (("worker", False), ("silent worker", True)):
        workers = [worker for worker in state.workers if worker.silent is silent]
        for worker in workers[:_WORKERS_SHOWN]:
            heard = f"{lasting(worker.seconds_ago)} ago"
            version = f", {clean(worker.version)}" if worker.version else ""
            yield word, f"{clean(worker.name)} ({worker.tag}){version}, {heard}"
        if (more := len(workers) - _WORKERS_SHOWN) > 0:
            yield word, f"and {more} more"
    if not state.workers:
        yield "worker", "none heard from in the last hour"


def _receipts(state: AccountState) -> str:
    known = {
        delivery: count
        for delivery, count in state.receipts.deliveries.items()
        if delivery != "unknown"
    }
    if not state.receipts.set_up:
        return "unknown: receipts not set up (no web.public_url, or receipts = false)"
    by_receipt = state.totals.get("by_receipt", 0)
    proved = f", {counted(by_receipt, 'message')} proved sent" if by_receipt else ""
    return f"{summed(known) or 'none yet'}{proved}"


def _origin(rate: RequestRate) -> str:
    """Where the limit comes from, if not only from the configuration."""
    if not rate.limit:
        return ""
    if not rate.heard:
        return " (no answer yet)"
    configured = f"{rate.configured} per {rate.configured_seconds:g} s configured"
    if rate.window_seconds != rate.configured_seconds:
        guess = "a guess at the provider's window" if is_guess(rate) else "the provider's window"
        return f" ({guess}; {configured})"
    return f" ({rate.configured} configured)" if rate.limit != rate.configured else ""


def _version(state: AccountState) -> str:
    version = state.limits.version
    return "none in force yet" if version is None else f"{version:,}"
