"""``sluicegate campaign approve``: a second person lets a campaign go out as it is."""

import typer

from ...operating.campaign.approving import approved, proposal_pairs
from ...operating.campaign.guard_words import guard_pairs
from ...operating.session import Session
from ..kit.acts import by_whom
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, Confirmed, WhoOption, WhyOption
from ..kit.output import write_document, write_pairs
from .options import CampaignOptions


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
        write_pairs([*proposal_pairs(seen, campaign), *guard_pairs(campaign)])
        typer.echo()
    confirm(f"Let {name} go out as it is?", options.yes)
    by = by_whom(options.who, options.why, needed=False)
    approval, state = approved(campaigns, seen, by)
    if options.json:
        document = {"name": name, "state": state, "hash": approval.hash, "who": approval.who}
        write_document(document | {"recipients": seen.recipients, "changed_by": seen.changed_by})
        return
    typer.echo(f"{name} is approved as {approval.hash}, and {state}")
