"""``sluicegate campaign delete``: a campaign that is over, and everybody in it, goes for good."""

from typing import Annotated

import typer

from sluicegate.audit import act
from sluicegate_worker.operator.deleting import delete_campaign

from ...operating.session import Session
from ...operating.words import counted
from ..kit.acts import by_whom
from ..kit.asking import confirm_typed
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, WhoOption, WhyOption
from ..kit.output import write_result
from ..kit.retention import archive_to_change
from .options import CampaignOptions


@option_set
class CampaignDeleteOptions(CampaignOptions):
    """The options of ``campaign delete``."""

    who: WhoOption = None
    why: WhyOption = ""
    confirm: Annotated[
        str, typer.Option(metavar="NAME", help="Its name again, instead of being asked.")
    ] = ""
    json: AsJsonDocument = False


@command
def delete(session: Session, options: CampaignDeleteOptions) -> None:
    """Delete an ended campaign, in Redis and in the archive.

    Its recipients, plan and ledger go. The audit keeps its name and its counts,
    the account's totals and costs stay, and so do opt-outs. A campaign of the
    same name could then send to the same people again.

    \b
    Example:
      sluicegate campaign delete july --why "the contract has ended"
    """
    name = options.name
    by = by_whom(options.who, options.why, needed=True)
    campaign, ledger = session.campaigns.get(name), session.campaigns.ledger(name)
    people = counted(ledger.imported, "recipient")
    confirm_typed(
        f"Delete campaign {name} ({campaign.state}, {people}) for good? Type its name",
        name,
        options.confirm,
    )
    counts = {state: f"{count:,}" for state, count in ledger.states.items() if count}
    about = {"campaign": name, "imported": f"{ledger.imported:,}"} | counts
    said, archived = act(by, "delete campaign", filter=about), 0
    with archive_to_change(session) as archive:

        def forget() -> None:
            nonlocal archived
            if archive:
                archived = archive.remove_campaign(session.name, name)
                archive.scrub()

        delete_campaign(session.client, session.keys, name, said, forget)
    done = f"deleted: campaign {name}, {people}, of whom {archived:,} were in the archive"
    result = {"campaign": name, "recipients": ledger.imported, "archived": archived}
    write_result(result, done, as_json=options.json)
