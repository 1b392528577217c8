"""``sluicegate campaign export``: one line for each recipient, streamed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec
import typer

from ...inspect import CampaignRecipients, RecipientStatus
from ..kit.command import command, option_set
from ..kit.failures import say
from ..kit.files import sheet_output, text_output
from ..kit.options import CampaignArgument, ExportFormat, FormatOption, Overwrite, Unmasked
from ..kit.output import counted, hidden
from ..kit.progress import Meter
from ..kit.session import Session


@option_set
class CampaignExportOptions:
    """The options of ``campaign export``."""

    name: CampaignArgument
    format: FormatOption = ExportFormat.CSV
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write; standard output if absent."),
    ] = None
    overwrite: Overwrite = False
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
    name = options.name
    campaign = session.campaigns.get(name)
    recipients = CampaignRecipients(session.client, session.keys, campaign)
    imported = session.campaigns.ledger(name).imported
    count = 0
    with _output(options) as write, Meter("exporting", imported) as meter:
        for count, recipient in enumerate(recipients, 1):
            write(recipient if options.full else _masked(recipient))
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


@contextmanager
def _output(options: CampaignExportOptions) -> Iterator[Callable[[RecipientStatus], None]]:
    """What writes a recipient in the format asked for."""
    if options.format is ExportFormat.JSONL:
        with text_output(options.out, options.overwrite) as file:
            yield lambda recipient: _write_json(file, recipient)
        return
    with sheet_output(options.out, options.overwrite) as sheet:
        sheet.row(RecipientStatus.__struct_fields__)
        yield lambda recipient: sheet.row(msgspec.structs.astuple(recipient))


def _write_json(file: TextIO, recipient: RecipientStatus) -> None:
    about: dict[str, Any] = msgspec.structs.asdict(recipient)
    about |= {"changed_ms": _ms(about.pop("when")), "delivery_ms": _ms(about.pop("delivery_at"))}
    file.write(msgspec.json.encode(about).decode() + "\n")


def _ms(moment: str) -> int | None:
    """A time of an export as a program reads all times: wall milliseconds, None for none."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else None
