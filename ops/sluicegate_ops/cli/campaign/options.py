"""What a campaign's file is to be read as: the options of ``preflight`` and ``start``."""

import math
import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.template import variable
from sluicegate.config import Account
from sluicegate.errors import BadFile, InvalidMessage
from sluicegate.levels import check_sender

from ..kit.failures import BAD_INPUT, fail
from ..kit.output import Document


class Fault(StrEnum):
    """What may be wrong with rows, for ``--fail-on``."""

    REJECTED = "rejected"
    DUPLICATES = "duplicates"
    SUPPRESSED = "suppressed"
    ANY = "any"


File = Annotated[Path, typer.Argument(metavar="FILE", help="CSV; its first row names columns.")]
Text = Annotated[str | None, typer.Option(help="The text, with {{ columns }} in it.")]
TextFile = Annotated[Path | None, typer.Option(help="A file that holds the text.")]
ToColumn = Annotated[
    str | None, typer.Option(help="The column of phone numbers, where it isn't plain which.")
]
From = Annotated[
    str | None,
    typer.Option("--from", "--sender", help="A number, short code or alphanumeric sender."),
]
Profile = Annotated[
    str | None, typer.Option(help="Messaging profile; its pool sends where --from is absent.")
]
Media = Annotated[
    list[str] | None, typer.Option(help="URL of a picture or file; may be repeated.")
]
Region = Annotated[
    str | None, typer.Option(help="Whose national numbers these may be, such as US.")
]
Key = Annotated[
    str | None,
    typer.Option(help="The column that tells recipients apart; else it is the number."),
]
ExpiresAt = Annotated[str | None, typer.Option(help="Not after, as 2030-01-31T09:00Z.")]
Encoding = Annotated[str | None, typer.Option(help="The file's encoding; else found by looking.")]
Delimiter = Annotated[str | None, typer.Option(help="Between its values; else found by looking.")]
Rejects = Annotated[
    Path | None, typer.Option(help="Where rejected rows go; else FILE's name, .rejected.csv.")
]


def _rate(value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter("must be above 0")
    return value


def _weight(value: float | None) -> float | None:
    if value is not None and not 0.01 <= value <= 100:  # an option's own bounds let NaN pass
        raise typer.BadParameter("must be from 0.01 to 100")
    return value


Rate = Annotated[
    float | None,
    typer.Option(callback=_rate, help="Its own limit, in segments per second; else none."),
]
Weight = Annotated[
    float | None,
    typer.Option(callback=_weight, help="Its share beside other campaigns: 2 is twice 1."),
]
Samples = Annotated[int, typer.Option("--sample", min=0, help="How many texts to show.")]
FailOn = Annotated[
    list[Fault] | None, typer.Option(help="Exit with 1 where there are such rows; repeatable.")
]
Json = Document

_NAMED = re.compile(
    r"to|recipient|msisdn|((cell|mobile|tele|to_|contact_)?_?(phone|number))(_(no|number))?|cell|mobile|tel"
)
"""Names of variables that columns of phone numbers have."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options, as they were given.

    ``rate`` is the campaign's own in segments per second, ``weight`` its share beside other
    campaigns; None leaves them as they are: no rate, and 1, at first.
    """

    file: Path
    text: str | None
    text_file: Path | None
    to_column: str | None
    sender: str | None
    profile: str | None
    media: tuple[str, ...]
    region: str | None
    key: str | None
    expires_at: str | None
    encoding: str | None
    delimiter: str | None
    rejects: Path | None
    sample: int
    fail_on: frozenset[Fault]
    json: bool
    rate: float | None = None
    weight: float | None = None


def asked(params: dict[str, Any]) -> Asked:
    """The options of the command that runs, out of its ``Context.params``."""
    given = {name: params[name] for name in Asked.__struct_fields__ if name in params}
    paths = ("file", "text_file", "rejects")
    given |= {name: Path(given[name]) for name in paths if given[name] is not None}
    given["media"] = tuple(given["media"] or ())
    given["fail_on"] = frozenset(map(Fault, given["fail_on"] or ()))
    return Asked(**given)


def opened(options: Asked) -> CsvFile:
    """The file; raises BadFile."""
    delimiter = {"tab": "\t", "\\t": "\t"}.get(options.delimiter or "", options.delimiter)
    return CsvFile(options.file, encoding=options.encoding, delimiter=delimiter)


def planned(options: Asked, sheet: CsvFile, name: str, account: Account) -> Plan:
    """The plan that the options make for ``sheet``.

    Raises InvalidMessage, BadTemplate, and BadFile where it has no such columns.
    """
    if options.sender is None and options.profile is None:
        fail("say who sends: --from SENDER, or --profile ID for its number pool", BAD_INPUT)
    plan = Plan(
        name=name,
        text=_text(options),
        to_column=_column(sheet, options.to_column) if options.to_column else _guessed(sheet),
        sender=options.sender,
        messaging_profile_id=options.profile,
        media_urls=options.media,
        region=options.region.upper() if options.region else None,
        key_column=_column(sheet, options.key) if options.key else None,
        expires_at=_time(options.expires_at) if options.expires_at else None,
    ).checked()
    check_sender(account, plan.sender, plan.messaging_profile_id)
    return plan


def _text(options: Asked) -> str:
    if (options.text is None) == (options.text_file is None):
        fail("give the text: --text or --text-file, one of them", BAD_INPUT)
    if options.text == "-":
        fail("--text - would go out as it is: give a file to --text-file", BAD_INPUT)
    if options.text is not None:
        return options.text
    try:
        return Path(str(options.text_file)).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{options.text_file}: cannot be read: {error}", BAD_INPUT)


def _column(sheet: CsvFile, name: str) -> str:
    """A column as a plan names it: ``Phone`` and ``phone`` of two files are the same one."""
    found = [column for column in sheet.columns if name in (column, variable(column))]
    if not found:
        raise _unclear(sheet, f"no column {name!r}", "name one of these")
    alike = [column for column in sheet.columns if variable(column) == variable(found[0])]
    return variable(found[0]) if len(alike) == 1 else found[0]


def _guessed(sheet: CsvFile) -> str:
    found = [column for column in sheet.columns if _NAMED.fullmatch(variable(column).strip("_"))]
    if len(found) == 1:
        return _column(sheet, found[0])
    several = f"{', '.join(found)} may all be the column of phone numbers"
    reason = several if found else "no column looks like the one of phone numbers"
    raise _unclear(sheet, reason, "say which it is with --to-column")


def _unclear(sheet: CsvFile, reason: str, way_out: str) -> BadFile:
    return BadFile(sheet.path, "line 1", reason, f"{way_out}: {', '.join(sheet.columns[:40])}")


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidMessage("expires_at", text, "must be a time as 2030-01-31T09:00Z") from None
    if time.tzinfo is None:
        raise InvalidMessage("expires_at", text, "must have a zone, as 2030-01-31T09:00Z")
    if time <= datetime.now(UTC):
        raise InvalidMessage("expires_at", text, "is past: nothing would be sent")
    return time.astimezone(UTC)
