"""The preflight: checks all of a campaign's file before anything is sent."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec
import redis

from ..config import Account
from ..keys import Keys
from ..levels import Pace, pace
from ..masking import masked
from ..memory import finished_bytes, waiting_bytes
from ..optouts import OptOuts
from ..segments import strangers
from .csv_file import CsvFile
from .exclusion import Exclusion
from .plan import Plan
from .recipients import Recipient, Recipients, Rejected
from .rejects import Rejects
from .substitutes import saving

SAMPLES = 5
"""Rendered texts in a report: the first ones, and last a longer one if there is any."""

# What differs between rows of one fault: counts, sizes, candidate numbers and positions.
_OF_ONE_ROW = re.compile(
    r"^\d+(?= values| parts)| \(\d+ units.*?\)(?=; at most)|(?<=^either) .*(?=: write it)|"
    r"^U\+[0-9A-F]{4} at position \d+"
)
_BATCH = 500


class SampleText(msgspec.Struct, frozen=True):
    """A text as it would be sent; ``to`` is masked."""

    line: int
    to: str
    text: str
    parts: int
    encoding: str


class Report(msgspec.Struct):
    """What a file holds for a plan.

    ``rows = sendable + rejected + duplicates + suppressed + excluded``. The last are those whom
    another campaign reached or holds, counted by its name in ``excluded_by``.

    ``fingerprint``  ``CsvFile.fingerprint``: the file's hash
    ``reasons``      rejected rows by ``column: reason``, with "…" for what differs between rows
    ``segments``     texts by their number of parts
    ``ucs2``         texts by each of the characters that keep them out of GSM-7
    ``saved``        segments saved if all of these were replaced that have a ``substitute``
    ``us_segments``  segments to +1 numbers
    ``cost``         an estimate in ``currency``: all segments at the account's price
    ``seconds``      time to send everything while nothing else is waiting
    ``held_by``      the level that takes that long; see ``levels.Pace``
    ``import_bytes`` memory that Redis needs while they wait, and ``sent_bytes`` once all are sent
    """

    file: str
    fingerprint: str
    encoding: str
    delimiter: str
    rows: int = 0
    sendable: int = 0
    rejected: int = 0
    duplicates: int = 0
    suppressed: int = 0
    excluded: int = 0
    excluded_by: Counter[str] = msgspec.field(default_factory=Counter)
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    segments: Counter[int] = msgspec.field(default_factory=Counter)
    ucs2: Counter[str] = msgspec.field(default_factory=Counter)
    saved: int = 0
    us_segments: int = 0
    samples: list[SampleText] = []
    cost: float = 0.0
    currency: str = "USD"
    seconds: float = 0.0
    held_by: str = "account"
    import_bytes: int = 0
    sent_bytes: int = 0

    @property
    def parts(self) -> int:
        """Segments of all texts together."""
        return sum(parts * count for parts, count in self.segments.items())


def preflight(
    plan: Plan,
    file: CsvFile,
    account: Account,
    client: redis.Redis,
    keys: Keys,
    rejects: Rejects,
    on_row: Callable[[int], None] = lambda rows: None,
    samples: int = SAMPLES,
    per_second: float = 0.0,
) -> Report:
    """Read the whole file once and report on it; nothing is sent or stored.

    Rejected rows go to ``rejects``. ``on_row`` is called with the number of rows read so far.
    ``samples`` is how many rendered texts the report shows. ``per_second`` is the campaign's own
    rate in segments a second, 0 for none. To recognise duplicates, this takes about 100 bytes of
    memory a row.

    Raises BadFile, BadTemplate, UnknownCampaign for an excepted one, InvalidMessage if that one
    tells recipients apart by another column, and redis-py's errors.
    """
    report = Report(str(file.path), file.fingerprint(), file.encoding, file.delimiter)
    seen, optouts = set[int](), OptOuts(client, keys)
    exclusion = Exclusion(client, keys, plan)
    for batch in _batched(Recipients(plan, file)):
        report.rows += len(batch)
        recipients = []
        for row in batch:
            if isinstance(row, Rejected):
                report.rejected += 1
                report.reasons[_grouped(row)] += 1
                rejects.add(row)
            elif row.hash in seen:
                report.duplicates += 1
            else:
                seen.add(row.hash)
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
                _count(report, recipient)
                _sample(report, recipient, samples)
        on_row(report.rows)
    report.cost = round(report.parts * account.price_per_segment, 2)
    report.currency = account.currency
    report.sent_bytes = report.sendable * finished_bytes(account.receipts)
    estimate = _pace(report, plan, account, per_second)
    report.seconds, report.held_by = estimate.seconds, estimate.level
    return report


def _pace(report: Report, plan: Plan, account: Account, per_second: float) -> Pace:
    return pace(
        account,
        plan.sender,
        plan.messaging_profile_id,
        plan.kind,
        report.sendable,
        report.parts,
        report.us_segments,
        per_second,
    )


def _grouped(row: Rejected) -> str:
    """A row's column and reason, without what differs between rows with the same fault."""
    reason = _OF_ONE_ROW.sub("…", row.reason)
    return f"{row.column}: {reason}" if row.column else reason


def _count(report: Report, recipient: Recipient) -> None:
    report.sendable += 1
    report.import_bytes += waiting_bytes(recipient.ticket)
    report.segments[recipient.parts] += 1
    if recipient.to.startswith("+1"):
        report.us_segments += recipient.parts
    if recipient.encoding == "UCS-2":
        report.ucs2.update(strangers(recipient.text))
        report.saved += saving(recipient.text, recipient.parts)


def _sample(report: Report, recipient: Recipient, most: int) -> None:
    """Keep the first texts; the last place goes to the longest of those that follow."""
    kept = report.samples
    if most and (len(kept) < most or recipient.parts > kept[-1].parts):
        to, text = masked(recipient.to), recipient.text
        sample = SampleText(recipient.line, to, text, recipient.parts, recipient.encoding)
        report.samples = [*kept[: most - 1], sample]


def _batched(rows: Iterable[Recipient | Rejected]) -> Iterator[list[Recipient | Rejected]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
