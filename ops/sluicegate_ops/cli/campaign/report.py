"""``sluicegate campaign report``: what became of every recipient, by code, and what to do."""

from typing import Annotated

import typer

from sluicegate.campaigns.ledger import Ledger
from sluicegate.campaigns.stored_campaign import Campaign

from ...inspect import (
    CampaignCause,
    CampaignRecipients,
)
from ...operating.campaign.reporting import (
    LIMITS,
    cause_lines,
    ends_of,
    parts_of,
    report_document,
    undelivered,
)
from ...operating.message.deliveries import lines
from ...operating.pasting import pasted
from ...operating.session import Session
from ...operating.words import clean, counted
from ..kit.advice import write_advice
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, CampaignArgument
from ..kit.output import console, tell, write, write_document
from .breakdown import (
    GroupBy,
    RecipientGroup,
    broken_down,
    documents,
    tables,
    variant_tests,
)
from .costs import show_costs
from .show import show_ledger

_UNCONFIRMED = "their carriers do not confirm delivery; most such messages arrive"


@option_set
class ReportOptions:
    """The options of ``campaign report``."""

    name: CampaignArgument
    by: Annotated[
        list[GroupBy] | None,
        typer.Option(
            metavar="WHAT",
            help="Also by state, code, carrier, country, area, version or variant; repeatable.",
        ),
    ] = None
    json: AsJsonDocument = False


@command
def report(session: Session, options: ReportOptions) -> None:
    """Show what became of everybody, and what it cost.

    \b
    Example:
      sluicegate campaign report july
      sluicegate campaign report july --by carrier --by code
    """
    name, campaigns = options.name, session.campaigns
    campaign, ledger = campaigns.get(name), campaigns.ledger(name)
    ends = ends_of(session, name, ledger)
    parts = parts_of(session, name, ledger)
    by = _broken_down(session, campaign, options.by) if options.by else {}
    lost = undelivered(parts)
    if options.json:
        about = report_document(session, campaign, ledger, ends, parts)
        tested = variant_tests(by)
        about |= {"by": documents(by)} if by else {}
        write_document(about | ({"variants": tested} if tested else {}))
        return
    console().print(f"campaign {name}: {campaign.state}", style="bold")
    show_ledger(session, ledger)
    show_costs(ledger, campaigns.estimates(name), parts)
    for each in tables(by):
        typer.echo()
        write(each)
    for what, test in variant_tests(by).items():
        tell(f"{what}, a and b: {test.said}")
    _show(name, ledger, ends, lost)


def _broken_down(
    session: Session, campaign: Campaign, by: list[GroupBy]
) -> dict[GroupBy, list[RecipientGroup]]:
    return broken_down(
        CampaignRecipients(session.client, session.keys, campaign, session.archive), by
    )


def _show(
    name: str, ledger: Ledger, ends: list[CampaignCause], lost: list[tuple[str, int]]
) -> None:
    """Write each cause with the advice on it."""
    for cause in ends:
        title = f"{counted(cause.count, 'recipient')} {cause.state.replace('_', ' ')} {cause.code}"
        write_advice(title.strip(), [("why", clean(cause.reason)), *cause_lines(cause)])
    for code, count in lost:
        title = f"{counted(count, 'recipient')} accepted but not delivered {code}"
        write_advice(title.strip(), lines(code))
    if unconfirmed := ledger.deliveries["unconfirmed"]:
        title = f"{counted(unconfirmed, 'recipient')} accepted but unconfirmed"
        write_advice(title, [("why", _UNCONFIRMED)])
    for code, count in ledger.held.items():
        write_advice(f"{counted(count, 'recipient')} had to wait {code}", [("why", LIMITS[code])])
    if any(cause.state == "dead" for cause in ends):
        replay = f"sluicegate dead replay --campaign {pasted(name)} --code CODE --why WHY"
        tell(f"\nto send to the dead again: {replay}")
