"""Which characters a text may hold, and which of them can be seen."""

from unicodedata import category


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
