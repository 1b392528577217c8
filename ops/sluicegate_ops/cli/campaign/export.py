"""``sluicegate campaign export``: one line for each recipient, streamed."""

import csv
from collections.abc import Callable
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ...inspect import CampaignRecipients, RecipientStatus
from ..kit.command import command, option_set
from ..kit.failures import say
from ..kit.files import open_output
from ..kit.options import CampaignArgument, Unmasked
from ..kit.output import counted, hidden
from ..kit.progress import Meter
from ..kit.session import Session


class ExportFormat(StrEnum):
    """How a recipient is written."""

    CSV = "csv"
    JSONL = "jsonl"


@option_set
class CampaignExportOptions:
    """The options of ``campaign export``."""

    name: CampaignArgument
    format: Annotated[ExportFormat, typer.Option(metavar="FORMAT", help="csv or jsonl.")] = (
        ExportFormat.CSV
    )
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write; standard output if absent."),
    ] = None
    full: Unmasked = False


@command
def export(session: Session, options: CampaignExportOptions) -> None:
    """Write one line for each recipient: state, reason, receipt.

    It is streamed, and takes about 100 bytes of memory for each recipient. While
    the campaign is being sent, each line is true for the moment it was read.

    \b
    Example:
      sluicegate campaign export july --format csv --out july.csv --full
    """
    name, is_csv = options.name, options.format is ExportFormat.CSV
    campaign = session.campaigns.get(name)
    recipients = CampaignRecipients(session.client, session.keys, campaign)
    imported = session.campaigns.ledger(name).imported
    line: Callable[[RecipientStatus], str] = _csv if is_csv else _json
    count = 0
    with open_output(options.out) as file, Meter("exporting", imported) as meter:
        if is_csv:
            file.write(_csv_line(RecipientStatus.__struct_fields__))
        for count, recipient in enumerate(recipients, 1):
            file.write(line(recipient if options.full else _masked(recipient)))
            meter.at(count, count)
    if options.out is not None:
        typer.echo(f"{counted(count, 'recipient')} in {options.out}")
    if missing := imported - count:
        say(
            f"{missing:,} of {imported:,} are missing: their records are past the retention "
            f"period, or they moved during the export (then pause {name} and export again)"
        )


def _masked(recipient: RecipientStatus) -> RecipientStatus:
    to, reason = hidden(recipient.to), hidden(recipient.reason)
    return msgspec.structs.replace(recipient, to=to, reason=reason)


def _json(recipient: RecipientStatus) -> str:
    return msgspec.json.encode(recipient).decode() + "\n"


def _csv(recipient: RecipientStatus) -> str:
    return _csv_line(msgspec.structs.astuple(recipient))


def _csv_line(values: tuple[object, ...]) -> str:
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
