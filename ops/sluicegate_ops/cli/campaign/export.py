"""``sluicegate campaign export``: one line for each recipient, streamed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TextIO

import msgspec
import typer

from sluicegate.campaigns.opening import FileForm, open_rows
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import RowReading
from sluicegate.campaigns.row_source import RowSource
from sluicegate.stored import MessageId

from ...inspect import CampaignRecipients, RecipientStatus
from ...operating.session import Session
from ...operating.words import counted, hidden
from ..kit.acts import note_export
from ..kit.command import command, option_set
from ..kit.failures import say
from ..kit.files import sheet_output, text_output
from ..kit.options import (
    CampaignArgument,
    DelimiterOption,
    EncodingOption,
    ExportFormat,
    FormatOption,
    Overwrite,
    Unmasked,
    WhoOption,
    WhyOption,
)
from ..kit.progress import Meter
from .choosing import unreached
from .options import MapOption, SheetOption
from .own_columns import OwnColumns, own_columns
from .planning import mapped


@option_set
class CampaignExportOptions:
    """The options of ``campaign export``."""

    name: CampaignArgument
    format: FormatOption = ExportFormat.CSV
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file to write; standard output if absent."),
    ] = None
    with_: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            metavar="FILE",
            help="A file it was imported from, for its key and own columns; repeatable.",
        ),
    ] = None
    map: MapOption = None
    sheet: SheetOption = None
    encoding: EncodingOption = None
    delimiter: DelimiterOption = None
    unreached: Annotated[
        bool,
        typer.Option(
            "--unreached", help="Only who surely got nothing: it failed, or ended unsent."
        ),
    ] = False
    overwrite: Overwrite = False
    full: Unmasked = False
    who: WhoOption = None
    why: WhyOption = ""


@command
def export(session: Session, options: CampaignExportOptions) -> None:
    """Write one line for each recipient: state, reason, receipt.

    It is streamed, and takes about 100 bytes of memory for each recipient. While
    the campaign is being sent, each line is true for the moment it was read.
    With --with, each line has the row's own columns too, in the delimiter and
    the encoding of that file.

    \b
    Example:
      sluicegate campaign export july --out july.csv --with people.csv --full
      sluicegate campaign export july --unreached
    """
    name = options.name
    campaign = session.campaigns.get(name)
    files = [_opened(options, path) for path in options.with_ or ()]
    recipients = CampaignRecipients(session.client, session.keys, campaign, session.archive)
    imported = session.campaigns.ledger(name).imported
    members = session.campaigns.members(name)
    # The bare hash of a number gives it away, beside a masked one at once.
    telling = not members.keyed and campaign.plan.key_column is None
    read = count = 0
    with (
        own_columns(campaign.current, files, members) as own,
        _output(options, own.names, files[0][0] if files else None) as write,
        Meter("exporting", imported) as meter,
    ):
        for read, recipient in enumerate(recipients, 1):
            meter.at(read, read)
            if options.unreached and not unreached(recipient):
                continue
            count += 1
            line = _line(recipient, own, options.full)
            write(_without_id(line) if telling and not options.full else line)
    what = f"campaign {name}, the unreached" if options.unreached else f"campaign {name}"
    note_export(session, options, what, count, options.out)
    if options.out is not None:
        typer.echo(f"{counted(count, 'recipient')} in {options.out}")
    if not options.unreached:
        _tell_of(options, campaign.plan, own)
    if telling and not options.full:
        say(f"no ids: those of {name}, which is of an earlier version, would tell the numbers")
    if missing := imported - read:
        say(
            f"{missing:,} of {imported:,} are missing: their records are past the retention "
            f"period, or they moved during the export (then pause {name} and export again)"
        )


class ExportLine(NamedTuple):
    """A recipient as it is exported, and its own columns."""

    recipient: RecipientStatus
    own: list[str]


def _opened(options: CampaignExportOptions, path: Path) -> tuple[RowSource, RowReading]:
    form = FileForm(options.encoding, options.delimiter, options.sheet)
    with Meter("copying", None) as meter:
        file = open_rows(path, form, on_row=meter.copied)
    return file, RowReading(mapped(options.map, file))


def _line(recipient: RecipientStatus, own: OwnColumns, full: bool) -> ExportLine:
    values = own.of(MessageId.parse(recipient.id).short) if own.names else []
    if full:
        return ExportLine(recipient, values)
    to, reason = hidden(recipient.to), hidden(recipient.reason)
    for place in own.numbers:  # it may be national, and is hidden too
        values[place] = values[place] and to
    masked = msgspec.structs.replace(recipient, to=to, reason=reason)
    return ExportLine(masked, [hidden(value) for value in values])


def _without_id(line: ExportLine) -> ExportLine:
    return line._replace(recipient=msgspec.structs.replace(line.recipient, id=""))


def _tell_of(options: CampaignExportOptions, plan: Plan, own: OwnColumns) -> None:
    """Say which rows of the files are in no line, or that a file would tell more."""
    if options.with_ and own.unused:
        files = ", ".join(map(str, options.with_))
        say(f"not in {options.name}: {counted(own.unused, 'recipient')} of {files}")
    if plan.key_column and not options.with_:
        say(f"the file has the values of {plan.key_column}: --with FILE adds its columns")


@contextmanager
def _output(
    options: CampaignExportOptions, own: Sequence[str], source: RowSource | None
) -> Iterator[Callable[[ExportLine], None]]:
    """What writes a recipient in the format asked for."""
    if options.format is ExportFormat.JSONL:
        with text_output(options.out, options.overwrite) as file:
            yield lambda line: _write_json(file, own, line)
        return
    form = (source.delimiter, source.encoding) if source else (",", "utf-8")
    fields = RecipientStatus.__struct_fields__
    with sheet_output(options.out, options.overwrite, *form) as sheet:
        sheet.row([*fields, *(f"{name} (file)" if name in fields else name for name in own)])
        yield lambda line: sheet.row([*msgspec.structs.astuple(line.recipient), *line.own])


def _write_json(file: TextIO, own: Sequence[str], line: ExportLine) -> None:
    about: dict[str, Any] = msgspec.structs.asdict(line.recipient)
    about |= {"changed_ms": _ms(about.pop("when")), "delivery_ms": _ms(about.pop("delivery_at"))}
    about |= {"row": dict(zip(own, line.own, strict=True))} if own else {}
    file.write(msgspec.json.encode(about).decode() + "\n")


def _ms(moment: str) -> int | None:
    """A time of an export as a program reads all times: wall milliseconds, None for none."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else None
