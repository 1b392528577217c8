"""``sluicegate campaign start``: a file checked, shown, confirmed, imported, and sent."""

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from sluicegate.audit import By
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.import_batch import ImportResult
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient, Recipients, RowReading
from sluicegate.campaigns.row_source import RowSource
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.config import Account
from sluicegate.errors import NotApproved
from sluicegate.stored import NO_GUARDS, Guards

from ...operating.campaign.preflight import document, estimate_billionths
from ...operating.pasting import pasted
from ...operating.session import Session
from ...operating.words import cost, counted, when
from ..kit.acts import by_whom
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.options import Confirmed, WhoOption, WhyOption
from ..kit.output import tell, write_document
from ..kit.progress import Meter
from .guards import GuardOptions, cap, guards_of
from .options import FileOptions, MaxCostOption
from .planning import existing, opened, planned, reading_of, timed
from .preflight import ReadFile, read, refuse
from .preflight_screen import show
from .room import refuse_without_room
from .when_options import AtOption, start_time


@option_set
class _CampaignName:
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Its name, 1 to 60 of a-z 0-9 _ and -.")
    ]


# Bases are read from the last to the first: the name stands first in the help.
@option_set
class StartOptions(GuardOptions, FileOptions, _CampaignName):
    """The options of ``campaign start``."""

    at: AtOption = None
    max_cost: MaxCostOption = None
    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False


@command
def start(session: Session, options: StartOptions) -> None:
    """Check a file, ask, import it, and send it.

    If it is interrupted, repeat it: it goes on where it stopped. With another
    file, such as the corrected rejected rows, it adds the recipients who are
    not yet in the campaign. Exits with 1 if nothing could be sent, if --fail-on
    says so, or if the answer is no.

    \b
    Example:
      sluicegate campaign start people.csv --name july --from +15557654321 \\
        --region US --text-file text.txt
    """
    refuse_without_answer(options)
    sheet = opened(session, options)
    reading = reading_of(session, options, sheet)
    plan = planned(session, options, sheet, options.name, reading)
    at = start_time(options.at, plan.expires_at)
    done = bring_in(session, options, sheet, reading, plan, at)
    if options.json:
        write_document(done)


def refuse_without_answer(options: StartOptions) -> None:
    """Refuse to start what nobody can be asked about."""
    if not options.yes and not sys.stdin.isatty():
        fail("there is no terminal to ask on: add --yes to start without being asked", BAD_INPUT)


