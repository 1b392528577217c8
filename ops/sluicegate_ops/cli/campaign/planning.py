"""The file and the plan that a campaign's options stand for."""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from sluicegate.campaigns.campaign import Campaign, Campaigns
from sluicegate.campaigns.columns import listed, named_by_variables, naming, place, variable
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.number_list import NUMBER_COLUMN
from sluicegate.campaigns.plan import Plan, differences, plan_digest
from sluicegate.config import Account
from sluicegate.errors import BadFile, CampaignExists, UnknownCampaign, WrongCampaignState
from sluicegate.levels import check_sender

from ..kit.failures import BAD_INPUT, fail
from ..kit.files import message_text
from ..kit.media import check_media
from ..kit.times import time_option
from .options import FileOptions


def opened(options: FileOptions) -> CsvFile:
    """The file; raises BadFile."""
    return CsvFile(options.file, encoding=options.encoding, delimiter=options.delimiter)


def planned(options: FileOptions, sheet: CsvFile, name: str, account: Account) -> Plan:
    """The plan that the options make for ``sheet``.

    Raises InvalidMessage, BadTemplate, and BadFile if it lacks a column.
    """
    if options.sender is None and options.profile is None:
        fail("name the sender: --from SENDER, or --profile ID for its number pool", BAD_INPUT)
    plan = Plan(
        name=name,
        text=named_by_variables(_text(options), sheet.columns),
        to_column=_column(sheet, options.to_column) if options.to_column else _guessed(sheet),
        sender=options.sender,
        messaging_profile_id=options.profile,
        media_urls=tuple(options.media or ()),
        region=options.region.upper() if options.region else None,
        region_column=_column(sheet, options.region_column) if options.region_column else None,
        landlines=not options.skip_landlines,
        key_column=_column(sheet, options.key) if options.key else None,
        expires_at=_expiry(options.expires_at) if options.expires_at else None,
        kept_columns=_kept(sheet, options.keep or ()),
        except_campaigns=tuple(sorted(set(options.except_campaign or ()))),
    ).checked()
    check_sender(account, plan.sender, plan.messaging_profile_id)
    if options.check_media:
        check_media(plan.media_urls)
    return plan


def existing(campaigns: Campaigns, plan: Plan) -> Campaign | None:
    """The campaign of that name, whose plan is then the one to use; None if there is none.

    Raises CampaignExists if its plan is another one, and WrongCampaignState if it is cancelled.
    """
    try:
        campaign = campaigns.get(plan.name)
    except UnknownCampaign:
        return None
    plan = replace(plan, renderer=campaign.plan.renderer)  # its own, whatever is the latest
    if plan_digest(campaign.plan) != plan_digest(plan):
        raise CampaignExists(plan.name, differences(plan, campaign.plan))
    if campaign.state == "cancelled":
        raise WrongCampaignState(plan.name, campaign.state, "take recipients")
    return campaign


def _text(options: FileOptions) -> str:
    text = message_text(options.text, options.text_file)
    if text is None:
        fail("give the text: either --text or --text-file", BAD_INPUT)
    return text


def _column(sheet: CsvFile, name: str) -> str:
    """The column that ``name`` means, as a plan names it; raises BadFile."""
    return naming(sheet.columns, place(sheet.path, sheet.columns, name))


def _kept(sheet: CsvFile, names: Sequence[str]) -> tuple[str, ...]:
    """The columns to keep, in the order of their names; raises BadFile."""
    return tuple(sorted({_column(sheet, name) for name in names}))


def _guessed(sheet: CsvFile) -> str:
    """The one column that looks like phone numbers; raises BadFile if there is not exactly one."""
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
