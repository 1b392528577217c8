"""Judges what the records alone leave open: messages without one, and those still in doubt."""

from collections.abc import Mapping, Sequence
from typing import Final

from sluicegate.config import ReconcileSettings
from sluicegate.masking import masked
from sluicegate.stored import Record

from ..provider.reports import ProviderRecord, Reports
from .comparing import Comparison
from .findings import Difference, DifferenceKind, Found
from .matching import fits, resembles
from .ours import OwnMessage, OwnMessages
from .progress import Progress

MOST_ASKED: Final = 200
"""Messages that are asked for one by one, of those whose records are missed at once."""

_BATCH: Final = 200


def judge_unseen(
    own: OwnMessages,
    comparison: Comparison,
    reports: Reports,
    found: Found,
    fields: Mapping[str, int],
    settings: ReconcileSettings,
    at_ms: int,
) -> None:
    """Accepted messages of which the records up to ``at_ms`` hold none: queued, or missing."""
    unseen = own.unseen(fields["since"], at_ms, settings.skew_ms)
    late = [one for one in unseen if one.ended_ms + settings.absent_after_ms <= fields["began"]]
    found.count("pending", len(unseen) - len(late))
    for number, one in enumerate(late):
        asks = number < MOST_ASKED and one.provider_id
        record = reports.record(one.provider_id) if asks else None
        if record is not None and one.id in comparison.records([one.id], found):
            comparison.take([record], found)
        else:
            what = "" if asks else "it was not asked for by its id"
            found.differs(_of(one, "missing", what))


def judge_doubts(
    own: OwnMessages,
    comparison: Comparison,
    progress: Progress,
    found: Found,
    fields: Mapping[str, int],
    settings: ReconcileSettings,
    *,
    whole: bool,
    dry_run: bool,
) -> None:
    """Doubts: sent, if a record without our signature fits it alone; or else, in time, not sent.

    Nothing is proven by absence unless every record of the message's time was read, and was there
    to be read.
    """
    doubts = own.doubts()
    for first in range(0, len(doubts), _BATCH):
        page = doubts[first : first + _BATCH]
        ours = comparison.records([one.id for one in page], found)
        absent = []
        for one in page:
            record = ours.get(one.id)
            if record is None or record.state != "in_doubt":
                continue
            strangers = own.strangers(record.to)
            alike = [r for r in strangers if resembles(r, record, settings.skew_ms)]
            if alike:
                _judge_alike(own, comparison, found, one, record, alike, settings.skew_ms)
            elif whole and _is_proven(record, fields, settings):
                absent.append((one.id, record.at))
            else:
                found.count("undecided")
        if absent:
            ended = [True for _ in absent] if dry_run else progress.absent(absent)
            found.mend("unsent", sum(ended))


def _judge_alike(
    own: OwnMessages,
    comparison: Comparison,
    found: Found,
    one: OwnMessage,
    record: Record,
    alike: Sequence[ProviderRecord],
    skew_ms: int,
) -> None:
    """A record and a message are of each other where neither fits another.

    One that only resembles the message leaves it open whether it was sent.
    """
    fitting = [r for r in alike if fits(r, record, skew_ms)]
    rivals = [other.id for other in own.open_to(record.to) if other.id != one.id]
    others = comparison.records(rivals, found).values()
    rival = bool(fitting) and any(resembles(fitting[0], other, skew_ms) for other in others)
    if len(fitting) == 1 and not rival:
        comparison.no_stranger(fitting[0], one.id, record, found)
        return
    ids = ", ".join(r.id for r in (fitting or alike)[:3])
    if not fitting:
        what = f"only nearly fits: {ids}, of other parts, kind or time"
    elif len(fitting) > 1:
        what = f"{len(fitting)} records fit it: {ids}"
    else:
        what = f"{ids} fits other messages too"
    found.differs(_of(one, "doubt", what))


def _is_proven(record: Record, fields: Mapping[str, int], settings: ReconcileSettings) -> bool:
    """Whether a record of any POST of a message would be among those that were read."""
    in_time = fields["since"] <= record.key_at - settings.skew_ms
    over = record.at + settings.absent_after_ms <= fields["began"]
    return bool(record.key_at) and in_time and over and record.at <= fields["until"]


def _of(one: OwnMessage, kind: DifferenceKind, what: str = "") -> Difference:
    return Difference(
        kind=kind,
        id=one.id,
        provider_id=one.provider_id,
        to=masked(one.recipient),
        at_ms=one.ended_ms,
        what=what,
    )
