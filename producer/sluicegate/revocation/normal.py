"""A reply's words, free of case, accents, punctuation, widths and invisible marks."""

import re
import unicodedata
from typing import Final

MOST_CHARACTERS: Final = 2_000
"""A reply is read so far: more than any carrier passes on as one message."""

# Letters to Unicode, and nothing to a reader.
_BLANKS: Final = dict.fromkeys((0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0xFFFC), "")

# Letters in boxes and circles, and the halves of flags, that NFKC leaves as they are.
_BOXED: Final = {
    first + n: chr(ord("a") + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)
}

# Letters that no decomposition makes plain.
_PLAIN: Final = str.maketrans(
    {"\u0131": "i", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)

# Letters of other scripts, and small capitals, that look like Latin ones.
_LOOK_ALIKE: Final = str.maketrans(
    "абвекмнорстухѕіјԛԝαβεικνορτυχᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "abbekmhopctyxsijqwabeiknoptuxabcdeghijklmnoprstuvwyz",
)

_APOSTROPHES: Final = re.compile(r"['\u2018\u2019\u02bc\u00b4`\uff07]")
_DOLLAR: Final = re.compile(r"(?<!\S)\$(?=[a-z]{2})")  # which stands for an S, and for no sum
_SPELT: Final = re.compile(r"(?<!\S)\w(?: \w){2,}(?!\S)")
_LONG: Final = re.compile(r"(\w)\1{2,}")


def normalised(text: str) -> str:
    """The words of a text in lower case, with one space between them; ``""`` where it has none.

    ``S.T.O.P``, ``stop!``, a STOP in wide letters and one with an invisible mark in it are all
    ``stop``, and ``ARRÊT`` is ``arret``. Apostrophes are left out: ``don't`` is ``dont``.
    """
    plain = text[:MOST_CHARACTERS].translate(_BLANKS).translate(_BOXED)
    plain = unicodedata.normalize("NFKC", plain).translate(_BLANKS).casefold().translate(_PLAIN)
    plain = _DOLLAR.sub("s", _APOSTROPHES.sub("", plain))
    kept = map(_kept, unicodedata.normalize("NFKD", plain))
    words = " ".join("".join(kept).split())
    return _SPELT.sub(lambda spelt: spelt[0].replace(" ", ""), words)


def as_it_looks(word: str) -> str:
    """A word of other letters as the Latin one that it looks like."""
    return word.translate(_LOOK_ALIKE)


def shortened(word: str) -> str:
    """A word without the letters that were held down: ``stooop`` is ``stop``."""
    return _LONG.sub(r"\1", word)


def _kept(character: str) -> str:
    """The character itself, nothing for what only marks or is not seen, else a space."""
    kind = unicodedata.category(character)
    if kind[0] in "LN":
        return character
    if kind in ("Mn", "Me", "Cf") or (kind == "Cc" and not character.isspace()):
        return ""
    return character if kind == "Mc" else " "
