"""``sluicegate campaign pause``, ``resume`` and ``cancel``: control a campaign."""

import typer

from sluicegate.campaigns.campaign import Action
from sluicegate.campaigns.stored_campaign import Campaign

from ...inspect import claimed
from ...operating.campaign.document import summary
from ...operating.campaign.resuming import check_resumable
from ...operating.pasting import pasted
from ...operating.session import Session
from ...operating.words import counted
from ..kit.acts import by_whom
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import fail
from ..kit.options import AsJsonDocument, Confirmed, WhoOption, WhyOption
from ..kit.output import write_document
from .guards import LeaveOutOptions, cap, guards_for
from .options import CampaignOptions, MaxCostOption
from .show import show_ledger


@option_set
class ControlOptions(CampaignOptions):
    """The options of ``campaign pause`` and ``resume``."""

    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@option_set
class ResumeOptions(LeaveOutOptions, ControlOptions):
    """The options of ``campaign resume``."""

    max_cost: MaxCostOption = None


@option_set
class CampaignCancelOptions(ControlOptions):
    """The options of ``campaign cancel``."""

    yes: Confirmed = False


@command
def pause(session: Session, options: ControlOptions) -> None:
    """Pause a campaign.

    When this returns, no further POST of it can start.

    \b
    Example:
      sluicegate campaign pause july
    """
    _act(session, options, "pause")


@command
def resume(session: Session, options: ResumeOptions) -> None:
    """Let a paused campaign go on.

    One that a cap or a guard has paused is told what to do otherwise: a higher cap,
    other guards, or whom to leave out.

    \b
    Example:
      sluicegate campaign resume july
      sluicegate campaign resume july --max-cost 80
      sluicegate campaign resume july --without carrier=T-Mobile --canary 500
    """
    campaign = session.campaigns.get(options.name)
    _refuse_unapproved(session, options, campaign)
    changed = _changes(options, campaign.stopped_by)
    check_resumable(session, campaign, changed=changed)
    by = by_whom(options.who, options.why, needed=False)
    guards = guards_for(session, campaign, options) if options.any_guard else None
    if options.max_cost is not None:
        cap(session, options.name, options.max_cost, by)
    if guards is not None:
        session.campaigns.guard(options.name, guards, by)
    _act(session, options, "resume")


def _refuse_unapproved(session: Session, options: ResumeOptions, campaign: Campaign) -> None:
    """Refuse what the script would, before caps and guards are changed for it."""
    name = campaign.name
    changes = options.max_cost is not None or options.any_guard
    asked = campaign.state in ("paused", "running") and session.campaigns.asks_approval(name)
    if changes and asked:
        way = f"sluicegate campaign guard {pasted(name)}, then campaign approve, then resume"
        fail(f"{name}: a second person approves what changes, so nothing was done: {way}")


def _changes(options: ResumeOptions, stopped_by: str) -> bool:
    """Whether options change what has paused a campaign."""
    caps = {
        "money": options.max_cost,
        "messages": options.max_messages,
        "segments": options.max_segments,
    }
    if stopped_by in caps:
        return caps[stopped_by] is not None
    others = (options.canary, options.until_delivered, options.pause_if, options.without)
    return any(value is not None for value in others)


@command
def cancel(session: Session, options: CampaignCancelOptions) -> None:
    """Cancel a campaign for good; nobody else is sent to.

    Messages whose POST has started may still be accepted.

    \b
    Example:
      sluicegate campaign cancel july
    """
    name = options.name
    pending = session.campaigns.ledger(name).pending
    session.campaigns.get(name)
    left = f"{counted(pending, 'recipient')} not sent to"
    confirm(f"Cancel {name} for good, with {left}?", options.yes)
    _act(session, options, "cancel")


def _act(session: Session, options: ControlOptions, action: Action) -> None:
    campaigns, name = session.campaigns, options.name
    state = campaigns.act(name, action, by_whom(options.who, options.why, needed=False))
    ledger, held = campaigns.ledger(name), claimed(session.client, session.keys, name)
    if options.json:
        write_document(summary(campaigns.get(name), ledger) | {"claimed": held})
        return
    typer.echo(f"{name} is {state}")
    show_ledger(session, ledger, held)
