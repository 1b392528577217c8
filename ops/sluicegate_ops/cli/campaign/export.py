"""``sluicegate campaign export``: one line for each recipient, streamed."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
import typer

from ...inspect import CampaignRecipients, RecipientStatus
from ..kit.failures import BAD_INPUT, fail, say
from ..kit.output import Full, counted, hidden
from ..kit.progress import Meter
from ..kit.session import Session
from .show import Name


class Format(StrEnum):
    """How a line is written."""

    CSV = "csv"
    JSONL = "jsonl"


Out = Annotated[Path | None, typer.Option(help="The file to write; else standard output.")]


def export(
    ctx: typer.Context,
    name: Name,
    format: Annotated[Format, typer.Option(help="csv or jsonl.")] = Format.CSV,
    out: Out = None,
    full: Full = False,
) -> None:
    """Write one line for each recipient: who, where it stands, why, and what receipts said.

    It is streamed; telling recipients apart takes some 100 bytes of memory each.
    Of a campaign that is being sent each line is true of its own moment.

    \b
    Example:
      sluicegate campaign export july --format csv --out july.csv --full
    """
    session: Session = ctx.obj
    campaign = session.campaigns.get(name)
    recipients = CampaignRecipients(session.client, session.keys, campaign)
    imported = session.campaigns.ledger(name).imported
    written = _csv if format is Format.CSV else _json
    count = 0
    with _opened(out) as file, Meter("exporting", imported) as meter:
        if format is Format.CSV:
            file.write(_line(RecipientStatus.__struct_fields__))
        for count, recipient in enumerate(recipients, 1):
            file.write(written(recipient if full else _masked(recipient)))
            meter.at(count, count)
    if out is not None:
        typer.echo(f"{counted(count, 'recipient')} in {out}")
    if missing := imported - count:
        say(
            f"{missing:,} of {imported:,} are not in it: their records are past the retention, "
            f"or they moved while it was written (then pause {name} first)"
        )


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    try:
        file = out.open("w", encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror}", BAD_INPUT)
    with file:
        yield file


def _masked(recipient: RecipientStatus) -> RecipientStatus:
    to, reason = hidden(recipient.to), hidden(recipient.reason)
    return msgspec.structs.replace(recipient, to=to, reason=reason)


def _json(recipient: RecipientStatus) -> str:
    return msgspec.json.encode(recipient).decode() + "\n"


def _csv(recipient: RecipientStatus) -> str:
    return _line(msgspec.structs.astuple(recipient))


def _line(values: tuple[object, ...]) -> str:
    line = StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
