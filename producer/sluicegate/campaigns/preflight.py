"""The preflight: checks all of a campaign's file before anything is sent."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import redis

from ..archive import ArchiveReader
from ..config import Account
from ..keys import Keys
from ..levels import published
from ..masking import masked
from ..memory import finished_bytes, waiting_bytes
from ..numbering import doubt, kind_of, region_of
from ..optouts import OptOuts
from ..paces import Pace, pace
from ..segments import strangers
from .columns import variable
from .exclusion import Exclusion
from .hours import HoursClass, open_times
from .oddities import Oddities, values_of
from .plain_punctuation import saved_by_plain
from .plan import Plan
from .prices import CountryCost, Prices
from .recipients import AS_IT_IS, Recipient, Recipients, Rejected, RowReading
from .rejects import Rejects
from .report import DoubtfulNumber, Duplicate, HoursShare, Report, SampleText
from .row_source import RowSource
from .substitutes import saving

SAMPLES = 5
"""Rendered texts in a report: the first ones, and last a longer one if there is any."""

ACCENTS = 6
"""Values that are not ASCII in a report."""

DOUBTS = 20
"""Doubtful numbers in a report."""

# What differs between rows of one fault: counts, sizes, candidate numbers and positions.
_OF_ONE_ROW = re.compile(
    r"^\d+(?= values| parts)| \(\d+ units.*?\)(?=; at most)|(?<=^either) .*(?=: write it)|"
    r"^U\+[0-9A-F]{4} at position \d+"
)
_BATCH = 500


def preflight(
    plan: Plan,
    file: RowSource,
    account: Account,
    client: redis.Redis,
    keys: Keys,
    rejects: Rejects,
    on_row: Callable[[int], None] = lambda rows: None,
    on_duplicate: Callable[[Duplicate], None] = lambda duplicate: None,
    samples: int = SAMPLES,
    per_second: float = 0.0,
    limits: Mapping[str, str] | None = None,
    archive: ArchiveReader | None = None,
    reading: RowReading = AS_IT_IS,
) -> Report:
    """Read the whole file once and report on it; nothing is sent or stored.

    Rejected rows go to ``rejects``, duplicates to ``on_duplicate``. ``on_row`` is called with the
    number of rows read so far. ``samples`` is how many rendered texts the report shows.
    ``per_second`` is the campaign's own rate in segments a second, 0 for none. ``limits`` are
    those in force, in the form of ``levels.published``; without them, the account's count.
    ``archive`` knows of those whom an excepted campaign had before. ``reading`` says how this file
    is read. To recognise duplicates, this
    takes about 150 bytes of memory a row.

    Raises BadFile, BadTemplate, UnknownCampaign for an excepted one, InvalidMessage if that one
    tells recipients apart by another column, and redis-py's errors.
    """
    prices = Prices(account, plan.kind)
    report = Report(str(file.path), file.fingerprint(), file.encoding, file.delimiter, file.form)
    first_lines, optouts = dict[int, int](), OptOuts(client, keys)
    tally, exclusion = _Tally(report, plan, file, samples), Exclusion(client, keys, plan, archive)
    rows = Recipients(plan, file, account, reading)
    for batch in _batched(rows):
        report.rows += len(batch)
        recipients = []
        for row in batch:
            if isinstance(row, Rejected):
                report.rejected += 1
                report.reasons[_grouped(row)] += 1
                rejects.add(row)
            elif (first := first_lines.setdefault(row.hash, row.line)) != row.line:
                report.duplicates += 1
                on_duplicate(Duplicate(row.line, first, row.to))
            else:
                recipients.append(row)
        opted_out = optouts.among([recipient.to for recipient in recipients])
        others = exclusion.of([recipient.hash for recipient in recipients])
        for recipient, suppressed, other in zip(recipients, opted_out, others, strict=True):
            if other:
                report.excluded += 1
                report.excluded_by[other] += 1
            elif suppressed:
                report.suppressed += 1
            else:
                tally.count(recipient)
        on_row(report.rows + rows.left_out)
    _count_left_out(report, rows)
    report.lines = file.counted
    report.currency = account.currency
    report.sent_bytes = report.sendable * finished_bytes(account.receipts)
    report.countries = tally.countries(prices)
    report.cost = round(float(sum(country.cost for country in report.countries)), 6)
    report.hours = tally.hours(max(time.time(), reading.starts_at or 0.0), reading.starts_at)
    report.limits = dict(limits or published(account))
    estimate = _pace(report, plan, per_second)
    report.seconds, report.held_by = round(estimate.seconds, 6), estimate.level
    return report


def _count_left_out(report: Report, rows: Recipients) -> None:
    """Count the rows that were never candidates, and what nearly met a condition."""
    report.rows += rows.left_out
    report.filtered, report.filtered_by = rows.filtered.total(), rows.filtered
    report.excluded += rows.excluded.total()
    report.excluded_by += rows.excluded
    for condition, value, wanted, line, count in rows.near:
        what = f"{value!r} is not {wanted!r}, as {condition.text} takes it"
        report.warn(condition.column, what, line, count)


def _pace(report: Report, plan: Plan, per_second: float) -> Pace:
    return pace(
        report.limits,
        plan.sender,
        plan.messaging_profile_id,
        plan.kind,
        report.sendable,
        report.parts,
        report.us_segments,
        per_second,
    )


class _Tally:
    """Counts the sendable recipients in a report."""

    def __init__(self, report: Report, plan: Plan, file: RowSource, samples: int) -> None:
        self._report, self._samples, self._plan = report, samples, plan
        self._oddities = Oddities(plan, file.columns)
        language = plan.language_column
        self._language = plan.values.index(variable(language)) if language is not None else 0
        self._texts, self._segments = Counter[str](), Counter[str]()
        self._classes, self._in_class = dict[str, HoursClass](), Counter[str]()

    def count(self, recipient: Recipient) -> None:
        report, country = self._report, region_of(recipient.to)
        report.sendable += 1
        report.import_bytes += waiting_bytes(recipient.ticket_end)
        report.segments[recipient.parts] += 1
        self._texts[country] += 1
        self._segments[country] += recipient.parts
        if hours := recipient.hours:
            self._classes[hours.name] = hours
            self._in_class[hours.name] += 1
        if recipient.to.startswith("+1"):
            report.us_segments += recipient.parts
        if recipient.encoding == "UCS-2":
            report.ucs2.update(strangers(recipient.text))
            report.saved += saving(recipient.text, recipient.parts)
            if not self._plan.plain_punctuation:
                report.saved_by_plain += saved_by_plain(recipient.text, recipient.parts)
        if self._plan.languages:
            report.languages[values_of(recipient)[self._language]] += 1
        report.landlines += kind_of(recipient.to) == "landline"
        if reason := doubt(recipient.to, self._plan.region):
            self._doubt(recipient, reason)
        for oddity in self._oddities.of(recipient):
            report.warn(oddity.where, oddity.what, recipient.line)
        if len(report.accents) < ACCENTS and not recipient.text.isascii():
            self._keep_accents(recipient)
        self._sample(recipient)

    def countries(self, prices: Prices) -> list[CountryCost]:
        """What each country's texts cost, the most texts first."""
        return [
            prices.cost(country, texts, self._segments[country])
            for country, texts in self._texts.most_common()
        ]

    def hours(self, since: float, starts_at: float | None) -> list[HoursShare]:
        """When recipients may be sent to from ``since`` on, and not before their campaign starts.

        Both are seconds since 1970.
        """
        shares = [
            _share(self._classes[name], count, since, starts_at)
            for name, count in self._in_class.items()
        ]
        return sorted(shares, key=lambda share: (share.opens_ms, share.closes_ms, share.zones))

    def _doubt(self, recipient: Recipient, reason: str) -> None:
        self._report.warn(self._plan.to_column, reason, recipient.line)
        self._report.doubtful += 1
        if len(self._report.doubtful_numbers) < DOUBTS:
            odd = DoubtfulNumber(recipient.line, masked(recipient.to), reason)
            self._report.doubtful_numbers.append(odd)

    def _keep_accents(self, recipient: Recipient) -> None:
        kept = self._report.accents
        odd = (value for value in values_of(recipient) if not value.isascii())
        kept += [value for value in odd if value not in kept][: ACCENTS - len(kept)]

    def _sample(self, recipient: Recipient) -> None:
        """Keep the first texts; the last place goes to the longest of those that follow."""
        kept, most = self._report.samples, self._samples
        if most and (len(kept) < most or recipient.parts > kept[-1].parts):
            to, text = masked(recipient.to), recipient.text
            sample = SampleText(recipient.line, to, text, recipient.parts, recipient.encoding)
            self._report.samples = [*kept[: most - 1], sample]


def _share(hours: HoursClass, count: int, since: float, starts_at: float | None) -> HoursShare:
    [(opens, closes), *_] = open_times(hours, since, None).stretches
    begins = max(opens, int(1000 * (starts_at or 0.0)))
    return HoursShare(hours.zones, hours.rules, count, begins, closes)


def _grouped(row: Rejected) -> str:
    """A row's column and reason, without what differs between rows with the same fault."""
    reason = _OF_ONE_ROW.sub("…", row.reason)
    return f"{row.column}: {reason}" if row.column else reason


def _batched(rows: Iterable[Recipient | Rejected]) -> Iterator[list[Recipient | Rejected]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
