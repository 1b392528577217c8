"""``sluicegate campaign pause``, ``resume`` and ``cancel``: control a campaign."""

from decimal import Decimal

import typer

from sluicegate.audit import By
from sluicegate.campaigns.campaign import Action

from ...inspect import claimed
from ..kit.acts import by_whom
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.options import AsJsonDocument, Confirmed, WhoOption, WhyOption
from ..kit.output import counted, write_document
from ..kit.session import Session
from ..status.ways_on import way_on
from .guards import LeaveOutOptions, set_guards
from .options import CampaignOptions, MaxCostOption
from .show import show_ledger, summary


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
    needs = campaign.stopped_by != "approval"  # the script refuses it until somebody has
    if campaign.stopped and needs and not _changes(options, campaign.stopped_by):
        way = way_on(options.name, campaign.stopped_by)
        fail(f"{options.name}: {campaign.stopped}; {way}", BAD_INPUT)
    by = by_whom(options.who, options.why, needed=False)
    if options.max_cost is not None:
        cap(session, options.name, options.max_cost, by)
    if options.any_guard:
        set_guards(session, campaign, options, by)
    _act(session, options, "resume")


def _changes(options: ResumeOptions, stopped_by: str) -> bool:
    """Whether options change what has paused a campaign."""
    caps = {
        "money": options.max_cost,
        "messages": options.max_messages,
        "segments": options.max_segments,
    }
    return caps[stopped_by] is not None if stopped_by in caps else options.any_guard


def cap(session: Session, name: str, max_cost: str, by: By) -> None:
    """Set a campaign's cap, or with ``none`` take it away."""
    amount = None if max_cost == "none" else Decimal(max_cost)
    session.campaigns.cap(name, amount, session.account, by)


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
