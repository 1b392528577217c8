"""``sluicegate campaign approve``: a second person lets a campaign go out as it is."""

from decimal import Decimal

import typer

from sluicegate.campaigns.approval import Proposal
from sluicegate.campaigns.campaign import Campaign
from sluicegate.stored import UNITS

from ...operating.campaign.guard_words import guard_pairs
from ...operating.session import Session
from ...operating.words import when
from ..kit.acts import by_whom
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, Confirmed, WhoOption, WhyOption
from ..kit.output import write_document, write_pairs
from .hours import hours_words
from .options import CampaignOptions
from .preflight_costs import cost

_AT_ONCE = {"draft": "at once, when it is approved"}


@option_set
class ApproveOptions(CampaignOptions):
    """The options of ``campaign approve``."""

    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False
    json: AsJsonDocument = False


@command
def approve(session: Session, options: ApproveOptions) -> None:
    """Let a campaign of somebody else's go out as it is.

    It shows text, recipients, start, hours, cost and caps, and asks. The approval is bound to
    a hash of these: whatever is changed afterwards makes it void, and pauses the
    campaign. A draft starts at once, one that is scheduled at its time.

    \b
    Example:
      sluicegate campaign approve july --who ann
    """
    campaigns, name = session.campaigns, options.name
    campaign, seen = campaigns.get(name), campaigns.proposal(name)
    if not options.json:
        write_pairs([*_pairs(seen, campaign), *guard_pairs(campaign)])
        typer.echo()
    confirm(f"Let {name} go out as it is?", options.yes)
    by = by_whom(options.who, options.why, needed=False)
    approval = campaigns.approve(seen, by)
    state = campaign.state
    if state == "draft":
        state = campaigns.act(name, "start", by)
    elif campaign.stopped_by == "approval":
        state = campaigns.act(name, "resume", by)
    if options.json:
        document = {"name": name, "state": state, "hash": approval.hash, "who": approval.who}
        write_document(document | {"recipients": seen.recipients, "changed_by": seen.changed_by})
        return
    typer.echo(f"{name} is approved as {approval.hash}, and {state}")


def _pairs(seen: Proposal, campaign: Campaign) -> list[tuple[str, object]]:
    costs = (cost(Decimal(sum) / UNITS, currency) for currency, sum in seen.estimates.items())
    plan = seen.plan
    return [
        ("campaign", plan.name),
        ("changed by", seen.changed_by),
        ("from", plan.sender or f"the pool of {plan.messaging_profile_id}"),
        ("text", plan.text),
        ("media", " ".join(plan.media_urls)),
        ("recipients", f"{seen.recipients:,}"),
        ("cost", ", ".join(costs)),
        ("starts", when(seen.at_ms) if seen.at_ms else _AT_ONCE.get(campaign.state, "")),
        ("hours", hours_words(plan.hours)),
        ("expires", plan.expires_at and when(plan.expires_at.timestamp() * 1000)),
        ("cap", campaign.max_cost and f"{campaign.max_cost} {campaign.currency}"),
        ("hash", seen.hash),
    ]
