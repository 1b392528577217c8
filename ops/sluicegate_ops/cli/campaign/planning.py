"""The file and the plan that a campaign's options stand for."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from msgspec.structs import replace

from sluicegate.campaigns.ab import VARIANT, two_texts
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.columns import listed, named_by_variables, naming, place, variable
from sluicegate.campaigns.guarding import percent
from sluicegate.campaigns.languages import joined
from sluicegate.campaigns.number_list import NUMBER_COLUMN
from sluicegate.campaigns.opening import FileForm, open_rows, open_stream
from sluicegate.campaigns.plan import Plan, differences, plan_digest
from sluicegate.campaigns.recipients import RowReading
from sluicegate.campaigns.row_source import RowSource
from sluicegate.campaigns.sql_query import open_query
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.declared import check_sender
from sluicegate.errors import BadFile, CampaignExists, UnknownCampaign, WrongCampaignState

from ...operating.session import Session
from ..kit.failures import BAD_INPUT, fail
from ..kit.files import message_text, read_text
from ..kit.media import check_media
from ..kit.progress import Meter
from ..kit.times import time_option
from .choosing import (
    asked_for,
    conditions_of,
    excluded_campaigns,
    left_out,
    recipients_as_rows,
    refuse_unclear,
)
from .language_texts import language_column, texts_by_language
from .options import FileOptions
from .when_options import hours_of


def opened(session: Session, options: FileOptions) -> RowSource:
    """The rows: of a file, standard input, a query or an earlier campaign; raises BadFile."""
    refuse_unclear(options)
    if options.from_campaign and options.file is None and options.query is None:
        return recipients_as_rows(session, options)
    form = FileForm(options.encoding, options.delimiter, options.sheet)
    if (options.file is None) == (options.query is None):
        fail("give the rows once: a FILE, - for standard input, or --query", BAD_INPUT)
    if options.query is not None:
        if given := [f"--{name}" for name, value in form._asdict().items() if value]:
            fail(f"{' and '.join(given)}: for a file, not for --query", BAD_INPUT)
        if options.database is None:
            fail("name the database: --database URL, or SLUICEGATE_DATABASE_URL", BAD_INPUT)
        with Meter("copying", None) as meter:
            return open_query(options.database, _query(options.query), meter.copied)
    if str(options.file) == "-" and sys.stdin.isatty():
        fail("nothing is piped to standard input", BAD_INPUT)
    with Meter("copying", None) as meter:
        if str(options.file) == "-":
            return open_stream(sys.stdin.buffer, form, meter.copied)
        return open_rows(cast("Path", options.file), form, on_row=meter.copied)


def reading_of(session: Session, options: FileOptions, sheet: RowSource) -> RowReading:
    """How the options have the rows read, and which.

    Raises BadCondition, and BadFile if a column of --map is not there or a list can't be read.
    """
    columns, conditions = mapped(options.map, sheet), conditions_of(options)
    with_file = options.file is not None or options.query is not None
    within = asked_for(session, options) if with_file else ()
    return RowReading(columns, conditions, left_out(session, options), within)


def timed(reading: RowReading, before: Campaign | None, at: datetime | None = None) -> RowReading:
    """How rows are read for a campaign that is made now, unless it was ``before``.

    It starts ``at`` a time, None for what it is scheduled for, if it is, or now.
    """
    planned_ms = before.at_ms if before and before.state == "scheduled" else 0
    starts_at = at.timestamp() if at else planned_ms / 1000 or None
    made_at = before.created_ms / 1000 if before else datetime.now(UTC).timestamp()
    return replace(reading, starts_at=starts_at, made_at=made_at)


def mapped(given_names: Sequence[str] | None, sheet: RowSource) -> dict[str, str]:
    """The source's own names of columns by the variables that --map gives them."""
    columns: dict[str, str] = {}
    for given in given_names or ():
        name, equals, column = (part.strip() for part in given.partition("="))
        if not (name and equals and column):
            fail(f"--map {given}: write NAME=COLUMN, such as first_name=Vorname", BAD_INPUT)
        if variable(name) in columns:
            fail(f"--map {given}: {name} is mapped already", BAD_INPUT)
        columns[variable(name)] = sheet.columns[place(sheet.path, sheet.columns, column)]
    return columns


def _query(given: str) -> str:
    query = read_text(Path(given[1:])) if given.startswith("@") else given
    if not query.strip():
        fail("--query is empty", BAD_INPUT)
    return query


def planned(
    session: Session, options: FileOptions, sheet: RowSource, name: str, reading: RowReading
) -> Plan:
    """The plan that the options make for ``sheet``.

    Raises InvalidMessage, BadTemplate, and BadFile if it lacks a column.
    """
    if options.sender is None and options.profile is None:
        fail("name the sender: --from SENDER, or --profile ID for its number pool", BAD_INPUT)

    def column(name: str) -> str:
        return _named(sheet, reading, name)

    text, language, languages = _texts(options, sheet, reading)
    text, b_share = _with_b(options, sheet, text)
    to = column(options.to_column) if options.to_column else _guessed(sheet, reading)
    plan = Plan(
        name=name,
        text=text,
        plain_punctuation=options.plain_punctuation,
        short_links=_short_links(session) if options.short_links else "",
        language_column=language,
        languages=languages,
        to_column=to,
        sender=options.sender,
        messaging_profile_id=options.profile,
        media_urls=tuple(options.media or ()),
        region=options.region.upper() if options.region else None,
        region_column=column(options.region_column) if options.region_column else None,
        landlines=not options.skip_landlines,
        key_column=column(options.key) if options.key else None,
        expires_at=_expiry(options.expires_at) if options.expires_at else None,
        b_share=b_share,
        kept_columns=_kept(sheet, reading, options.keep or ()),
        except_campaigns=tuple(sorted(set(excluded_campaigns(session, options)))),
        hours=hours_of(options, column),
    ).checked()
    _check_state_column(options, plan)
    check_sender(session.account, plan.sender, plan.messaging_profile_id)
    if options.check_media:
        check_media(plan.media_urls)
    return plan


