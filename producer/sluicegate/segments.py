"""Counts the segments (parts) of a text, as carriers count and charge them.

Two rules are published, and they differ for a few texts. The formula divides the units by the size
of a segment and rounds up. The no-split rule (3GPP TS 23.040) also keeps each escape pair and
surrogate pair whole: a pair that would straddle two segments moves to the second one. No provider
promises which of them a bill follows, so both are counted here and the larger one is used.
"""

import re
from functools import lru_cache
from typing import Literal

import msgspec

from .characters import unfit
from .errors import InvalidMessage

MAX_PARTS = 10
"""Telnyx: at most 10 parts (segments) a message."""

MAX_SMS_TEXT = MAX_PARTS * 153
"""Characters that can be in a message at all; a longer text need not be counted."""

# 3GPP TS 23.038, section 6.2.1: the default alphabet (without ESC, which is not a character) and
# its extension table. It has no backtick, tab or curly quotes; Ç is in it, ç is not.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"

_only_basic = re.compile(f"[{re.escape(_BASIC)}]*").fullmatch
_NOT_GSM7 = re.compile(f"[^{re.escape(_BASIC + _EXTENSION)}]")
_not_gsm7, _every_not_gsm7 = _NOT_GSM7.search, _NOT_GSM7.findall

# The characters that take two units, in each encoding.
_ESCAPED = re.compile(f"[{re.escape(_EXTENSION)}]")
_SURROGATES = re.compile("[\U00010000-\U0010ffff]")

lone_surrogate = re.compile("[\ud800-\udfff]").search
"""Find half a character in a text, which can't be sent; two halves in a pair are one character."""

# Stands for the first unit of a pair. It is a pair itself, so the units never hold it otherwise.
_OPENS = "\U0010ffff"


class Segments(msgspec.Struct, frozen=True, gc=False):
    """How a text is encoded, and how long it is.

    ``units`` are septets in GSM-7 and UTF-16 code units in UCS-2. ``parts`` is the larger count of
    the two rules, to be checked and charged; ``parts_min`` is the smaller one.
    """

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    parts: int
    parts_min: int


def count(text: str, encoding: Literal["auto", "gsm7", "ucs2"] = "auto") -> Segments:
    """Count the segments of ``text``: in GSM-7 if every character allows it, else in UCS-2.

    ``encoding`` forces one of the two. An empty text has 0 units and 1 part, the least that a
    message takes. A lone surrogate counts as one unit; ``rules.validated`` refuses it. The
    provider may replace characters by cheaper ones (smart encoding), and then counts fewer.

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


def sms_segments(text: str) -> Segments | None:
    """Return ``count(text)``, or None if ``text`` can't be sent as an SMS.

    It can't if it is too long, shows nothing, or holds a control or half a character.
    """
    if len(text) > MAX_SMS_TEXT or not text or text.isspace():
        return None
    if _only_basic(text):
        found = _even(len(text))
    elif lone_surrogate(text) or unfit(text):
        return None
    else:
        found = count(text)
    return found if found.parts <= MAX_PARTS else None


def sms_parts(text: str) -> int:
    """Return ``sms_segments(text).parts``, or 0 if ``text`` can't be sent as an SMS."""
    found = sms_segments(text)
    return found.parts if found else 0


def strangers(text: str) -> str:
    """Return the characters of ``text`` that GSM-7 lacks, each once, in order."""
    return "".join(dict.fromkeys(_every_not_gsm7(text)))


@lru_cache(2_000)
def _even(units: int) -> Segments:
    """Count GSM-7 text without pairs, for which both rules agree: nearly every message."""
    taken = _basic_parts(units)
    return Segments("GSM-7", units, taken, taken)


def _basic_parts(units: int) -> int:
    return 1 if units <= 160 else -(-units // 153)


def _counted(
    encoding: Literal["GSM-7", "UCS-2"], text: str, paired: re.Pattern[str], alone: int, room: int
) -> Segments:
    """Count by both rules; a segment holds ``alone`` units by itself, ``room`` among several."""
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
    char, position = stranger[0], stranger.start()
    reason = f"{char!a} (U+{ord(char):04X}) at position {position} is not in the GSM-7 alphabet"
    return InvalidMessage("text", text, f"{reason}; replace it, or choose another encoding")