def bring_in(
    session: Session,
    options: StartOptions,
    sheet: RowSource,
    reading: RowReading,
    plan: Plan,
    at: datetime | None,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Check the rows, ask, import them and start their campaign, now or ``at`` a time.

    With ``dry_run`` check them, and do no more. Returns what was done, or what was found, for a
    program; says it to a person unless the options ask for JSON.
    """
    campaigns = session.campaigns
    before = existing(campaigns, plan)
    if at is not None and before and before.state not in ("draft", "scheduled"):
        fail(
            f"--at: {before.name} is {before.state} already; leave it out to add whoever is new",
            BAD_INPUT,
        )
    plan = plan if before is None else before.current
    file = read(session, options, sheet, plan, timed(reading, before, at))
    if not options.json:
        show(session, file.report, plan, file.rejects, file.duplicates)
        typer.echo()
    refuse(options, file.report)
    imported = 0 if before is None else campaigns.ledger(plan.name).imported
    refuse_without_room(session, file.report, imported)
    if dry_run:
        return {"name": plan.name} | document(session, file.report, file.rejects, file.duplicates)
    guards = _guards(session, before, file, options, imported)
    confirm(_question(campaigns, before, file), options.yes)
    if sheet.fingerprint() != file.report.fingerprint:
        fail(f"{sheet.path} has changed since it was read: nothing was done; start again")
    by = by_whom(options.who, options.why, needed=False)
    created = campaigns.create(before.plan if before else plan, file.report.sendable)
    _pace(campaigns, created, options, by)
    if options.max_cost is not None:
        cap(session, plan.name, options.max_cost, by)
    if guards is not None:  # before whoever comes first can be sent to
        campaigns.guard(plan.name, guards, by)
    tally = _import(campaigns, file, session.account, by)
    return _finish(session, options, file, tally, by, at)


def _question(campaigns: Campaigns, before: Campaign | None, file: ReadFile) -> str:
    name, report = file.plan.name, file.report
    people = counted(report.sendable, "recipient")
    imported = 0 if before is None else campaigns.ledger(name).imported
    if before is None or not imported:
        price = cost(report.cost, report.currency)
        return f"Send to {people} as campaign {name}, for about {price}?"
    if before.state == "draft":
        return f"{imported:,} of {name} are already imported. Import the rest, and send to all?"
    stays = before.state in ("paused", "scheduled")
    paused = f" It stays {before.state}." if stays else ""
    known = f"{name} is {before.state} with {counted(imported, 'recipient')}."
    return f"{known} Add whoever is new among these {people}?{paused}"


def _guards(
    session: Session, before: Campaign | None, file: ReadFile, options: StartOptions, imported: int
) -> Guards | None:
    """The guards that the campaign is to have, None for those that it has; raises BadGuard."""
    if not options.any_guard:
        return None
    guards = NO_GUARDS if before is None else before.guards
    recipients = max(imported, file.report.sendable)
    return guards_of(session, file.plan, guards, options, recipients)


def _pace(campaigns: Campaigns, campaign: Campaign, options: StartOptions, by: By) -> None:
    """Set the rate and the weight that were given; leave the other as it is."""
    if options.rate is None and options.weight is None:
        return
    per_second = campaign.per_second if options.rate is None else options.rate
    weight = campaign.weight if options.weight is None else options.weight
    campaigns.pace(campaign.name, per_second, weight, by)


def _import(
    campaigns: Campaigns, file: ReadFile, account: Account, by: By
) -> Counter[ImportResult]:
    """Import everyone who can be sent to; count the outcomes."""
    report, name = file.report, file.plan.name
    tally: Counter[ImportResult] = Counter()
    try:
        with Meter("importing", report.rows - report.rejected) as meter:
            added = campaigns.add(name, _recipients(file, account), by, file.sheet.path.name)
            for done, (_, outcome) in enumerate(added, 1):
                tally[outcome] += 1
                meter.at(done, done)
    except KeyboardInterrupt:
        _note_estimate(campaigns, file, tally["added"])
        fail(f"stopped: {_so_far(campaigns, name)}; repeat the command to go on where it stopped")
    _note_estimate(campaigns, file, tally["added"])
    if file.sheet.fingerprint() != report.fingerprint:
        changed = f"{file.sheet.path} was changed while it was imported"
        way_out = f"To give it up: sluicegate campaign cancel {pasted(name)}"
        fail(f"{changed}: {_so_far(campaigns, name)}. {way_out}")
    return tally


def _note_estimate(campaigns: Campaigns, file: ReadFile, added: int) -> None:
    """Keep what the added recipients were reckoned to cost: their share of the file's cost."""
    billionths = estimate_billionths(file.report, added)
    if billionths:
        campaigns.note_estimate(file.plan.name, file.report.currency, billionths)


def _recipients(file: ReadFile, account: Account) -> Iterator[Recipient]:
    rows = Recipients(file.plan, file.sheet, account, file.reading)
    return (row for row in rows if isinstance(row, Recipient))


def _so_far(campaigns: Campaigns, name: str) -> str:
    campaign, ledger = campaigns.get(name), campaigns.ledger(name)
    sent = {
        "draft": "nothing is sent yet",
        "scheduled": "nothing is sent yet",
        "paused": "the campaign is paused",
    }
    about = sent.get(campaign.state, "they are being sent to")
    return f"{counted(ledger.imported, 'recipient')} of {name} imported, {about}"


def _finish(
    session: Session,
    options: StartOptions,
    file: ReadFile,
    tally: Counter[ImportResult],
    by: By,
    at: datetime | None,
) -> dict[str, Any]:
    """Start the campaign if it is a draft, now or ``at`` a time; say and return what was done."""
    campaigns, name, report = session.campaigns, file.plan.name, file.report
    state = campaigns.get(name).state
    approved = True
    try:
        if at is not None and state in ("draft", "scheduled"):
            state = campaigns.schedule(name, at, by)
            approved = not campaigns.needs_approval(name)
        elif state == "draft":
            state = campaigns.act(name, "start", by)
    except NotApproved:
        approved = False
    added, suppressed, excluded = tally["added"], tally["suppressed"], tally["excluded"]
    already = max(0, tally["duplicate"] - report.duplicates)
    if options.json:
        done = {"added": added, "already": already, "suppressed": suppressed}
        done |= {"excluded": excluded}
        preflight = document(session, report, file.rejects, file.duplicates)
        return {"name": name, "state": state, "imported": done, "preflight": preflight}
    parts = [f"imported {counted(added, 'recipient')}"]
    parts += [f"{already:,} already imported"] * bool(already)
    parts += [f"{suppressed:,} opted out"] * bool(suppressed)
    parts += [f"{excluded:,} left out for another campaign"] * bool(excluded)
    tell(", ".join(parts))
    verb = "resume" if state == "paused" else "watch" if approved else "approve"
    if not approved:
        tell("a second person has to approve it")
    starts_ms = campaigns.get(name).at_ms if state == "scheduled" else 0
    starts = f" for {when(starts_ms)}" if starts_ms else ""
    tell(f"{name} is {state}{starts}; next: sluicegate campaign {verb} {pasted(name)}")
    return {}
