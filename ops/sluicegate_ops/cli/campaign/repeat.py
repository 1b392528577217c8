"""``sluicegate campaign repeat``: the next campaigns of a series, each scheduled for its time."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.series import EVERY, occurrences
from sluicegate.errors import BadTime, UnknownCampaign
from sluicegate.times import parse_time

from ...operating.session import Session
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.output import tell, write_document
from .planning import opened, planned, reading_of
from .start import StartOptions, bring_in, refuse_without_answer

_MOST = 50


@option_set
class RepeatOptions(StartOptions):
    """The options of ``campaign repeat``."""

    every: Annotated[str, typer.Option(metavar="RULE", help=f"When it comes again: {EVERY}.")]
    times: Annotated[
        int, typer.Option(metavar="N", min=1, max=_MOST, help="How many of the next to prepare.")
    ] = 1


@command
def repeat(session: Session, options: RepeatOptions) -> None:
    """Prepare a series: the same text at the times of a rule.

    Each is a campaign of its own, named NAME-DATE-TIME, scheduled with the rows
    as they are now. Run it again, as by cron, and those that are prepared take
    whoever is new, and the next ones are prepared. --at is the first time, with
    its zone; to stop, cancel those that are scheduled.

    \b
    Example:
      sluicegate campaign repeat people.csv --name news --from +15557654321 \\
        --text-file text.txt --at "2030-01-07 09:00 Europe/Berlin" \\
        --every weekly --times 2 --yes
    """
    refuse_without_answer(options)
    if options.at is None:
        fail("--at: give the first time, as in --at 'tomorrow 09:00 Europe/Berlin'", BAD_INPUT)
    needless = {"--expires-at": options.expires_at, "--at-local": options.at_local}
    if given := [name for name, value in needless.items() if value]:
        fault = "one time can't hold for all of a series; --on-close expire ends each of them"
        fail(f"{' and '.join(given)}: {fault}", BAD_INPUT)
    times = _times(options.at, options.every, options.times)
    sheet = opened(session, options)
    reading = reading_of(session, options, sheet)
    plan = planned(session, options, sheet, options.name, reading)
    done = []
    for at in times:
        one = _of_series(plan, at)
        if (state := _state(session, one.name)) not in ("", "draft", "scheduled"):
            tell(f"{one.name} is {state}, and left so", err=True)
        else:
            done.append(bring_in(session, options, sheet, reading, one, at.astimezone(UTC)))
    if options.json:
        document: dict[str, Any] = {"series": plan.name, "campaigns": done}
        write_document(document)


def _times(first: str, rule: str, count: int) -> list[datetime]:
    now = datetime.now(UTC)
    try:
        return occurrences(parse_time(first, now).at, rule, now, count)
    except BadTime as error:
        fail(f"--at, --every: {error}", BAD_INPUT)


def _of_series(plan: Plan, at: datetime) -> Plan:
    """The plan of the one campaign at that time; raises InvalidMessage if its name is too long."""
    name = f"{plan.name}-{at:%Y%m%d-%H%M}"
    return replace(plan, name=name, series=plan.name, links=()).checked()


def _state(session: Session, name: str) -> str:
    """The state of a campaign, ``""`` if there is none."""
    try:
        return session.campaigns.get(name).state
    except UnknownCampaign:
        return ""
