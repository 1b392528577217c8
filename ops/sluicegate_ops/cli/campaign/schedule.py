"""``sluicegate campaign schedule``: when a campaign starts by itself, if at all."""

from typing import Annotated

import typer

from ...operating.campaign.document import summary
from ...operating.session import Session
from ...operating.words import when
from ..kit.acts import by_whom
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.options import AsJsonDocument, WhoOption, WhyOption
from ..kit.output import tell, write_document
from .options import CampaignOptions
from .when_options import AtOption, start_time


@option_set
class ScheduleOptions(CampaignOptions):
    """The options of ``campaign schedule``."""

    at: AtOption = None
    now: Annotated[bool, typer.Option("--now", help="Start it now.")] = False
    off: Annotated[
        bool, typer.Option("--off", help="Let it not start by itself: it is a draft again.")
    ] = False
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@command
def schedule(session: Session, options: ScheduleOptions) -> None:
    """Set when a campaign that has not begun starts.

    Any worker starts it, within a second or two of that time.

    \b
    Example:
      sluicegate campaign schedule july --at "tomorrow 09:00"
      sluicegate campaign schedule july --now
      sluicegate campaign schedule july --off
    """
    if [options.at is not None, options.now, options.off].count(True) != 1:
        fail("give one of --at TIME, --now and --off", BAD_INPUT)
    name, campaigns = options.name, session.campaigns
    plan = campaigns.get(name).plan
    by = by_whom(options.who, options.why, needed=False)
    if options.now:
        state = campaigns.act(name, "start", by)
    else:
        at = start_time(options.at, plan.expires_at)
        state = campaigns.schedule(name, at, by)
    campaign = campaigns.get(name)
    if options.json:
        write_document(summary(campaign, campaigns.ledger(name)))
        return
    starts = f" for {when(campaign.at_ms)}" if state == "scheduled" else ""
    tell(f"{name} is {state}{starts}")
