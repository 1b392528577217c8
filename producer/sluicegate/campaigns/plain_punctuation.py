"""Typographic signs replaced by plain ones, where that makes a text fit GSM-7.

Word processors and phones write curly quotes, long dashes and ellipses by themselves, and one of
them makes a text of 160 characters take three segments. The table is fixed: a change needs a new
renderer, see ``template.RENDERERS``.
"""

from ..segments import count, strangers

_TABLE = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u2039\u203a", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f", " "),
        **dict.fromkeys("\u200b\ufeff\u00ad", ""),
        **dict.fromkeys("\u2022\u00b7", "*"),
        "\u2026": "...",
    }
)


def plain(text: str) -> str:
    """Return the text with plain signs, unless it takes more segments, or still is not GSM-7.

    What stays UCS-2 for another character keeps its signs: replacing them would gain nothing.
    """
    if text.isascii():
        return text
    replaced = text.translate(_TABLE)
    if replaced == text or strangers(replaced):
        return text
    return replaced if count(replaced).parts <= count(text).parts else text


def saved_by_plain(text: str, parts: int) -> int:
    """How many of its ``parts`` a text saves so."""
    return parts - count(plain(text)).parts
