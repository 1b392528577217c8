"""``sluicegate campaign status``: one campaign at one moment, on one screen."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.ledger import STATES, Ledger
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.receipts import DELIVERIES

from ...inspect import CampaignCause, ClassHours, Why
from ...operating.campaign.causes import masked_causes
from ...operating.campaign.document import _counts, campaign_document, look_at
from ...operating.campaign.guard_words import guard_pairs
from ...operating.message.deliveries import deliveries_of, unknown
from ...operating.pasting import pasted
from ...operating.session import Session
from ...operating.status.reasons import expected, own_pace, sentence
from ...operating.words import clean, when
from ..kit.command import command, option_set
from ..kit.failures import FAILED
from ..kit.listing import Listing
from ..kit.options import AsJsonDocument, CampaignArgument
from ..kit.output import console, table, tell, write, write_document, write_pairs
from .costs import costs_pairs
from .hours import in_short
from .preflight_screen import write_sum

if TYPE_CHECKING:  # rich is heavy, and help does without it
    pass

_TRIES = 5
_CAUSES_SHOWN = 5


@option_set
class CampaignStatusOptions:
    """The options of ``campaign status``."""

    name: CampaignArgument
    verify: Annotated[
        bool, typer.Option("--verify", help="Count every recipient, and compare.")
    ] = False
    json: AsJsonDocument = False


@command
def status(session: Session, options: CampaignStatusOptions) -> None:
    """Show where a campaign stands, and what holds it back.

    With --verify, the counters are compared with a count of all the records;
    exits with 1 if they differ.

    \b
    Example:
      sluicegate campaign status july
      sluicegate campaign status july --verify
    """
    name, campaigns = options.name, session.campaigns
    campaign = campaigns.get(name)
    proof = _proof(campaigns, name) if options.verify else None
    ledger = campaigns.ledger(name) if proof is None else proof[0]
    seen = look_at(session, campaign, ledger, masked_causes(session, name, "dead"))
    if options.json:
        about = campaign_document(session, seen)
        write_document(about | ({} if proof is None else {"recount": _counts(proof[1])}))
    else:
        _show(seen.campaign, seen.why, seen.hours)
        typer.echo()
        show_ledger(session, ledger, seen.held)
        if pairs := list(costs_pairs(ledger, campaigns.estimates(name))):
            typer.echo()
            write_pairs(pairs)
        if seen.dead:
            typer.echo()
            write(_dead(seen.dead, name))
    if proof is not None and not _proved(*proof, moving=seen.held > 0, quiet=options.json):
        raise typer.Exit(FAILED)


def show_ledger(session: Session, ledger: Ledger, held: int = 0) -> None:
    """Write the recipients by state, and the accepted ones by what receipts say of them."""
    held_note = f"workers hold {held:,} of them" if held else ""
    notes = {"waiting": held_note, "in_doubt": "may have been sent: sluicegate doubt list"}
    counts = [
        (state.replace("_", " "), ledger.states[state], notes.get(state, "")) for state in STATES
    ]
    write_sum(("imported", ledger.imported), counts)
    if ledger.maybe_sent:
        tell(f"\nof those not accepted, {ledger.maybe_sent:,} may have been sent a message")
    if accepted := ledger.states["accepted"]:
        typer.echo()
        notes = {"unknown": unknown(session)}
        deliveries = [
            (delivery, count, notes.get(delivery, ""))
            for delivery, count in deliveries_of(ledger).items()
        ]
        write_sum(("accepted", accepted), deliveries)
    if not ledger.adds_up:
        tell("\nthe counters do not add up: --verify counts every recipient", err=True)


def _show(campaign: Campaign, why: Why, hours: list[ClassHours]) -> None:
    console().print(f"campaign {campaign.name}: {campaign.state}", style="bold")
    plan = campaign.current
    write_pairs(
        [
            ("why", sentence(why)),
            ("done", expected(why.finish, why.now_ms)),
            ("pace", own_pace(campaign)),
            ("hours", in_short(hours, why.now_ms)),
            ("cap", campaign.max_cost and f"{campaign.max_cost} {campaign.currency}"),
            *guard_pairs(campaign),
            ("from", plan.sender or f"the pool of {plan.messaging_profile_id}"),
            ("series", plan.series),
            ("text", plan.text),
            ("follows", plan.follows),
            ("version", campaign.version if campaign.versions else ""),
            ("media", " ".join(plan.media_urls)),
            ("expires", plan.expires_at and when(plan.expires_at.timestamp() * 1000)),
            *((word, when(time)) for word, time in _times(campaign) if time),
        ]
    )


def _times(campaign: Campaign) -> Iterator[tuple[str, int]]:
    yield "created", campaign.created_ms
    yield "starts", campaign.at_ms if campaign.state == "scheduled" else 0
    yield "started", campaign.started_ms
    yield "ended", campaign.ended_ms


def _dead(dead: Sequence[CampaignCause], name: str) -> Listing:
    rows = table("DEAD", "CODE", "REASON")
    for cause in dead[:_CAUSES_SHOWN]:
        rows.add_row(f"{cause.count:,}", clean(cause.code), clean(cause.reason))
    rows.add_row("", "", f"all of them, and what to do: sluicegate campaign report {pasted(name)}")
    return rows


def _proof(campaigns: Campaigns, name: str) -> tuple[Ledger, Ledger]:
    """The counters and a recount; repeated a few times if something moved between the two."""
    for _ in range(_TRIES):
        counters, recount = campaigns.ledger(name), campaigns.recount(name)
        if counters.maybe_sent is None:
            counters = msgspec.structs.replace(counters, maybe_sent=recount.maybe_sent)
        if counters == recount:
            break
    return counters, recount


def _proved(counters: Ledger, recount: Ledger, *, moving: bool, quiet: bool) -> bool:
    if counters == recount:
        if not quiet:
            tell(f"\nproved: all {recount.imported:,} were counted, and the counters agree")
        return True
    rows = table("STATE", "COUNTERS", "RECOUNT")
    both = {"imported": (counters.imported, recount.imported)}
    both |= {state: (counters.states[state], recount.states[state]) for state in STATES}
    both |= {
        delivery: (counters.deliveries[delivery], recount.deliveries[delivery])
        for delivery in DELIVERIES
    }
    if counters.costs != recount.costs:
        rows.add_row("costs", "see: sluicegate campaign report", "  differ")
    for state, (counter, counted) in both.items():
        differs = "" if counter == counted else "  differs"
        rows.add_row(state.replace("_", " "), f"{counter:,}", f"{counted:,}{differs}")
    if not quiet:
        typer.echo()
        write(rows)
    moved = " Messages are moving, so they may: pause it and verify again." if moving else ""
    tell(f"the counters and the records differ.{moved}", err=True)
    return False
