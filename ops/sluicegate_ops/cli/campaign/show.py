"""``sluicegate campaign status``: one campaign at one moment, on one screen."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer

from sluicegate.campaigns.campaign import Campaign, Campaigns
from sluicegate.campaigns.ledger import STATES, Ledger
from sluicegate.receipts import DELIVERIES
from sluicegate.stored import wall_ms

from ...inspect import CampaignCause, ClassHours, Why, campaign_hours, claimed
from ..kit.command import command, option_set
from ..kit.failures import FAILED
from ..kit.listing import Listing
from ..kit.options import AsJsonDocument, CampaignArgument
from ..kit.output import clean, console, table, tell, when, write, write_document, write_pairs
from ..kit.pasting import pasted
from ..kit.session import Session
from ..message.deliveries import deliveries_of, unknown
from ..status.reasons import expected, own_pace, sentence
from ..status.why import document
from .causes import masked_causes
from .costs import costs_document, costs_pairs
from .guard_words import guard_pairs
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


class CampaignLook(NamedTuple):
    """A campaign at one moment: workers hold ``held`` of it, ``dead`` says what its dead met."""

    campaign: Campaign
    ledger: Ledger
    held: int
    dead: Sequence[CampaignCause]
    why: Why
    hours: list[ClassHours]


def look_at(
    session: Session, campaign: Campaign, ledger: Ledger, dead: Sequence[CampaignCause]
) -> CampaignLook:
    """What else is known of a campaign at this moment."""
    client, keys = session.client, session.keys
    why = session.waits.of(campaign, ledger)
    hours = campaign_hours(client, keys, campaign.name, why.now_ms)
    held = claimed(client, keys, campaign.name)
    return CampaignLook(campaign, ledger, held, dead, why, hours)


def campaign_document(session: Session, seen: CampaignLook) -> dict[str, Any]:
    """All that is known of a campaign, for a program."""
    campaign, why = seen.campaign, seen.why
    estimates = session.campaigns.estimates(campaign.name)
    return summary(campaign, seen.ledger) | {
        "claimed": seen.held,
        "why": sentence(why),
        "dead": seen.dead,
        "rate": why.rate,
        "finish": why.finish,
        "plan": _plan(campaign),
        "waits": document(why)["waits"],
        "hours": seen.hours,
        "costs": costs_document(seen.ledger, estimates),
    }


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


def _plan(campaign: Campaign) -> dict[str, Any]:
    """The plan for a program, with its time as all times are written."""
    plan: dict[str, Any] = msgspec.structs.asdict(campaign.plan)
    expires_at = plan.pop("expires_at")
    return plan | {"expires_ms": None if expires_at is None else wall_ms(expires_at)}


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


def summary(campaign: Campaign, ledger: Ledger) -> dict[str, Any]:
    """A campaign and its counters, for a program."""
    fields: dict[str, Any] = msgspec.structs.asdict(campaign)
    del fields["plan"]
    about = {"name": campaign.name, "version": campaign.version}
    return about | fields | {"ledger": _counts(ledger)}


def _counts(ledger: Ledger) -> dict[str, Any]:
    counts = {"imported": ledger.imported, **ledger.states, "deliveries": deliveries_of(ledger)}
    counts["maybe_sent"] = ledger.maybe_sent
    return counts | {"adds_up": ledger.adds_up}


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
