"""``sluicegate campaign start``: a file checked, shown, asked about, imported, and sent."""

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from sluicegate.campaigns.campaign import Campaign, Campaigns, ImportResult
from sluicegate.campaigns.plan import Plan, plan_digest
from sluicegate.campaigns.preflight import SAMPLES
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.errors import CampaignExists, UnknownCampaign, WrongCampaignState

from ..kit.asking import Yes, confirm
from ..kit.failures import BAD_INPUT, fail
from ..kit.output import counted, write_document
from ..kit.progress import Meter
from ..kit.session import Session
from . import options as given
from .options import Asked, asked, opened, planned
from .preflight import Checked, read, refuse
from .preflight_screen import cost, document, show

Name = Annotated[str, typer.Option(help="Its name: a-z 0-9 _ -, at most 60.")]


def start(
    ctx: typer.Context,
    file: given.File,
    name: Name,
    text: given.Text = None,
    text_file: given.TextFile = None,
    to_column: given.ToColumn = None,
    sender: given.From = None,
    profile: given.Profile = None,
    media: given.Media = None,
    region: given.Region = None,
    key: given.Key = None,
    expires_at: given.ExpiresAt = None,
    encoding: given.Encoding = None,
    delimiter: given.Delimiter = None,
    rejects: given.Rejects = None,
    rate: given.Rate = None,
    weight: given.Weight = None,
    sample: given.Samples = SAMPLES,
    fail_on: given.FailOn = None,
    json: given.Json = False,
    yes: Yes = False,
) -> None:
    """Read a file as preflight does, ask, import it, and send it.

    Stopped half way, repeat it: it goes on where it stopped. With another file,
    such as the corrected rejected rows, it adds whoever is not yet in the campaign.

    \b
    Example:
      sluicegate campaign start people.csv --name july --from +15557654321 \\
        --region US --text-file text.txt
    """
    session: Session = ctx.obj
    options = asked(ctx.params)
    if not yes and not sys.stdin.isatty():
        fail("there is no terminal to ask on: add --yes to start without being asked", BAD_INPUT)
    sheet = opened(options)
    plan = planned(options, sheet, name, session.account)
    campaigns = session.campaigns
    before = _before(campaigns, plan)
    checked = read(session, options, sheet, plan)
    if not options.json:
        show(session, checked.report, plan, checked.rejects)
        typer.echo()
    refuse(options, checked.report)
    confirm(_question(campaigns, before, checked), yes)
    if sheet.fingerprint() != checked.report.fingerprint:
        fail(f"{file} has changed since it was read: nothing was done; start again")
    _pace(campaigns, campaigns.create(plan, checked.report.sendable), options)
    _finish(session, options, checked, _import(campaigns, checked))


def _before(campaigns: Campaigns, plan: Plan) -> Campaign | None:
    """The campaign of that name, if there is one already and it can take more recipients."""
    try:
        found = campaigns.get(plan.name)
    except UnknownCampaign:
        return None
    if plan_digest(found.plan) != plan_digest(plan):
        raise CampaignExists(plan.name)
    if found.state == "cancelled":
        raise WrongCampaignState(plan.name, found.state, "take recipients")
    return found


def _question(campaigns: Campaigns, before: Campaign | None, checked: Checked) -> str:
    name, report = checked.plan.name, checked.report
    people = counted(report.sendable, "recipient")
    imported = 0 if before is None else campaigns.ledger(name).imported
    if before is None or not imported:
        price = cost(report.cost, report.currency)
        return f"Send to {people} as campaign {name}, for about {price}?"
    if before.state == "draft":
        return f"{imported:,} of {name} are imported already. Import the rest, and send to all?"
    paused = " It stays paused." if before.state == "paused" else ""
    known = f"{name} is {before.state} with {counted(imported, 'recipient')}."
    return f"{known} Add those of these {people} that are new?{paused}"


def _pace(campaigns: Campaigns, campaign: Campaign, options: Asked) -> None:
    """Give it the rate and the weight that were asked for; what was not stays as it is."""
    if options.rate is None and options.weight is None:
        return
    per_second = campaign.per_second if options.rate is None else options.rate
    weight = campaign.weight if options.weight is None else options.weight
    campaigns.pace(campaign.name, per_second, weight)


def _import(campaigns: Campaigns, checked: Checked) -> Counter[ImportResult]:
    """Import whoever can be sent to; count what became of each."""
    report, name = checked.report, checked.plan.name
    tally: Counter[ImportResult] = Counter()
    try:
        with Meter("importing", report.rows - report.rejected) as meter:
            added = campaigns.add(name, _recipients(checked))
            for done, (_, outcome) in enumerate(added, 1):
                tally[outcome] += 1
                meter.at(done, done)
    except KeyboardInterrupt:
        fail(f"stopped: {_so_far(campaigns, name)}; the same command goes on where it stopped")
    if checked.sheet.fingerprint() != report.fingerprint:
        changed = f"{checked.sheet.path} was changed while it was imported"
        way_out = f"Give it up: sluicegate campaign cancel {name}"
        fail(f"{changed}: {_so_far(campaigns, name)}. {way_out}")
    return tally


def _recipients(checked: Checked) -> Iterator[Recipient]:
    rows = Recipients(checked.plan, checked.sheet)
    return (row for row in rows if isinstance(row, Recipient))


def _so_far(campaigns: Campaigns, name: str) -> str:
    campaign, ledger = campaigns.get(name), campaigns.ledger(name)
    sent = {"draft": "nothing is sent yet", "paused": "it is paused"}
    about = sent.get(campaign.state, "they are being sent to")
    return f"{counted(ledger.imported, 'recipient')} of {name} imported, {about}"


def _finish(
    session: Session, options: Asked, checked: Checked, tally: Counter[ImportResult]
) -> None:
    """Start it, where it isn't yet, and say what was done."""
    campaigns, name, report = session.campaigns, checked.plan.name, checked.report
    state = campaigns.get(name).state
    if state == "draft":
        state = campaigns.act(name, "start")
    added, suppressed = tally["added"], tally["suppressed"]
    already = max(0, tally["duplicate"] - report.duplicates)
    if options.json:
        done = {"added": added, "already": already, "suppressed": suppressed}
        preflight = document(session, report, checked.rejects)
        write_document({"name": name, "state": state, "imported": done, "preflight": preflight})
        return
    parts = [f"imported {counted(added, 'recipient')}"]
    parts += [f"{already:,} imported already"] * bool(already)
    parts += [f"{suppressed:,} opted out"] * bool(suppressed)
    typer.echo(", ".join(parts))
    verb = "resume" if state == "paused" else "watch"
    typer.echo(f"{name} is {state}; next: sluicegate campaign {verb} {name}")
