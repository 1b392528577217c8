"""``sluicegate campaign preflight``: what a file holds, before anything is sent."""

import filecmp
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from sluicegate.campaigns.duplicates import Duplicates
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.preflight import preflight
from sluicegate.campaigns.recipients import RowReading
from sluicegate.campaigns.rejects import Rejects
from sluicegate.campaigns.report import Report
from sluicegate.campaigns.row_source import RowSource
from sluicegate.private import draft_of, put

from ...inspect import limits_in_force
from ...operating.campaign.preflight import document
from ...operating.session import Session
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, FAILED, fail, say
from ..kit.output import write_document
from ..kit.progress import Meter
from .options import FileOptions, RowFault
from .planning import existing, opened, planned, reading_of, timed
from .preflight_screen import show
from .when_options import AtOption, start_time

NO_NAME = "preflight"
"""Stands for a campaign's name where none is needed."""


class ReadFile(NamedTuple):
    """A file that was read for a plan, what it holds, and where rejected and double rows went."""

    sheet: RowSource
    plan: Plan
    reading: RowReading
    report: Report
    rejects: Path | None
    duplicates: Path | None


@option_set
class PreflightOptions(FileOptions):
    """The options of ``campaign preflight``; a ``name`` is checked as ``start`` will."""

    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The campaign's name, to see if it may be started so."),
    ] = None
    at: AtOption = None


@command
def check(session: Session, options: PreflightOptions) -> None:
    """Check a file and show what it holds; send nothing.

    It stores nothing either. Exits with 1 if nothing could be sent, or if
    --fail-on says so.

    \b
    Example:
      sluicegate campaign preflight people.csv --from +15557654321 --region US \\
        --text "Hi {{ first_name }}, the clinic is closed on Friday."
    """
    sheet = opened(session, options)
    reading = reading_of(session, options, sheet)
    plan = planned(session, options, sheet, options.name or NO_NAME, reading)
    before = None if options.name is None else existing(session.campaigns, plan)
    plan = before.current if before else plan
    at = start_time(options.at, plan.expires_at)
    result = read(session, options, sheet, plan, timed(reading, before, at))
    if options.json:
        write_document(document(session, result.report, result.rejects, result.duplicates))
    else:
        show(session, result.report, result.plan, result.rejects, result.duplicates)
    refuse(options, result.report)


def read(
    session: Session, options: FileOptions, sheet: RowSource, plan: Plan, reading: RowReading
) -> ReadFile:
    """Read the whole file, show the progress, and list rejected rows and duplicates beside it."""
    wanted = options.rejects or sheet.path.with_name(f"{sheet.path.stem}.rejected.csv")
    twins = wanted.with_name(f"{sheet.path.stem}.duplicates.csv")
    if wanted.resolve() == sheet.path.resolve() or (wanted.exists() and not wanted.is_file()):
        fail(f"{wanted}: rejected rows can't be written there; name another file", BAD_INPUT)
    drafts = draft_of(wanted), draft_of(twins)
    rejects, duplicates = Rejects(drafts[0], sheet), Duplicates(drafts[1], sheet)
    try:
        with Meter("reading", sheet.size_bytes) as meter, rejects, duplicates:
            report = preflight(
                plan,
                sheet,
                session.account,
                session.client,
                session.keys,
                rejects,
                on_row=lambda rows: meter.at(sheet.read_bytes, rows),
                on_duplicate=duplicates.add,
                samples=options.sample,
                per_second=options.rate or 0.0,
                limits=limits_in_force(session.client, session.keys),
                archive=session.archive,
                reading=reading,
            )
        kept = _kept(rejects.path, wanted, options.overwrite)
        listed = _kept(duplicates.path, twins, options.overwrite)
    except OSError as error:
        fail(f"{wanted}: rejected rows can't be written: {error.strerror}; see --rejects")
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    if options.rejects and kept not in (None, wanted):
        say(f"{wanted} exists with other rows, so they are in {kept}: see --overwrite")
    return ReadFile(sheet, plan, reading, report, kept, listed)


def refuse(options: FileOptions, report: Report) -> None:
    """End with 1 if nothing can be sent, or if ``--fail-on`` says so."""
    counts = {
        RowFault.REJECTED: report.rejected,
        RowFault.DUPLICATES: report.duplicates,
        RowFault.SUPPRESSED: report.suppressed,
        RowFault.WARNINGS: report.warned,
    }
    given = options.fail_on or ()
    watched = counts if RowFault.ANY in given else [fault for fault in counts if fault in given]
    faults = [
        f"{count:,} {fault}" for fault, count in counts.items() if fault in watched and count
    ]
    if not report.sendable:
        say("nothing in this file can be sent")
    if faults:
        say(f"{', '.join(faults)}: refused by --fail-on")
    if faults or not report.sendable:
        raise typer.Exit(FAILED)


def _kept(draft: Path | None, wanted: Path, overwrite: bool) -> Path | None:
    """Move what was written to ``wanted``, or beside it if somebody may have worked on that file.

    A file is replaced only with ``overwrite``, or if its content is the same.
    """
    if draft is None:
        return None
    place, number = wanted, 1
    while True:
        try:
            put(draft, place, replace=overwrite or _holds_the_same(place, draft))
        except FileExistsError:
            number += 1
            place = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        else:
            return place


def _holds_the_same(place: Path, draft: Path) -> bool:
    is_ours = place.is_file() and not place.is_symlink()
    return is_ours and filecmp.cmp(draft, place, shallow=False)
