"""The options that say what to send, to whom, and from which file."""

import math
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sluicegate.campaigns.preflight import SAMPLES

from ..kit.command import option_set
from ..kit.options import (
    AsJsonDocument,
    CampaignArgument,
    CheckMediaOption,
    DelimiterOption,
    EncodingOption,
    ExpiresAtOption,
    MediaOption,
    ProfileOption,
    RegionOption,
    SenderOption,
    TextFileOption,
)
from .when_options import WhenOptions


class RowFault(StrEnum):
    """What may be wrong with rows, for ``--fail-on``."""

    REJECTED = "rejected"
    DUPLICATES = "duplicates"
    SUPPRESSED = "suppressed"
    WARNINGS = "warnings"
    ANY = "any"


def _check_rate(value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter("must be above 0")
    return value


def _check_weight(value: float | None) -> float | None:
    if value is not None and not 0.01 <= value <= 100:  # an option's own bounds let NaN pass
        raise typer.BadParameter("must be from 0.01 to 100")
    return value


def _check_money(value: str | None) -> str | None:
    try:
        sound = value is None or value == "none" or 0 < Decimal(value) <= 10**9
    except InvalidOperation:
        sound = False
    if not sound:
        raise typer.BadParameter("must be an amount above 0, such as 50 or 49.90, or none")
    return value


MaxCostOption = Annotated[
    str | None,
    typer.Option(
        metavar="AMOUNT",
        callback=_check_money,
        help="Pause it before it costs more, in the account's currency; none for no cap.",
    ),
]


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="SLUICEGATE_DATABASE_URL",
        help="Where --query runs, as a URL of SQLAlchemy's.",
        show_default=False,
    ),
]
SheetOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The sheet of a workbook, if it has several.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=COLUMN", help="What is called NAME here is COLUMN there; repeatable."
    ),
]
LanguageOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LANGUAGE=FILE",
        help="A text for rows of a language, such as de=text.de.txt; repeatable.",
    ),
]
WeightOption = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        callback=_check_weight,
        help="Its share beside other campaigns: 2 gets twice as much as 1.",
    ),
]


@option_set
class CampaignOptions:
    """The options of a command that only takes a campaign's name."""

    name: CampaignArgument


@option_set
class _FileOptions:
    """How a file becomes a campaign.

    ``rate`` is in segments per second. A ``rate`` or ``weight`` of None leaves the campaign's as
    it is; a new campaign has no rate of its own, and weight 1.
    """

    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="CSV, JSON lines or .xlsx with named columns; - is standard input.",
            show_default=False,
        ),
    ] = None
    query: Annotated[
        str | None,
        typer.Option(metavar="SQL", help="Instead of a file: a query, or @FILE that holds it."),
    ] = None
    database: DatabaseOption = None
    sheet: SheetOption = None
    map: MapOption = None
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The text, with {{ columns }} in it.")
    ] = None
    text_file: TextFileOption = None
    language: LanguageOption = None
    language_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of each row's language, for --language."),
    ] = None
    b_text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A second text, for an A/B test.")
    ] = None
    b_text_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that holds the second text.")
    ] = None
    b_share: Annotated[
        str | None,
        typer.Option(metavar="N%", help="How many get the second text, by chance; else 50%."),
    ] = None
    plain_punctuation: Annotated[
        bool,
        typer.Option(
            "--plain-punctuation", help="Replace typographic signs where that saves segments."
        ),
    ] = False
    short_links: Annotated[
        bool,
        typer.Option(
            "--short-links", help="Replace addresses by short ones that tell who followed them."
        ),
    ] = False
    to_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of phone numbers, if it is not obvious."),
    ] = None
    sender: SenderOption = None
    profile: ProfileOption = None
    media: MediaOption = None
    check_media: CheckMediaOption = False
    region: RegionOption = None
    region_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of each row's country: a code or a name."),
    ] = None
    skip_landlines: Annotated[
        bool,
        typer.Option("--skip-landlines", help="Reject landlines, where the numbering plan tells."),
    ] = False
    key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column that identifies recipients; else their number does."
        ),
    ] = None
    except_campaign: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Leave out whom this campaign reached or holds; repeatable."
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Keep this column with each recipient, for revise and --without; repeatable.",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Leave out a list's numbers, or whom a campaign reached or holds; repeatable.",
        ),
    ] = None
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Only such rows: plan=gold|silver, age>=18, due<2026-03-01; repeatable.",
        ),
    ] = None
    not_reached_for: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Leave out whom anything reached in it, such as 30d."),
    ] = None
    from_campaign: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only recipients of this campaign; without a FILE, they are the rows.",
        ),
    ] = None
    delivered: Annotated[
        bool | None,
        typer.Option(
            "--delivered/--not-delivered",
            help="Of --from-campaign: only who did or did not surely get it.",
            show_default=False,
        ),
    ] = None
    failed: Annotated[
        str | None,
        typer.Option(
            metavar="CODES|any",
            help="Of --from-campaign: only whom it failed for, such as 40001,40008.",
        ),
    ] = None
    clicked: Annotated[
        bool | None,
        typer.Option(
            "--clicked/--not-clicked",
            help="Of --from-campaign: only who did or did not follow one of its short links.",
            show_default=False,
        ),
    ] = None
    not_opted_out: Annotated[
        bool,
        typer.Option("--not-opted-out", help="Of --from-campaign: only who may be written to."),
    ] = False
    expires_at: ExpiresAtOption = None
    encoding: EncodingOption = None
    delimiter: DelimiterOption = None
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where rejected rows go; else FILE.rejected.csv."),
    ] = None
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", "--force", help="Replace a file of rejected rows that exists."
        ),
    ] = False
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="X", callback=_check_rate, help="Its own limit, in segments per second."
        ),
    ] = None
    weight: WeightOption = None
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", min=0, help="How many texts to show.")
    ] = SAMPLES
    fail_on: Annotated[
        list[RowFault] | None,
        typer.Option(
            metavar="FAULT",
            help="Exit with 1 on rejected, duplicates, suppressed, warnings or any; repeatable.",
        ),
    ] = None
    json: AsJsonDocument = False


# Bases are read from the last to the first.
@option_set
class FileOptions(WhenOptions, _FileOptions):
    """The options of ``preflight`` and ``start``: how a file becomes a campaign, and when."""
