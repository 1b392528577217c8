"""What a preflight found out about a file."""

from collections import Counter
from typing import NamedTuple

import msgspec

from .prices import CountryCost
from .row_source import LineCount

MOST_WARNINGS = 200
"""Different warnings kept; what goes beyond is counted together."""

_MORE = ("", "more warnings of other kinds")


class SampleText(msgspec.Struct, frozen=True):
    """A text as it would be sent; ``to`` is masked."""

    line: int
    to: str
    text: str
    parts: int
    encoding: str


class DoubtfulNumber(msgspec.Struct, frozen=True):
    """A number that is sent to although its country's plan lacks it; ``to`` is masked."""

    line: int
    to: str
    reason: str


class Duplicate(NamedTuple):
    """A row whose recipient is that of the earlier row on line ``first_line``."""

    line: int
    first_line: int
    to: str


class Warned(msgspec.Struct):
    """Something doubtful: where it is, what it is, in how many rows, and the first one's line.

    ``where`` is ``text``, a variable, or the column of numbers.
    """

    where: str
    what: str
    count: int
    line: int


class HoursShare(msgspec.Struct, frozen=True):
    """Recipients whose hours are the same: when they may be sent to next.

    ``zones`` are those in which all ``rules`` must be open. Times are wall milliseconds.
    """

    zones: tuple[str, ...]
    rules: tuple[str, ...]
    recipients: int
    opens_ms: int
    closes_ms: int


class Report(msgspec.Struct):
    """What a file holds for a plan.

    ``rows = sendable + rejected + duplicates + suppressed + excluded + filtered``. Excluded are
    those whom another campaign reached or holds, or whom a list names, counted by its name in
    ``excluded_by``. Filtered are rows that don't meet a condition, counted in ``filtered_by``.

    ``fingerprint``  ``RowSource.fingerprint``: the hash of all rows
    ``form``         what the file was taken for: ``RowSource.form``
    ``accents``      a few values of the file that are not ASCII, to tell whether they read well
    ``reasons``      rejected rows by ``column: reason``, with "…" for what differs between rows
    ``lines``        where the file's lines went; see ``row_source.LineCount``
    ``landlines``    recipients whose numbers are landlines, where the plan tells
    ``doubtful``     recipients whose numbers may not exist; a few are in ``doubtful_numbers``
    ``warnings``     what is doubtful about rows that are sendable all the same
    ``countries``    texts and segments by the country of the number, an ISO code, and their cost
    ``segments``     texts by their number of parts
    ``ucs2``         texts by each of the characters that keep them out of GSM-7
    ``saved``        segments saved if all of these were replaced that have a ``substitute``
    ``saved_by_plain``  segments saved by ``Plan.plain_punctuation``, where the plan has it not
    ``languages``    texts by their language, ``""`` for the text for all others
    ``us_segments``  segments to +1 numbers
    ``cost``         an estimate in ``currency``: the sum of the countries' costs
    ``seconds``      time to send everything while nothing else is waiting
    ``held_by``      the level that takes that long; see ``levels.Pace``
    ``import_bytes`` memory that Redis needs while they wait, and ``sent_bytes`` once all are sent
    ``limits``       the limits that this was reckoned with; see ``levels.published``
    ``hours``        when recipients may be sent to, those who open last in the end
    """

    file: str
    fingerprint: str
    encoding: str
    delimiter: str
    form: str = ""
    rows: int = 0
    sendable: int = 0
    rejected: int = 0
    duplicates: int = 0
    suppressed: int = 0
    excluded: int = 0
    excluded_by: Counter[str] = msgspec.field(default_factory=Counter)
    filtered: int = 0
    filtered_by: Counter[str] = msgspec.field(default_factory=Counter)
    accents: list[str] = []
    reasons: Counter[str] = msgspec.field(default_factory=Counter)
    lines: LineCount = msgspec.field(default_factory=lambda: LineCount(0))
    landlines: int = 0
    doubtful: int = 0
    doubtful_numbers: list[DoubtfulNumber] = []
    warnings: list[Warned] = []
    countries: list[CountryCost] = []
    segments: Counter[int] = msgspec.field(default_factory=Counter)
    ucs2: Counter[str] = msgspec.field(default_factory=Counter)
    saved: int = 0
    saved_by_plain: int = 0
    languages: Counter[str] = msgspec.field(default_factory=Counter)
    us_segments: int = 0
    samples: list[SampleText] = []
    cost: float = 0.0
    currency: str = "USD"
    seconds: float = 0.0
    held_by: str = "account"
    import_bytes: int = 0
    sent_bytes: int = 0
    limits: dict[str, str] = {}
    hours: list[HoursShare] = []

    @property
    def parts(self) -> int:
        """Segments of all texts together."""
        return sum(parts * count for parts, count in self.segments.items())

    @property
    def warned(self) -> int:
        """All warnings together: a row that has two is counted twice."""
        return sum(warning.count for warning in self.warnings)

    def warn(self, where: str, what: str, line: int, count: int = 1) -> None:
        """Count a warning about ``count`` rows, the first of which is on ``line``."""
        for warning in self.warnings:
            if (warning.where, warning.what) == (where, what):
                warning.count += count
                return
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(Warned(where, what, count, line))
        elif (where, what) != _MORE:
            self.warnings[-1].where, self.warnings[-1].what = _MORE
            self.warnings[-1].count += count
