"""Which characters a text may hold, and which of them can be seen."""

import re
from unicodedata import category

_control = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]").search  # but tabs and ends of lines


def flaw(text: str) -> str | None:
    """Name the first control character or half a character in ``text``; None if there is none."""
    for char in text:
        if category(char) in ("Cc", "Cs"):
            what = "a control character" if category(char) == "Cc" else "half a character"
            return f"holds {what} (U+{ord(char):04X})"
    return None


# Letters and symbols that look like nothing, and code points that Unicode has set aside for such:
# the Hangul fillers, the empty Braille cell, the null notehead, and unassigned format characters.
_looks_empty = re.compile(
    "[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U0001d159\U000e0000-\U000e0fff]"
).match
_EMPTY = frozenset({"Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Zs"})


def shows(text: str) -> bool:
    """Whether ``text`` shows anything: not only spaces, zero-width characters or lone accents."""
    return any(category(char) not in _EMPTY and not _looks_empty(char) for char in text)


def control_in(text: str) -> str | None:
    """Name the first control character in ``text`` but tabs and ends of lines; else None."""
    found = _control(text)
    return f"holds a control character (U+{ord(found[0]):04X})" if found else None


def unfit(text: str) -> str | None:
    """Say why ``text`` can't be a message's: it shows nothing, or holds a control; else None."""
    if fault := control_in(text):
        return fault
    return None if shows(text) else "shows nothing: it has only spaces and invisible characters"
