"""``sluicegate campaign list`` and ``status``: campaigns at one moment, on one screen."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from sluicegate.campaigns.campaign import Campaign, Campaigns
from sluicegate.campaigns.ledger import STATES, Ledger
from sluicegate.receipts import FATES

from ...inspect import CampaignCause, Waits, Why, claimed
from ..kit.failures import FAILED
from ..kit.output import (
    Document,
    Lines,
    clean,
    console,
    local,
    table,
    when,
    write,
    write_document,
    write_lines,
    write_pairs,
)
from ..kit.session import Session
from ..message.fates import fates_of, summed, unknown
from ..status.reasons import expected, own_pace, sentence
from ..status.why import document
from .causes import masked_causes
from .preflight_screen import write_sum

Name = Annotated[str, typer.Argument(metavar="NAME", help="The campaign's name.")]

_COLUMNS = (
    *("NAME", "STATE", "IMPORTED", "PENDING", "ACCEPTED", "DEAD"),
    *("RECEIPTS", "CREATED", "DONE", "PACE"),
)
_TRIES = 5
_CAUSES_SHOWN = 5


def list_(ctx: typer.Context, json: Lines = False) -> None:
    """List the campaigns, the latest first.

    \b
    Example:
      sluicegate campaign list
    """
    session: Session = ctx.obj
    campaigns, waits = session.campaigns, session.waits
    found = ((campaign, campaigns.ledger(campaign.name)) for campaign in campaigns)
    if json:
        write_lines(_listed(waits, *one) for one in found)
        return
    rows = table(*_COLUMNS)
    for column in rows.columns[2:6]:
        column.justify = "right"
    untold = 0
    for campaign, ledger in found:
        counts = (
            ledger.imported,
            ledger.pending,
            ledger.states["accepted"],
            ledger.states["dead"],
        )
        finish = waits.of(campaign, ledger).finish
        about = f"about {local(finish.at_ms, waits.facts.now_ms)}" if finish else ""
        created = when(campaign.created_ms)
        told = summed(fates_of(ledger))
        shown = (*(f"{n:,}" for n in counts), told, created, about, own_pace(campaign))
        rows.add_row(campaign.name, campaign.state, *shown)
        untold += ledger.unknown
    if rows.row_count:
        write(rows)
    else:
        typer.echo("no campaigns")
    if untold:
        typer.echo(f"\nunknown: {unknown(session)}")


def _listed(waits: Waits, campaign: Campaign, ledger: Ledger) -> dict[str, Any]:
    return _summary(campaign, ledger) | {"finish": waits.of(campaign, ledger).finish}


def status(
    ctx: typer.Context,
    name: Name,
    verify: Annotated[
        bool, typer.Option("--verify", help="Count every recipient, and compare.")
    ] = False,
    json: Document = False,
) -> None:
    """Show where a campaign stands, and why it isn't further.

    With --verify the counters are proved from the records themselves; it exits
    with 1 where they differ.

    \b
    Example:
      sluicegate campaign status july
      sluicegate campaign status july --verify
    """
    session: Session = ctx.obj
    campaigns = session.campaigns
    campaign = campaigns.get(name)
    proof = _proof(campaigns, name) if verify else None
    ledger = campaigns.ledger(name) if proof is None else proof[0]
    held, dead = claimed(session.client, session.keys, name), masked_causes(session, name, "dead")
    why = session.waits.of(campaign, ledger)
    if json:
        about = _summary(campaign, ledger) | {"claimed": held, "why": sentence(why), "dead": dead}
        about |= {"rate": why.rate, "finish": why.finish, "plan": campaign.plan}
        about |= {"waits": document(why)["waits"]}
        write_document(about | ({} if proof is None else {"recount": _counts(proof[1])}))
    else:
        _show(session, campaign, ledger, held, dead, why)
    if proof is not None and not _proved(*proof, moving=held > 0, quiet=json):
        raise typer.Exit(FAILED)


def show_ledger(session: Session, ledger: Ledger, held: int = 0) -> None:
    """Write what was imported, what became of it, and of those accepted by the receipts."""
    held_note = f"workers hold {held:,} of them" if held else ""
    notes = {"waiting": held_note, "in_doubt": "sent or not, nobody knows: sluicegate doubt list"}
    counts = [
        (state.replace("_", " "), ledger.states[state], notes.get(state, "")) for state in STATES
    ]
    write_sum(("imported", ledger.imported), counts)
    if accepted := ledger.states["accepted"]:
        typer.echo()
        notes = {"unknown": unknown(session)}
        told = [(fate, count, notes.get(fate, "")) for fate, count in fates_of(ledger).items()]
        write_sum(("accepted", accepted), told)
    if not ledger.adds_up:
        typer.echo("\nthis does not add up: --verify counts every recipient", err=True)


def _show(
    session: Session,
    campaign: Campaign,
    ledger: Ledger,
    held: int,
    dead: list[CampaignCause],
    why: Why,
) -> None:
    console().print(f"campaign {campaign.name}: {campaign.state}", style="bold")
    plan = campaign.plan
    write_pairs(
        [
            ("why", sentence(why)),
            ("done", expected(why.finish, why.now_ms)),
            ("pace", own_pace(campaign)),
            ("from", plan.sender or f"the pool of {plan.messaging_profile_id}"),
            ("text", plan.text),
            ("media", " ".join(plan.media_urls)),
            ("expires", plan.expires_at and when(plan.expires_at.timestamp() * 1000)),
            *((word, when(at)) for word, at in _times(campaign) if at),
        ]
    )
    typer.echo()
    show_ledger(session, ledger, held)
    if dead:
        typer.echo()
        write(_dead(dead, campaign.name))


def _times(campaign: Campaign) -> Iterator[tuple[str, int]]:
    yield "created", campaign.created_ms
    yield "started", campaign.started_ms
    yield "ended", campaign.ended_ms


def _dead(dead: list[CampaignCause], name: str) -> Table:
    rows = table("DEAD", "CODE", "REASON")
    for cause in dead[:_CAUSES_SHOWN]:
        rows.add_row(f"{cause.count:,}", clean(cause.code), clean(cause.reason))
    rows.add_row("", "", f"all of them, and what to do: sluicegate campaign report {name}")
    return rows


def _summary(campaign: Campaign, ledger: Ledger) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.structs.asdict(campaign)
    del fields["plan"]
    return {"name": campaign.name} | fields | {"ledger": _counts(ledger)}


def _counts(ledger: Ledger) -> dict[str, Any]:
    counts = {"imported": ledger.imported, **ledger.states, "fates": fates_of(ledger)}
    return counts | {"adds_up": ledger.adds_up}


def _proof(campaigns: Campaigns, name: str) -> tuple[Ledger, Ledger]:
    """The counters and the recount; again where something moved between the two, a few times."""
    for _ in range(_TRIES):
        counters, recount = campaigns.ledger(name), campaigns.recount(name)
        if counters == recount:
            break
    return counters, recount


def _proved(counters: Ledger, recount: Ledger, *, moving: bool, quiet: bool) -> bool:
    if counters == recount:
        if not quiet:
            typer.echo(f"\nproved: all {recount.imported:,} were counted, and the counters agree")
        return True
    rows = table("STATE", "COUNTERS", "RECOUNT")
    both = {"imported": (counters.imported, recount.imported)}
    both |= {state: (counters.states[state], recount.states[state]) for state in STATES}
    both |= {fate: (counters.fates[fate], recount.fates[fate]) for fate in FATES}
    for state, (says, is_) in both.items():
        differs = "" if says == is_ else "  differs"
        rows.add_row(state.replace("_", " "), f"{says:,}", f"{is_:,}{differs}")
    if not quiet:
        typer.echo()
        write(rows)
    moved = " Something is under way, so they may: pause it, and verify again." if moving else ""
    typer.echo(f"the counters and the records differ.{moved}", err=True)
    return False
