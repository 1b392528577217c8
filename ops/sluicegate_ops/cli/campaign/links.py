"""``sluicegate campaign links``: a campaign's short links, and who followed them."""

from typing import Any

from sluicegate.campaigns.link_book import CampaignClicks

from ...operating.session import Session
from ...operating.words import counted, when
from ..kit.command import command, option_set
from ..kit.failures import fail
from ..kit.listing import Listing
from ..kit.options import AsJsonDocument, CampaignArgument
from ..kit.output import table, tell, write, write_document


@option_set
class LinksOptions:
    """The options of ``campaign links``."""

    name: CampaignArgument
    json: AsJsonDocument = False


@command
def links(session: Session, options: LinksOptions) -> None:
    """Show a campaign's short links, and who followed them.

    Programs that look at links before a person does are counted apart.

    \b
    Example:
      sluicegate campaign links july
    """
    base = session.campaigns.get(options.name).plan.short_links
    clicks = session.campaigns.clicks(options.name)
    if options.json:
        write_document({"name": options.name, **clicks_document(base, clicks)})
        return
    if not base:
        fail(f"{options.name} has no short links: see campaign start --short-links")
    write(clicks_table(base, clicks))
    latest = f", the latest at {when(clicks.latest_ms)}" if clicks.latest_ms else ""
    tell(f"{counted(clicks.people, 'recipient')} followed one{latest}")


def clicks_table(base: str, clicks: CampaignClicks) -> Listing:
    """A row for each link."""
    rows = table("LINK", "CLICKS", "PREVIEWS", "LEADS TO", right=("CLICKS", "PREVIEWS"))
    for link in clicks.links:
        figures = f"{link.clicks:,}", f"{link.previews:,}"
        rows.add_row(f"{base}/{link.code}...", *figures, link.address)
    return rows


def clicks_document(base: str, clicks: CampaignClicks) -> dict[str, Any]:
    """The same for a program."""
    return {
        "short_links": base,
        "links": list(clicks.links),
        "people": clicks.people,
        "latest_ms": clicks.latest_ms,
    }
