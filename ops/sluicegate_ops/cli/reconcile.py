"""``sluicegate reconcile``: our books against the provider's, and the bill proven or not."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Annotated, Any

import msgspec
import typer

from sluicegate_worker.reconcile import (
    MENDED,
    WHAT,
    ReconcileBusy,
    Reconciled,
    Reconciler,
    TimeSpan,
    amount,
)

from ..inspect import server_ms
from ..operating.session import Session
from ..operating.words import clean, counted, when
from .kit.acts import by_whom, note
from .kit.command import command, option_set
from .kit.failures import FAILED, fail
from .kit.options import AsJsonDocument, ListLimit, WhoOption, WhyOption
from .kit.output import table, tell, write, write_document, write_pairs
from .kit.progress import Meter
from .kit.times import past_option

_COUNTED: Mapping[str, str] = {
    "ours": "of our messages",
    "forgotten": "ours, and no longer in our books",
    "elsewhere": "of other accounts of this deployment",
    "expected": "of foreign_profiles",
    "inbound": "of messages that came in",
    "twice": "listed twice",
    "unreadable": "unreadable",
}


@option_set
class ReconcileOptions:
    """The options of ``reconcile``."""

    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="From when on: 2d, or a time. The default is a day before the last run's end.",
        ),
    ] = None
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until when: 1h ago, or a time; else now.")
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what differs, and change nothing.")
    ] = False
    limit: ListLimit = 50
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@command
def reconcile(session: Session, options: ReconcileOptions) -> None:
    """Compare our books with the provider's, and mend ours.

    Doubts are settled by its records, lost receipts filled in, costs and
    carriers taken over as billed; what differs then is listed, and so is each
    message on the account that is not ours. A run that was cut short goes on
    where it was. Exits with 0 if the books agree, with 1 if anything is left.

    \b
    Example:
      sluicegate reconcile
      sluicegate reconcile --since 7d --dry-run
      sluicegate reconcile --json | jq .difference
    """
    import httpx  # heavy, and few commands need it

    session.writes = not options.dry_run
    by = by_whom(options.who, options.why, needed=False)
    account, now_ms = session.account, server_ms(session.client)
    window = TimeSpan(
        _time("--since", options.since, now_ms), _time("--until", options.until, now_ms)
    )
    timeout = httpx.Timeout(account.read_timeout_seconds, connect=account.connect_timeout_seconds)
    meter = Meter("records compared", 0) if not options.json else nullcontext()
    client = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False)
    with client as http, meter as m:
        reconciler = Reconciler(
            session.client,
            session.config,
            session.name,
            http,
            dry_run=options.dry_run,
            on_progress=lambda done, of: None if m is None else m.of(of).at(done, done),
        )
        try:
            done = reconciler.run(window)
        except ReconcileBusy:
            fail("another process reconciles this account now; sluicegate status says how far")
    if not options.dry_run:
        counts = {name: f"{count}" for name, count in done.mended.items() if count}
        note(session, by, "reconcile", counts | {"left": f"{sum(done.left.values())}"})
    if options.json:
        write_document(document(done))
    else:
        _show(done, options.limit)
    if not done.agrees:
        raise typer.Exit(FAILED)


def document(done: Reconciled) -> dict[str, Any]:
    """A run as one JSON document, amounts as texts."""
    told: dict[str, Any] = msgspec.to_builtins(done)
    for name in ("billed", "booked", "foreign"):
        told[name] = {currency: amount(sum) for currency, sum in getattr(done, name).items()}
    told["difference"] = {name: amount(sum) for name, sum in done.difference.items()}
    told["differences"] = [_difference(one) for one in told["differences"]]
    return {"agrees": done.agrees} | told


def _difference(one: dict[str, Any]) -> dict[str, Any]:
    billionths = one.pop("cost_billionths", None)
    return one if billionths is None else one | {"cost": amount(billionths)}


def _time(option: str, text: str | None, now_ms: float) -> int | None:
    return None if text is None else int(past_option(option, text, now_ms))


def _show(done: Reconciled, limit: int) -> None:
    write_pairs(_pairs(done))
    listed = done.differences[: limit or None]
    if listed:
        typer.echo()
        rows = table("WHAT", "ID", "PROVIDER'S ID", "TO", "AT", "COST", "ABOUT",
                     spare=("AT", "TO"), right=("COST",))  # fmt: skip
        for one in listed:
            cost = "" if one.cost_billionths is None else amount(one.cost_billionths)
            at = when(one.at_ms) if one.at_ms else ""
            priced = f"{cost} {one.currency}".strip()
            about = one.what or (f"from {one.sender}" if one.sender else "")
            ids = (clean(one.id), clean(one.provider_id))
            rows.add_row(one.kind, *ids, clean(one.to), at, priced, clean(about))
        write(rows)
    if (more := sum(done.left.values()) - len(listed)) > 0:
        tell(f"\n{more:,} more; --json lists up to 10,000", err=True)
    tell(f"\n{_verdict(done)}", style="bold" if done.agrees else "bold red")


def _pairs(done: Reconciled) -> Iterator[tuple[str, object]]:
    yield "account", done.account
    yield "sent", f"{when(done.since_ms)} to {when(done.until_ms)}"
    yield "records read", f"{done.counts.get('records', 0):,}{_apart(done)}"
    would = "would be mended" if done.dry_run else "mended"
    for name, what in MENDED.items():
        if count := done.mended.get(name):
            yield would, f"{what}: {count:,}"
    for currency in done.difference:
        yield "billed", f"{amount(done.billed.get(currency, 0))} {currency} for our messages"
        yield "in our books", f"{amount(done.booked.get(currency, 0))} {currency}"
        yield "difference", f"{amount(done.difference[currency])} {currency}"
    for currency, sum in done.foreign.items():
        yield "billed for others", f"{amount(sum)} {currency}"
    for kind, count in done.left.items():
        yield "left", f"{kind}: {count:,}, {WHAT[kind]}"
    if pending := done.counts.get("pending"):
        yield "too young", f"{counted(pending, 'message')} without a record yet, which may come"
    if undecided := done.counts.get("undecided"):
        yield "in doubt", f"{undecided:,}: the records do not decide (yet)"
    if done.counts.get("not_listed"):
        yield "not compared", "API v1 lists no records: only what lacked something was asked for"
    if done.counts.get("webhooks_unread"):
        yield "not read", "lost webhooks: the key may not ask for them"


def _apart(done: Reconciled) -> str:
    parts = [f"{count:,} {what}" for k, what in _COUNTED.items() if (count := done.counts.get(k))]
    return f": {', '.join(parts)}" if parts else ""


def _verdict(done: Reconciled) -> str:
    if done.cut_short:
        return f"cut short: {done.cut_short}. Run it again: it goes on where it was"
    if not done.whole:
        return "not all records could be read: nothing was concluded from one that is absent"
    left = sum(done.left.values())
    if done.agrees:
        return "the books agree"
    return f"{counted(left, 'difference')} left" if left else "the books differ"
