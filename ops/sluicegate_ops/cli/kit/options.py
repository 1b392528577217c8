"""The options and arguments that several commands share, each declared once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sluicegate.times import EXAMPLE


class ExportFormat(StrEnum):
    """How an export is written: for a spreadsheet, or for a program."""

    CSV = "csv"
    JSONL = "jsonl"


AccountOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The account to work with; default if absent."),
]
ConfigOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The configuration; else $SLUICEGATE_CONFIG, else ./sluicegate.toml.",
    ),
]
AsJsonLines = Annotated[
    bool, typer.Option("--json", help="Write JSON lines: one object per line.")
]
AsJsonDocument = Annotated[bool, typer.Option("--json", help="Write one JSON document.")]
Unmasked = Annotated[bool, typer.Option("--full", help="Show whole phone numbers and texts.")]
FormatOption = Annotated[
    ExportFormat, typer.Option(metavar="FORMAT", help="csv, or jsonl for programs.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", "--force", help="Replace the file if it exists.")
]
Confirmed = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
ListLimit = Annotated[
    int, typer.Option(metavar="N", min=0, help="List at most this many; 0 lists all.")
]
MessageArgument = Annotated[str, typer.Argument(metavar="ID", help="The message's id.")]
CampaignArgument = Annotated[str, typer.Argument(metavar="NAME", help="The campaign's name.")]
SenderOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        "--sender",
        metavar="SENDER",
        help="The sender: a number, a short code or an alphanumeric name.",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="The messaging profile; without --from, its number pool sends."
    ),
]
MediaOption = Annotated[
    list[str] | None,
    typer.Option(metavar="URL", help="The URL of a picture or file; may be repeated."),
]
CheckMediaOption = Annotated[
    bool, typer.Option("--check-media", help="Ask for the media's sizes before enqueueing.")
]
ExpiresAtOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help=f"Do not send after this time, such as {EXAMPLE} or +2h."),
]
TextFileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A file that holds the text.")
]
RegionOption = Annotated[
    str | None, typer.Option(metavar="CODE", help="The country of national numbers, such as US.")
]
EncodingOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The file's encoding; else detected.")
]
DelimiterOption = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR",
        callback=lambda char: {"tab": "\t", "\\t": "\t"}.get(char, char),
        help="What separates values; else detected.",
    ),
]
WhyOption = Annotated[
    str, typer.Option(metavar="TEXT", help="The reason, for the audit and whoever asks later.")
]
WhoOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Who is acting, for the audit; your user name if absent."),
]
