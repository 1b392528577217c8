"""CSV that lives through a spreadsheet: texts guarded when they are written, and bared when read.

Excel, LibreOffice and Google Sheets take a bare ``+447911123456`` for a number and a leading ``=``
for a formula. Once the file is saved, the plus, leading zeros, trailing zeros, dates and long
numbers are gone, and a formula that a stranger wrote has run. A leading apostrophe prevents all of
that. Excel and LibreOffice save it again, Sheets drops it, and ``bared`` reads either. The other
ways last only once (``="+44"``) or not at all (a leading space or tab).
"""

import csv
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, TextIO, cast

from .private import private_text

GUARD = "'"

# What a spreadsheet runs as a formula, with the full-width forms that Excel reads in East Asia.
_formula = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]").match
_digit = re.compile(r"\d").search
_kept_number = re.compile(r"0|[1-9][0-9]{0,10}").fullmatch  # Excel shortens one of 12 digits
_WORD = re.compile(r"[^\W\d_]+")
_MOST_WORDS = 4  # in a number or a date: 2026年3月4日 has three; ids and texts have more
_SHORT = 3  # E, AM, EUR, kr: words of this length may belong to a number
_MONTHS = re.compile(
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mai|okt|dez|jui|aou|avr|fev|ene|abr|ago|dic|"
    "gen|mag|giu|lug|set|ott|out|mei|mrt|maj|cze|lip|sie|wrz|paz|lis|gru|sty|lut|kwi|oca|sub|nis|"
    "haz|tem|agu|eyl|eki|kas|ara|tam|hel|maa|huh|tou|kes|hei|elo|syy|lok|jou|des|agt|led|uno|bre|"
    "dub|kve|cer|srp|zar|rij|pro",
    re.IGNORECASE,
).match
"""How months begin in the languages of Latin script; a word with other letters counts as one."""

_UTF8 = "utf-8-sig"
_MARKED_ENCODINGS = {"utf-8": _UTF8, "utf-16-le": "utf-16", "utf-16-be": "utf-16"}


def guarded(text: str) -> str:
    """Return ``text`` as a spreadsheet keeps it: after an apostrophe, if it would change it."""
    return f"{GUARD}{text}" if _hazard(text.lstrip(GUARD)) else text


def bared(text: str) -> str:
    """Undo ``guarded``; a text that was never guarded keeps its apostrophe, as ``'s`` does."""
    return text[1:] if text[:1] == GUARD and _hazard(text.lstrip(GUARD)) else text


def _hazard(text: str) -> bool:
    """Whether a spreadsheet may run ``text``, or read it as a number, a date or a truth value."""
    if _formula(text):
        return True
    if not _digit(text):
        return text.lower() in ("true", "false")
    if _kept_number(text):
        return False
    words = _WORD.findall(text)
    if not words:
        return True
    led = text.lstrip().startswith(words[0]) and not _may_be_month(words[0])
    return len(words) <= _MOST_WORDS and not led and all(map(_may_be_numeric, words))


def _may_be_month(word: str) -> bool:
    return bool(_MONTHS(word)) or not word.isascii()


def _may_be_numeric(word: str) -> bool:
    """Whether a word may stand after a digit, in a number or a date; the s of 90s may not."""
    return word != "s" and (len(word) <= _SHORT or _may_be_month(word))


class SheetWriter:
    """Writes rows of CSV to ``file``, with every text in them guarded; numbers go as they are.

    A truth value is written as spreadsheets write it themselves: TRUE or FALSE.

    ``file`` must be open with ``newline=""``.
    """

    def __init__(self, file: TextIO, delimiter: str = ",") -> None:
        self._writer: Any = csv.writer(file, delimiter=delimiter)

    def row(self, values: Iterable[object]) -> None:
        """Append a row; raises OSError, and UnicodeEncodeError for what the file can't hold."""
        self._writer.writerow(map(_cell, values))


def _cell(value: object) -> object:
    if isinstance(value, str):
        return guarded(value)
    return str(value).upper() if isinstance(value, bool) else value


class SheetFile:
    """A file of such rows at ``path``, in the delimiter and the encoding of another file.

    UTF-8 and UTF-16 get a byte order mark, by which Excel recognises them. If a value can't be
    written in ``encoding``, the whole file becomes UTF-8. It is created with its first row, and
    only its owner may read it.
    """

    def __init__(self, path: Path, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self.path, self._delimiter = path, delimiter
        self._encoding = _MARKED_ENCODINGS.get(encoding, encoding)
        self._file: TextIO | None = None

    def row(self, values: Iterable[object]) -> None:
        """Append a row; raises OSError if the file can't be written."""
        listed = list(values)
        if self._file is None:
            self._open()
        try:
            self._writer.row(listed)
        except UnicodeEncodeError:
            self._widen()
            self._writer.row(listed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self) -> None:
        self._file = private_text(self.path, self._encoding)
        self._writer = SheetWriter(self._file, self._delimiter)

    def _widen(self) -> None:
        """Write again in UTF-8 what there is."""
        if self._file is not None:
            self._file.close()
        narrow = self.path.replace(self.path.with_name(f"{self.path.name}.narrow"))
        before, self._encoding = self._encoding, _UTF8
        try:
            self._open()
            with narrow.open(encoding=before, newline="") as text:
                shutil.copyfileobj(text, cast("TextIO", self._file))
        finally:
            narrow.unlink()
