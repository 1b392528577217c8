"""The gate for the provider's words: codes, titles and ids that come from outside, cut to size.

They stand in records, logs, tables and stored texts, where a line break would forge a line, a
separator a field, and a megabyte would break what reads it.
"""

import re
from hashlib import blake2b
from typing import Final

MOST_CODE: Final = 40
MOST_TITLE: Final = 100
MOST_ID: Final = 200

_unprintable = re.compile(r"[^ -~]+")
_separators = re.compile(r"[,;|]")
_id = re.compile(r"[!-{}~]+").fullmatch  # | separates ids where two of them are stored


def code_word(text: str) -> str:
    """A code: at most 40 printable ASCII characters, none of which separates stored fields."""
    return _separators.sub(" ", _printable(text, MOST_CODE))


def title_word(text: str) -> str:
    """A title: at most 100 printable ASCII characters."""
    return _printable(text, MOST_TITLE)


def id_word(text: str) -> str:
    """A provider's id as it is; or, of one that can't be kept, a hash that stands for it.

    The same id gives the same hash, so that a receipt still finds what it belongs to.
    """
    if len(text) <= MOST_ID and (not text or _id(text)):
        return text
    return f"unfit-{blake2b(text.encode(errors='replace'), digest_size=16).hexdigest()}"


def _printable(text: str, most: int) -> str:
    # Cut before and after: one step more for each character of a megabyte would be a long way.
    return _unprintable.sub("?", text[: 4 * most]).strip()[:most]
