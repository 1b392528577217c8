"""``sluicegate campaign list``: every campaign on one line."""

from collections.abc import Iterator

import typer

from sluicegate.campaigns.ledger import Ledger
from sluicegate.campaigns.stored_campaign import Campaign

from ...inspect import Waits
from ...operating.campaign.document import summary
from ...operating.message.deliveries import deliveries_of, summed, unknown
from ...operating.session import Session
from ...operating.status.reasons import own_pace
from ...operating.words import local, when
from ..kit.command import command, option_set
from ..kit.options import AsJsonLines
from ..kit.output import table, tell, write, write_lines

_COLUMNS = (
    *("NAME", "STATE", "IMPORTED", "PENDING", "ACCEPTED", "DEAD"),
    *("RECEIPTS", "CREATED", "DONE", "PACE"),
)


@option_set
class CampaignListOptions:
    """The options of ``campaign list``."""

    json: AsJsonLines = False


@command
def list_(session: Session, options: CampaignListOptions) -> None:
    """List the campaigns, the latest first.

    \b
    Example:
      sluicegate campaign list
    """
    campaigns, waits = session.campaigns, session.waits
    known = ((campaign, campaigns.ledger(campaign.name)) for campaign in campaigns)
    if options.json:
        write_lines(
            summary(campaign, ledger) | {"finish": waits.of(campaign, ledger).finish}
            for campaign, ledger in known
        )
    else:
        _show(session, waits, known)


def _show(session: Session, waits: Waits, known: Iterator[tuple[Campaign, Ledger]]) -> None:
    rows = table(*_COLUMNS, spare=("PACE", "CREATED", "RECEIPTS", "DONE"), right=_COLUMNS[2:6])
    without_receipt = 0
    for campaign, ledger in known:
        rows.add_row(*_row(waits, campaign, ledger))
        without_receipt += ledger.unknown
    if len(rows):
        write(rows)
    else:
        typer.echo("no campaigns")
    if without_receipt:
        tell(f"\nunknown: {unknown(session)}")


def _row(waits: Waits, campaign: Campaign, ledger: Ledger) -> Iterator[str]:
    yield campaign.name
    yield campaign.state
    states = ledger.states
    for count in (ledger.imported, ledger.pending, states["accepted"], states["dead"]):
        yield f"{count:,}"
    yield summed(deliveries_of(ledger))
    yield when(campaign.created_ms)
    finish = waits.of(campaign, ledger).finish
    yield f"about {local(finish.at_ms, waits.facts.now_ms)}" if finish else ""
    yield own_pace(campaign)
