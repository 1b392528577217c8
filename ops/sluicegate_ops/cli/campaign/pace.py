"""``sluicegate campaign pace``: a campaign's own rate and its weight, while it runs."""

import math
from typing import Annotated

import typer

from ...operating.campaign.document import summary
from ...operating.session import Session
from ...operating.status.reasons import expected, own_pace
from ..kit.acts import by_whom
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.options import AsJsonDocument, CampaignArgument, WhoOption, WhyOption
from ..kit.output import write_document
from .options import WeightOption


@option_set
class PaceOptions:
    """The options of ``campaign pace``."""

    name: CampaignArgument
    rate: Annotated[
        str | None,
        typer.Option(metavar="X|none", help="Its own limit, in segments per second, or none."),
    ] = None
    weight: WeightOption = None
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@command
def pace(session: Session, options: PaceOptions) -> None:
    """Change a campaign's rate or its share beside others.

    The change takes effect at once.

    \b
    Example:
      sluicegate campaign pace july --rate 5
      sluicegate campaign pace july --rate none --weight 2
    """
    name, rate, weight = options.name, options.rate, options.weight
    if rate is None and weight is None:
        fail("say what to change: --rate X, --rate none or --weight X", BAD_INPUT)
    campaigns = session.campaigns
    campaign = campaigns.get(name)
    per_second = campaign.per_second if rate is None else _per_second(rate)
    by = by_whom(options.who, options.why, needed=False)
    campaigns.pace(name, per_second, campaign.weight if weight is None else weight, by)
    campaign = campaigns.get(name)
    ledger = campaigns.ledger(name)
    why = session.waits.of(campaign, ledger)
    if options.json:
        write_document(summary(campaign, ledger) | {"finish": why.finish})
        return
    typer.echo(f"{name}: {own_pace(campaign) or 'no rate of its own, weight 1'}")
    if ends := expected(why.finish, why.now_ms):
        typer.echo(f"done {ends}")


def _per_second(text: str) -> float:
    if text == "none":
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        fail(f"--rate {text}: give segments per second above 0, or none", BAD_INPUT)
    return value
