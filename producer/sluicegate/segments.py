"""How many segments (parts) a text takes on the air, which is what carriers count and charge.

Two rules are published, and they differ now and then. The formula divides the units by the room
of a segment and rounds up. The no-split rule (3GPP TS 23.040) also keeps an escape pair or a
surrogate pair whole, so that a pair which would straddle two segments moves to the second one.
Which of them a bill follows is not promised, so both are counted here and the larger one is used.
"""

import re
from functools import lru_cache
from typing import Literal

import msgspec

from .errors import InvalidMessage

MAX_PARTS = 10
"""Telnyx: at most 10 parts (segments) a message."""

# 3GPP TS 23.038, section 6.2.1: the default alphabet (without ESC, which stands for no character)
# and its extension table. No backtick, no tab, no curly quotes; Ç is in it, ç is not.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"

_only_basic = re.compile(f"[{re.escape(_BASIC)}]*").fullmatch
_not_gsm7 = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]").search

# The characters that take two units, in each encoding.
_ESCAPED = re.compile(f"[{re.escape(_EXTENSION)}]")
_SURROGATES = re.compile("[\U00010000-\U0010ffff]")

lone_surrogate = re.compile("[\ud800-\udfff]").search
"""Find half a character in a text, which can't be sent; a pair of halves is one character."""

# Stands for the first unit of a pair: it takes two units itself, so none is left beside it.
_OPENS = "\U0010ffff"


class Segments(msgspec.Struct, frozen=True, gc=False):
    """A text as it goes on the air.

    ``units`` are septets in GSM-7 and UTF-16 code units in UCS-2. ``parts`` is the larger count
    of the two rules, the one to check and to charge; ``parts_min`` is the smaller.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    parts: int
    parts_min: int


def count(text: str, encoding: Literal["auto", "gsm7", "ucs2"] = "auto") -> Segments:
    """Count the segments of ``text``: GSM-7 where every character allows it, otherwise UCS-2.

    ``encoding`` forces one of the two. An empty text has 0 units and 1 part, since a message
    never takes less. A lone surrogate counts as one unit; ``rules.validated`` refuses it.
    The provider may still replace characters by cheaper ones (smart encoding): then it is fewer.

    Raises InvalidMessage if ``encoding`` is ``"gsm7"`` and a character is not in that alphabet.
    """
    if encoding != "ucs2":
        if _only_basic(text):
            return _even(len(text))
        stranger = _not_gsm7(text)
        if stranger is None:
            return _counted("GSM-7", text, _ESCAPED, 160, 153)
        if encoding == "gsm7":
            raise _not_encodable(text, stranger)
    return _counted("UCS-2", text, _SURROGATES, 70, 67)


def sms_parts(text: str) -> int:
    """``count(text).parts``, or 0 where ``text`` can't be sent as an SMS.

    That is where it is blank, too long, or holds half a character (a lone surrogate).
    """
    if not text or text.isspace():
        return 0
    if _only_basic(text):
        taken = _basic_parts(len(text))
    else:
        taken = 0 if lone_surrogate(text) else count(text).parts
    return taken if taken <= MAX_PARTS else 0


def forcing_ucs2(text: str) -> str | None:
    """Give the first character of ``text`` that GSM-7 lacks, or None where it has them all."""
    stranger = _not_gsm7(text)
    return stranger[0] if stranger else None


@lru_cache(2_000)
def _even(units: int) -> Segments:
    """Count GSM-7 text without any pair, for which both rules agree: nearly every message."""
    taken = _basic_parts(units)
    return Segments("GSM-7", units, taken, taken)


def _basic_parts(units: int) -> int:
    return 1 if units <= 160 else -(-units // 153)


def _counted(
    encoding: Literal["GSM-7", "UCS-2"], text: str, paired: re.Pattern[str], alone: int, room: int
) -> Segments:
    """Count by both rules: ``alone`` units fit a single segment, ``room`` each of several."""
    units = len(text) + len(paired.findall(text))
    if units <= alone:
        return Segments(encoding, units, 1, 1)
    return Segments(encoding, units, _unsplit(text, paired, room), -(-units // room))


def _unsplit(text: str, paired: re.Pattern[str], room: int) -> int:
    units = paired.sub(_OPENS + ".", text)
    parts = end = 0
    while end < len(units):
        parts += 1
        end += room
        if end < len(units) and units[end - 1] == _OPENS:
            end -= 1
    return parts


def _not_encodable(text: str, stranger: re.Match[str]) -> InvalidMessage:
    char, place = stranger[0], stranger.start()
    reason = f"{char!a} (U+{ord(char):04X}) at position {place} is not in the GSM-7 alphabet"
    return InvalidMessage("text", text, f"{reason}; replace it, or choose another encoding")
