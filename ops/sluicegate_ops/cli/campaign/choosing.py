"""Whom a campaign is for: by conditions, lists, earlier outcomes, and whom nothing reached."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sluicegate.campaigns.conditions import Condition
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.number_list import NumberList
from sluicegate.campaigns.number_set import NumberSet
from sluicegate.campaigns.row_source import RowSource
from sluicegate.campaigns.temporary import TemporaryCopy
from sluicegate.errors import BadFile, UnknownCampaign
from sluicegate.optouts import OptOuts

from ...inspect import CampaignRecipients, RecipientStatus, reached_since
from ...operating.session import Session
from ..kit.failures import BAD_INPUT, fail, say
from ..kit.progress import Meter
from ..kit.times import length_option
from .options import FileOptions

_BATCH = 1_000
_MOST_SECONDS = 10 * 366 * 86_400.0
_OUTCOME_COLUMNS = ("phone", "state", "delivery", "code")

_Asked = Callable[[RecipientStatus], bool]


def conditions_of(options: FileOptions) -> tuple[Condition, ...]:
    """The conditions that --where gives; raises BadCondition."""
    return tuple(Condition(text) for text in options.where or ())


def excluded_campaigns(session: Session, options: FileOptions) -> list[str]:
    """The campaigns that --except-campaign and --exclude name; raises UnknownCampaign."""
    named = [name for name in options.exclude or () if not _is_file(session, name)]
    for name in named:
        session.campaigns.get(name)
    return [*(options.except_campaign or ()), *named]


def left_out(session: Session, options: FileOptions) -> tuple[NumberSet, ...]:
    """Whom the lists of --exclude name, and whom anything reached; raises BadFile."""
    lists = [Path(name) for name in options.exclude or () if _is_file(session, name)]
    sets = [_listed(path, options.region) for path in lists]
    if options.not_reached_for:
        sets.append(_reached(session, options.not_reached_for))
    return tuple(sets)


def asked_for(session: Session, options: FileOptions) -> tuple[NumberSet, ...]:
    """Whose outcome in --from-campaign is asked for, where a file says who they are."""
    if not options.from_campaign:
        return ()
    numbers = (each.to for each in _outcomes(session, options))
    return (NumberSet.of(f"outcome in {options.from_campaign}", numbers),)


def recipients_as_rows(session: Session, options: FileOptions) -> RowSource:
    """The recipients of --from-campaign as rows: their number, state, delivery and code."""
    name = options.from_campaign or ""
    rows = ((one.to, one.state, one.delivery, one.code) for one in _outcomes(session, options))
    copy = TemporaryCopy.of_rows(rows)
    form = f"recipients of campaign {name}"
    return CsvFile(
        Path(name),
        encoding="utf-8",
        delimiter=",",
        copy=copy,
        columns=_OUTCOME_COLUMNS,
        form=form,
    )


def _is_file(session: Session, name: str) -> bool:
    """Whether --exclude names a file; it ends where that is unclear, or neither is there."""
    is_file = Path(name).exists()
    try:
        session.campaigns.get(name)
    except UnknownCampaign:
        if not is_file:
            fail(f"--exclude {name}: there is no such file and no such campaign", BAD_INPUT)
        return True
    if is_file:
        either = f"./{name} is the file, --except-campaign {name} the campaign"
        fail(f"--exclude {name}: there is a file and a campaign of that name; {either}", BAD_INPUT)
    return False


def _listed(path: Path, region: str | None) -> NumberSet:
    """The numbers of a list; raises BadFile where a line has none: nobody is missed in silence."""

    def numbers() -> Iterator[str]:
        for line, number, fault in NumberList(path, region, mixed=True):
            if fault:
                way_out = "correct the line or remove it: nobody on a list may be overlooked"
                raise BadFile(path, f"line {line}", fault, way_out)
            yield number

    with Meter("excluding", None) as meter:
        return NumberSet.of(path.name, _counted(numbers(), meter))


def _reached(session: Session, length: str) -> NumberSet:
    seconds = length_option("--not-reached-for", length, _MOST_SECONDS)
    since_ms = time.time() * 1000 - seconds * 1000
    with Meter("looking for whom anything reached", None) as meter:
        numbers = reached_since(
            session.client, session.keys, session.archive, since_ms, meter.copied
        )
        return NumberSet.of(f"reached in the last {length}", numbers)


def _counted(numbers: Iterator[str], meter: Meter) -> Iterator[str]:
    for count, number in enumerate(numbers, 1):
        yield number
        meter.copied(count)


def _outcomes(session: Session, options: FileOptions) -> Iterator[RecipientStatus]:
    """The recipients of --from-campaign whose outcome is asked for; each number once."""
    campaign = session.campaigns.get(options.from_campaign or "")
    if campaign.state not in ("finished", "cancelled"):
        say(
            f"{campaign.name} is {campaign.state}: what becomes of its recipients may still change"
        )
    if options.clicked is not None and not campaign.plan.short_links:
        fail(f"--clicked: {campaign.name} has no short links", BAD_INPUT)
    wanted = _wanted(options)
    everyone = CampaignRecipients(session.client, session.keys, campaign, session.archive)
    imported = session.campaigns.ledger(campaign.name).imported
    optouts = OptOuts(session.client, session.keys)
    batch: list[RecipientStatus] = []
    with Meter(f"reading {campaign.name}", imported) as meter:
        for count, each in enumerate(everyone, 1):
            meter.at(count, count)
            if each.to and all(met(each) for met in wanted):
                batch.append(each)
            if len(batch) == _BATCH:
                yield from _not_opted_out(batch, options, optouts)
                batch.clear()
        yield from _not_opted_out(batch, options, optouts)


def _not_opted_out(
    batch: Sequence[RecipientStatus], options: FileOptions, optouts: OptOuts
) -> list[RecipientStatus]:
    if not options.not_opted_out:
        return list(batch)
    gone = optouts.among([each.to for each in batch])
    return [each for each, opted_out in zip(batch, gone, strict=True) if not opted_out]


def _wanted(options: FileOptions) -> list[_Asked]:
    wanted: list[_Asked] = []
    if options.delivered is not None:
        wanted.append(lambda each: (each.delivery == "delivered") is options.delivered)
    if options.clicked is not None:
        wanted.append(lambda each: each.clicked is options.clicked)
    if options.failed is not None:
        codes = failed_codes(options.failed)
        wanted.append(lambda each: _failed(each, codes))
    return wanted


def failed_codes(text: str) -> frozenset[str]:
    """The codes that ``--failed`` names; none for ``any``."""
    codes = frozenset(filter(None, (code.strip() for code in text.split(","))))
    if not codes:
        fail("--failed: name codes, such as 40001,40008, or any", BAD_INPUT)
    return frozenset() if codes == {"any"} else codes


def _failed(each: RecipientStatus, codes: frozenset[str]) -> bool:
    """Whether a recipient surely got nothing, for one of the codes, if there are any."""
    if each.maybe_sent:
        return False
    if each.state == "dead":
        return not codes or each.code in codes
    return each.delivery == "failed" and (not codes or each.delivery_code in codes)


def unreached(each: RecipientStatus) -> bool:
    """Whether a recipient surely got nothing, and nothing more is on its way to them."""
    ended = each.state in ("cancelled", "expired", "suppressed", "purged")
    return (ended and not each.maybe_sent) or _failed(each, frozenset())


def refuse_unclear(options: FileOptions) -> None:
    """End where options say what nobody can know, or are given without --from-campaign."""
    given = {
        "--delivered": options.delivered is not None,
        "--failed": options.failed is not None,
        "--clicked": options.clicked is not None,
        "--not-opted-out": options.not_opted_out,
    }
    if not options.from_campaign and (alone := [name for name, is_on in given.items() if is_on]):
        fail(f"{', '.join(alone)}: name the campaign: --from-campaign NAME", BAD_INPUT)
