"""``sluicegate campaign preflight``: what a file holds, before anything is sent."""

import filecmp
import os
from pathlib import Path
from typing import NamedTuple

import typer

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.preflight import SAMPLES, Rejects, Report, preflight

from ..kit.failures import BAD_INPUT, FAILED, fail, say
from ..kit.output import write_document
from ..kit.progress import Meter
from ..kit.session import Session
from . import options as given
from .options import Asked, Fault, asked, opened, planned
from .preflight_screen import document, show

NO_NAME = "preflight"
"""Stands for a campaign's name where none is needed."""


class Checked(NamedTuple):
    """A file that was read for a plan, what it holds, and where its rejected rows went."""

    sheet: CsvFile
    plan: Plan
    report: Report
    rejects: Path | None


def check(
    ctx: typer.Context,
    file: given.File,
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
) -> None:
    """Read a file and say what it holds; send and store nothing.

    Exits with 1 where nothing could be sent, and where --fail-on says so.

    \b
    Example:
      sluicegate campaign preflight people.csv --from +15557654321 --region US \\
        --text "Hi {{ first_name }}, the clinic is closed on Friday."
    """
    session: Session = ctx.obj
    options = asked(ctx.params)
    sheet = opened(options)
    checked = read(session, options, sheet, planned(options, sheet, NO_NAME, session.account))
    if options.json:
        write_document(document(session, checked.report, checked.rejects))
    else:
        show(session, checked.report, checked.plan, checked.rejects)
    refuse(options, checked.report)


def read(session: Session, options: Asked, sheet: CsvFile, plan: Plan) -> Checked:
    """Read the whole file, showing how far it is, and write its rejected rows beside it."""
    wanted = options.rejects or sheet.path.with_name(f"{sheet.path.stem}.rejected.csv")
    if wanted.resolve() == sheet.path.resolve() or (wanted.exists() and not wanted.is_file()):
        fail(f"{wanted}: rejected rows can't go there; name another file", BAD_INPUT)
    draft = wanted.with_name(f".{wanted.name}.{os.getpid()}")
    rejects = Rejects(draft, sheet.columns)
    try:
        with Meter("reading", sheet.size_bytes) as meter, rejects:
            report = preflight(
                plan,
                sheet,
                session.account,
                session.client,
                session.keys,
                rejects,
                on_row=lambda rows: meter.at(sheet.read_bytes, rows),
                samples=options.sample,
                per_second=options.rate or 0.0,
            )
        kept = _kept(draft, wanted, named=options.rejects is not None) if rejects.path else None
    except OSError as error:
        fail(f"{wanted}: rejected rows can't be written: {error.strerror}; see --rejects")
    finally:
        draft.unlink(missing_ok=True)
    return Checked(sheet, plan, report, kept)


def refuse(options: Asked, report: Report) -> None:
    """End with 1 where nothing can be sent, or where ``--fail-on`` says so."""
    faults = {
        Fault.REJECTED: report.rejected,
        Fault.DUPLICATES: report.duplicates,
        Fault.SUPPRESSED: report.suppressed,
    }
    watched = faults if Fault.ANY in options.fail_on else options.fail_on & faults.keys()
    found = [
        f"{faults[fault]:,} {fault}" for fault in faults if fault in watched and faults[fault]
    ]
    if not report.sendable:
        say("nothing in this file can be sent")
    if found:
        say(f"{', '.join(found)}: --fail-on refuses them")
    if found or not report.sendable:
        raise typer.Exit(FAILED)


def _kept(draft: Path, wanted: Path, *, named: bool) -> Path:
    """Move the rejected rows to where they are wanted, or beside what somebody may have corrected.

    Only a file that was named is overwritten, or one that says the same.
    """
    place, number = wanted, 1
    while not named and place.exists() and not filecmp.cmp(draft, place, shallow=False):
        number += 1
        place = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return draft.replace(place)
