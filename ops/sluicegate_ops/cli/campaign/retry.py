"""``sluicegate campaign retry``: a new campaign for those whom an earlier one failed for."""

from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from sluicegate.campaigns.ab import VARIANT
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.short_links import LINK_ID
from sluicegate.campaigns.stored_campaign import Campaign

from ...operating.session import Session
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.options import AsJsonDocument, Confirmed, WhoOption, WhyOption
from ..kit.output import write_document
from .guards import GuardOptions
from .options import CampaignOptions, MaxCostOption
from .planning import opened, reading_of
from .start import StartOptions, bring_in, refuse_without_answer
from .when_options import AtOption, start_time

_NUMBER_COLUMN = "phone"  # of an earlier campaign's recipients as rows


@option_set
class RetryOptions(GuardOptions, CampaignOptions):
    """The options of ``campaign retry``."""

    failed: Annotated[
        str, typer.Option(metavar="CODES|any", help="The codes to try again, such as 40001,40008.")
    ]
    with_: Annotated[
        Path | None,
        typer.Option(
            "--with", metavar="FILE", help="The file it was from, for a text with {{ }}."
        ),
    ] = None
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="The new name; else NAME-2 and so on."),
    ] = None
    at: AtOption = None
    max_cost: MaxCostOption = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check who they are, and do no more.")
    ] = False
    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False
    json: AsJsonDocument = False


@command
def retry(session: Session, options: RetryOptions) -> None:
    """Send to those again whom a campaign failed for.

    They become a campaign of their own, with the text that went out last, whose
    report is its own too. Those who may have been sent a message all the same,
    or have opted out, are left out; so are those whom another retry has reached
    or still holds. If it is interrupted, repeat it: it goes on where it stopped.

    \b
    Example:
      sluicegate campaign retry july --failed 40001,40008 --with people.csv
    """
    before = session.campaigns.get(options.name)
    if before.state not in ("finished", "cancelled"):
        fail(f"{before.name} is {before.state}: wait until it has ended, or cancel it", BAD_INPUT)
    retries = _retries(session, before)
    name = options.as_ or _next_name(session, before, retries)
    others = tuple(sorted(retry.name for retry in retries if retry.name != name))
    plan = _plan(before, name, others, with_file=options.with_ is not None)
    if options.with_ is None and (needed := _of_file(plan)):
        fail(
            f"it needs {', '.join(needed)} of each row: name the file it was from, --with FILE",
            BAD_INPUT,
        )
    given = StartOptions(
        name=name,
        file=options.with_,
        from_campaign=before.name,
        failed=options.failed,
        not_opted_out=True,
        at=options.at,
        max_cost=options.max_cost,
        canary=options.canary,
        until_delivered=options.until_delivered,
        within=options.within,
        pause_if=options.pause_if,
        max_messages=options.max_messages,
        max_segments=options.max_segments,
        who=options.who,
        why=options.why,
        yes=options.yes,
        json=options.json,
    )
    if not options.dry_run:
        refuse_without_answer(given)
    sheet = opened(session, given)
    at = start_time(options.at, plan.expires_at)
    reading = reading_of(session, given, sheet)
    done = bring_in(session, given, sheet, reading, plan, at, dry_run=options.dry_run)
    if options.json:
        write_document(done)


def _plan(before: Campaign, name: str, others: tuple[str, ...], *, with_file: bool) -> Plan:
    """The plan of the one before with the text that it sent last, and no expiry of its own.

    Of two texts everybody gets the same again; ``others`` are the retries that there are.
    """
    plan = replace(
        before.current,
        name=name,
        follows=before.name,
        columns=(),
        expires_at=None,
        except_campaigns=others,
        series="",
        links=(),
        dealt_by=before.plan.dealer if before.plan.b_share else "",
    )
    if with_file:
        return plan
    return replace(plan, to_column=_NUMBER_COLUMN, key_column=None, region_column=None)


def _of_file(plan: Plan) -> list[str]:
    """The columns that a plan needs beside the number: of its text, and of its hours."""
    made = (VARIANT,) * bool(plan.b_share) + (LINK_ID,) * bool(plan.short_links)
    names = [name for name in plan.values if name not in made]
    hours = (plan.hours.zone_column, plan.hours.state_column) if plan.hours else ()
    return list(dict.fromkeys((*names, *filter(None, hours))))


def _retries(session: Session, before: Campaign) -> list[Campaign]:
    """The campaigns that try it again, those that try one of these again, and so on."""
    found, names = list[Campaign](), {before.name}
    for campaign in sorted(session.campaigns, key=lambda campaign: campaign.created_ms):
        if campaign.plan.follows in names:
            names.add(campaign.name)
            found.append(campaign)
    return found


def _next_name(session: Session, before: Campaign, retries: list[Campaign]) -> str:
    """The first free name behind that of the one before: july-2, july-3, and so on.

    Or that of a retry of it whose import was interrupted, so that it goes on.
    """
    for retry in retries:
        if retry.plan.follows == before.name and retry.state == "draft":
            return retry.name
    taken = {campaign.name for campaign in session.campaigns}
    number = 2
    while f"{before.name}-{number}" in taken:
        number += 1
    return f"{before.name}-{number}"