def _short_links(session: Session) -> str:
    base = session.config.web.short_links
    if not base:
        fail(
            "--short-links: set web.short_links to the domain of yours that leads to "
            "sluicegate serve, such as acme.to",
            BAD_INPUT,
        )
    return base


def _check_state_column(options: FileOptions, plan: Plan) -> None:
    """End where the state of a message would be taken for the place whose laws hold."""
    from_outcomes = options.from_campaign and options.file is None and options.query is None
    if from_outcomes and plan.hours and plan.hours.state_column == "state":
        fail(
            f"--state-column {options.state_column}: in the rows of --from-campaign that is what "
            "became of each message, no place; give the file as well, which has such a column",
            BAD_INPUT,
        )


def _texts(
    options: FileOptions, sheet: RowSource, reading: RowReading
) -> tuple[str, str | None, tuple[str, ...]]:
    """The text, in which a column may choose among languages; that column, and the languages."""

    def named(text: str) -> str:
        return named_by_variables(text, [*sheet.columns, *_mapped_names(options)])

    if not options.language:
        return named(_text(options)), None, ()
    texts = {code: named(text) for code, text in texts_by_language(options.language).items()}
    other = message_text(options.text, options.text_file)
    asked = options.language_column
    column = _named(sheet, reading, asked) if asked else language_column(sheet, reading)
    text = joined(variable(column), texts, None if other is None else named(other))
    return text, column, (*texts, *[""] * (other is not None))


def _with_b(options: FileOptions, sheet: RowSource, text: str) -> tuple[str, float]:
    """The text, or both where there is a second one; and the share that gets that."""
    second = message_text(options.b_text, options.b_text_file)
    if second is None:
        if options.b_share is not None:
            fail("--b-share: give the second text, --b-text or --b-text-file", BAD_INPUT)
        return text, 0.0
    if options.language:
        fail("--b-text is one text: it can't stand beside those of --language", BAD_INPUT)
    if any(variable(column) == VARIANT for column in sheet.columns):
        fail(f"the column {VARIANT} has the name by which a text is chosen: rename it", BAD_INPUT)
    share = percent("b-share", options.b_share or "50%")
    if share >= 1:
        fail("--b-share: nobody would get the first text", BAD_INPUT)
    second = named_by_variables(second, [*sheet.columns, *_mapped_names(options)])
    return two_texts(text, second), share


def existing(campaigns: Campaigns, plan: Plan) -> Campaign | None:
    """The campaign of that name, whose plan is then the one to use; None if there is none.

    Raises CampaignExists if its plan is another one, and WrongCampaignState if it is cancelled.
    """
    try:
        campaign = campaigns.get(plan.name)
    except UnknownCampaign:
        return None
    if plan.text == campaign.current.text:  # that of its latest version
        plan = replace(plan, text=campaign.plan.text)
    plan = replace(plan, renderer=campaign.plan.renderer)  # its own, whatever is the latest
    if plan_digest(campaign.plan) != plan_digest(plan):
        raise CampaignExists(plan.name, differences(plan, campaign.plan))
    if campaign.state == "cancelled":
        raise WrongCampaignState(plan.name, campaign.state, "take recipients")
    return campaign


def _text(options: FileOptions) -> str:
    if options.language_column:
        fail("--language-column is for --language LANGUAGE=FILE", BAD_INPUT)
    text = message_text(options.text, options.text_file)
    if text is None:
        fail("give the text: either --text or --text-file", BAD_INPUT)
    return text


def _column(sheet: RowSource, name: str) -> str:
    """The column that ``name`` means, as a plan names it; raises BadFile."""
    return naming(sheet.columns, place(sheet.path, sheet.columns, name))


def _kept(sheet: RowSource, reading: RowReading, names: Sequence[str]) -> tuple[str, ...]:
    """The columns to keep, in the order of their names; raises BadFile."""
    return tuple(sorted({_named(sheet, reading, name) for name in names}))


def _named(sheet: RowSource, reading: RowReading, name: str) -> str:
    """What a plan calls the column ``name``: as it is mapped, or as the source has it."""
    return variable(name) if variable(name) in reading.columns else _column(sheet, name)


def _mapped_names(options: FileOptions) -> list[str]:
    return [given.partition("=")[0].strip() for given in options.map or ()]


def _guessed(sheet: RowSource, reading: RowReading) -> str:
    """The one column that looks like phone numbers; raises BadFile if there is not exactly one."""
    mapped = [name for name in reading.columns if NUMBER_COLUMN.fullmatch(name.strip("_"))]
    if len(mapped) == 1:
        return mapped[0]
    columns = sheet.columns
    found = [
        at for at, name in enumerate(columns) if NUMBER_COLUMN.fullmatch(variable(name).strip("_"))
    ]
    if len(found) == 1:
        return naming(columns, found[0])
    several = f"any of {', '.join(columns[at] for at in found)} may be the column of phone numbers"
    reason = several if found else "no column looks like phone numbers"
    way_out = f"name the right one with --to-column: {listed(columns)}"
    raise BadFile(sheet.path, "the header", reason, way_out)


def _expiry(text: str) -> datetime:
    moment = time_option("--expires-at", text)
    if moment <= datetime.now(UTC):
        fail(f"--expires-at {text}: is in the past, so nothing would be sent", BAD_INPUT)
    return moment
