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


# Letters and symbols that look like nothing: the Hangul fillers and the empty Braille cell.
_FILLERS = "\u115f\u1160\u3164\uffa0\u2800"


def shows(text: str) -> bool:
    """Whether ``text`` shows anything: not only spaces, zero-width characters or lone accents."""
    return any(
        category(char) not in ("Cc", "Cf", "Mn", "Me", "Zl", "Zp", "Zs") and char not in _FILLERS
        for char in text
    )


def unfit(text: str) -> str | None:
    """Say why ``text`` can't be a message's: it shows nothing, or holds a control; else None."""
    if found := _control(text):
        return f"holds a control character (U+{ord(found[0]):04X})"
    return None if shows(text) else "shows nothing: it has only spaces and invisible characters"
