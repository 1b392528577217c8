"""What may stand for a character that GSM-7 lacks, so that a text takes fewer segments."""

from functools import cache
from unicodedata import category, normalize

from ..segments import count, strangers

_NAMED = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u02bc`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2039\u203a", "'"),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u2022\u00b7\u2027\u25cf\u25aa", "*"),
    **dict(zip("\t\u00a6\u00d7\u00f7\u2044", " |x:/", strict=True)),
    **dict(zip("ŁłĐđıĦħŦŧ", "LlDdiHhTt", strict=True)),
    "Œ": "OE",
    "œ": "oe",
    "Þ": "Th",
    "þ": "th",
    "Ð": "D",
    "ð": "d",
    "ĸ": "k",
    "©": "(c)",
    "®": "(r)",
    "₹": "Rs",
    "°": " deg",
    "µ": "u",
    "±": "+/-",
}


@cache
def substitute(character: str) -> str | None:
    """Return what GSM-7 has for ``character``; ``""`` to leave it out, as an emoji.

    None if it can't be spared: a letter or digit of another script.
    """
    if (named := _NAMED.get(character)) is not None:
        return named
    plain = "".join(c for c in normalize("NFKD", character) if not category(c).startswith("M"))
    plain = "".join(_NAMED.get(c, c) for c in plain)
    if plain and not strangers(plain):
        return plain
    return None if category(character)[0] in "LN" else ""


def saving(text: str, parts: int) -> int:
    """How many of its ``parts`` a text saves if every such character in it is replaced.

    0 if one of them can't be, since a text is in one alphabet or in the other.
    """
    table = {ord(character): substitute(character) for character in strangers(text)}
    if None in table.values():
        return 0
    return max(0, parts - count(text.translate(table)).parts)
