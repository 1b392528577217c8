"""The preflight: everything about a campaign's file that can be known before anything is sent."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import redis

from ..config import Account
from ..keys import Keys
from ..levels import Pace, pace
from ..masking import masked
from ..optouts import OptOuts
from ..segments import count, forcing_ucs2
from .csv_file import CsvFile
from .plan import Plan
from .recipients import Recipient, Recipients, Rejected

SAMPLES = 5
"""Rendered texts shown: the first, and the longest ones seen."""

NOTES = ("_line", "_column", "_value", "_reason")
"""Columns that a file of rejected rows has in front; they are ignored when it is imported."""

# How many values or parts there were, of what size, which two numbers one may be, and where.
_OF_ONE_ROW = re.compile(
    r"^\d+(?= values| parts)| \(\d+ units.*?\)(?=; at most)|(?<=^either) .*(?=: write it)|"
    r"^U\+[0-9A-F]{4} at position \d+"
)
_BATCH = 500
_FEW = 4  # characters that somebody would replace in a text; more of them are its language


class SampleText(msgspec.Struct, frozen=True):
    """One text as it would be sent; the number is masked."""

    line: int
    to: str
    text: str
    parts: int
    encoding: str


class Report(msgspec.Struct):
    """What a file holds for a plan.

    ``rows = sendable + rejected + duplicates + suppressed``. ``reasons`` are those of rejected
    rows, each after its column, with "…" for what differs from row to row. ``segments`` maps a
    number of parts to how many texts take so many; ``ucs2`` a character to how many texts it
    alone or first keeps out of GSM-7, and ``saved`` how many segments fewer those would take
    without it and its like. ``us_segments`` are those to +1 numbers. ``cost`` is the segments at
    the account's price, an estimate. ``seconds`` is the time to send them all with nothing else
    waiting, and ``held_by`` the level that takes so long.
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
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    segments: Counter[int] = msgspec.field(default_factory=Counter)
    ucs2: Counter[str] = msgspec.field(default_factory=Counter)
    saved: Counter[str] = msgspec.field(default_factory=Counter)
    us_segments: int = 0
    samples: list[SampleText] = []
    cost: float = 0.0
    currency: str = "USD"
    seconds: float = 0.0
    held_by: str = "account"

    @property
    def parts(self) -> int:
        """Segments in all."""
        return sum(parts * count for parts, count in self.segments.items())


class Rejects:
    """A file of rejected rows, to be corrected and imported again.

    It has the columns of the original, and in front line, column, value and reason. It is written
    only when there is a first row; ``path`` is None until then. Of a file that is one of these
    itself, the four columns are replaced.
    """

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self._planned, self._columns = path, list(columns)
        self._noted = len(NOTES) if tuple(self._columns[: len(NOTES)]) == NOTES else 0
        self.path: Path | None = None
        self._file: Any = None
        self._writer: Any = None

    def add(self, row: Rejected) -> None:
        if self._file is None:
            self.path = self._planned
            # A byte order mark, so that Excel reads it as the UTF-8 that it is.
            self._file = self._planned.open("w", encoding="utf-8-sig", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow([*NOTES, *self._columns[self._noted :]])
        # A row whose quotes are broken is one value: its whole line.
        values = row.values[self._noted :] or row.values
        self._writer.writerow([row.line, row.column, row.value, row.reason, *values])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


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
    """Read the whole file once, sending and storing nothing; ``on_row`` hears the rows so far.

    ``per_second`` is the campaign's own rate in segments, 0 for none. Takes about 100 bytes of
    memory a row, to know duplicates. Raises BadFile and redis errors.
    """
    report = Report(str(file.path), file.fingerprint(), file.encoding, file.delimiter)
    seen, optouts = set[int](), OptOuts(client, keys)
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
        for recipient, suppressed in zip(recipients, opted_out, strict=True):
            if suppressed:
                report.suppressed += 1
            else:
                _count(report, recipient)
                _sample(report, recipient, samples)
        on_row(report.rows)
    report.cost = round(report.parts * account.price_per_segment, 2)
    report.currency = account.currency
    taken = _pace(report, plan, account, per_second)
    report.seconds, report.held_by = taken.seconds, taken.level
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
    """The reason without what only this row says: rows of one fault are counted together."""
    reason = _OF_ONE_ROW.sub("…", row.reason)
    return f"{row.column}: {reason}" if row.column else reason


def _count(report: Report, recipient: Recipient) -> None:
    report.sendable += 1
    report.segments[recipient.parts] += 1
    if recipient.to.startswith("+1"):
        report.us_segments += recipient.parts
    if recipient.encoding == "UCS-2" and (character := forcing_ucs2(recipient.text)):
        report.ucs2[character] += 1
        report.saved[character] += _saved(recipient)


def _saved(recipient: Recipient) -> int:
    """How many segments fewer a text takes once the few characters that GSM-7 lacks are gone."""
    text = recipient.text
    for _ in range(_FEW):
        if character := forcing_ucs2(text):
            text = text.replace(character, "?")
    return 0 if forcing_ucs2(text) else max(0, recipient.parts - count(text).parts)


def _sample(report: Report, recipient: Recipient, most: int) -> None:
    """Keep the first texts, and in the last one's place the longest that comes after them."""
    kept = report.samples
    if most and (len(kept) < most or recipient.parts > kept[-1].parts):
        to, text = masked(recipient.to), recipient.text
        sample = SampleText(recipient.line, to, text, recipient.parts, recipient.encoding)
        report.samples = [*kept[: most - 1], sample]


def _batched(rows: Iterable[Recipient | Rejected]) -> Iterator[list[Recipient | Rejected]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
