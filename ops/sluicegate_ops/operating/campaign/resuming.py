"""Whether a paused campaign may go on, and what lets it."""

from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.errors import SluicegateError, WrongCampaignState

from ..session import Session
from ..status.ways_on import way_on

_SECOND_MS = 1000  # approvals are dated by whole seconds


class StillStopped(SluicegateError):
    """A cap or a guard has paused the campaign, and nothing was changed that lets it go on."""

    def __init__(self, campaign: Campaign) -> None:
        way = way_on(campaign.name, campaign.stopped_by)
        super().__init__(f"{campaign.name}: {campaign.stopped}; {way}")


def check_resumable(session: Session, campaign: Campaign, *, changed: bool = False) -> None:
    """Whether it may go on; ``changed``: what has paused it is changed with the same act.

    Raises WrongCampaignState and StillStopped. The script has the last word.
    """
    if campaign.state not in ("paused", "running"):
        raise WrongCampaignState(campaign.name, campaign.state, "resume")
    if campaign.stopped and not (changed or _approvable(session, campaign)):
        raise StillStopped(campaign)


def _approvable(session: Session, campaign: Campaign) -> bool:
    """Whether somebody approves how it goes on, or has since it paused: the script minds that."""
    approved = campaign.approved
    since = approved is None or approved.at_ms + _SECOND_MS > campaign.paused_ms
    asked = session.campaigns.asks_approval(campaign.name)
    return campaign.stopped_by == "approval" or (asked and since)
