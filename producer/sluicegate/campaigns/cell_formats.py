"""How a cell's value reads: numbers as a spreadsheet shows them, times as ISO 8601 writes them.

A spreadsheet keeps 07911 123456 as the number 7911123456 and a format of zeros. So a number gets
the digits that its format shows, as when the sheet is saved as CSV; but never an exponent, which
would cost a phone number its last digits.
"""

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import NamedTuple

GENERAL = "General"
_SIGNIFICANT = 11  # characters of a number with decimals, as a spreadsheet shows them
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)(-?\d+(?:\.\d+)?)\]")
_CURRENCY = re.compile(r"\[\$([^\]-]*)[^\]]*\]")  # [$€-407]
_BRACKETS = re.compile(r"\[[^\]]*\]")  # colours and locales
_LITERAL = re.compile(r'"([^"]*)"|\\(.)|_.|\*.')
_PLAIN = re.compile(r"[0#?.,%\s\-+()/:$€£¥&~{}'!^=<>\0]*")
_CLOCK = re.compile("[hs]", re.IGNORECASE)  # an m may be a month
_SCALED = re.compile(r",(?![0#?])")
_EXACT = Context(prec=400)  # a float has at most 309 digits


class _Section(NamedTuple):
    """One section of a format: a digit's places are ``0``, ``#`` or ``?``, all else is text."""

    pattern: str
    literals: tuple[str, ...]


def text_of(value: object, format: str = GENERAL) -> str:
    """A cell's value as text; ``format`` is its number format."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float | Decimal):
        return _number(value, format)
    if isinstance(value, datetime):
        if value.time() == time() and not _CLOCK.search(_BRACKETS.sub("", format)):
            return value.date().isoformat()
        return value.replace(microsecond=0).isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)


def _number(value: int | float | Decimal, format: str) -> str:
    exact = Decimal(str(value))
    if not exact.is_finite():
        return str(value)
    section = None if format == GENERAL else _section_for(format, exact)
    return _general(exact) if section is None else _shown(exact, section)


def _general(value: Decimal) -> str:
    """A number without a format: all of its digits before the point, and as many as fit behind."""
    whole = value.to_integral_value()
    if value == whole:
        return f"{int(whole)}"
    decimals = max(0, _SIGNIFICANT - 1 - len(str(abs(int(whole)))))
    rounded = _rounded(value, decimals) or value
    return f"{rounded:f}".rstrip("0").rstrip(".") if decimals else f"{int(rounded)}"


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal((0, (1,), -decimals)), ROUND_HALF_UP, _EXACT)


def _section_for(format: str, value: Decimal) -> tuple[_Section, Decimal] | None:
    """The section of a format that is for this value, and what it shows; None for another kind."""
    sections = _sections(format)
    if sections is None:
        return None
    for condition, bound, section in sections:
        if condition and _holds(value, condition, bound):
            return section, value
    unconditional = [section for condition, _, section in sections if not condition]
    if len(unconditional) < len(sections):
        return (unconditional[0], value) if unconditional else None
    if value < 0 and len(sections) > 1:
        return unconditional[1], -value  # this section writes the minus sign itself
    if value == 0 and len(sections) > 2:
        return unconditional[2], value
    return unconditional[0], value


def _holds(value: Decimal, condition: str, bound: Decimal) -> bool:
    return {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "=": value == bound,
        "<>": value != bound,
    }[condition]


@lru_cache(1_000)
def _sections(format: str) -> tuple[tuple[str, Decimal, _Section], ...] | None:
    """The sections of a format, each with its condition; None if it is not made of digits."""
    found = []
    for text in _split(format)[:3]:
        condition = _CONDITION.search(text)
        literals: list[str] = []

        def kept(literal: re.Match[str], into: list[str] = literals) -> str:
            into.append(literal[1] or literal[2] or "")
            return "\0"

        named = _CURRENCY.sub(r'"\1"', text)
        pattern = _LITERAL.sub(kept, _BRACKETS.sub("", named))
        if not _PLAIN.fullmatch(pattern) or not re.search("[0#?]", pattern):
            return None
        if _SCALED.search(pattern.partition(".")[0]):
            return None  # shown in thousands
        if re.search(r"[0#?]\s*/\s*[0#?]", pattern) and "-" not in pattern:
            return None  # a fraction
        bound = Decimal(condition[2]) if condition else Decimal(0)
        found.append(
            (condition[1] if condition else "", bound, _Section(pattern, tuple(literals)))
        )
    return tuple(found)


def _split(format: str) -> list[str]:
    """The sections of a format, which semicolons separate where they stand outside of quotes."""
    parts = re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', format)
    return [part for part in parts if part]


def _shown(value: Decimal, chosen: tuple[_Section, Decimal]) -> str:
    section, value = chosen
    pattern, literals = section
    value *= 100 ** pattern.count("%")
    whole_part, dot, behind = pattern.partition(".")
    decimals = len(re.findall("[0#?]", behind)) if dot else 0
    rounded = _rounded(value, decimals)
    digits, _, fraction = f"{abs(rounded):f}".partition(".")
    grouped = bool(re.search(r"[0#?],[0#?]", whole_part))
    text = _whole(digits if int(digits) else "", whole_part.replace(",", ""), grouped)
    if dot:
        text += _behind(fraction, behind)
    for literal in literals:
        text = text.replace("\0", literal, 1)
    return f"-{text}".strip() if rounded < 0 else text.strip()


def _whole(digits: str, pattern: str, grouped: bool) -> str:
    """Put digits into their places, from the last to the first; more than there are come first."""
    places = len(re.findall("[0#?]", pattern))
    out: list[str] = []
    written = 0
    rest = list(digits)

    def digit(place: str) -> None:
        nonlocal written
        if not rest and place != "0":
            return
        if grouped and written and written % 3 == 0:
            out.append(",")
        out.append(rest.pop() if rest else "0")
        written += 1

    for char in reversed(pattern):
        if char not in "0#?":
            out.append(char)
            continue
        digit(char)
        places -= 1
        while not places and rest:  # the first place takes whatever is left
            digit("#")
    return "".join(reversed(out))


def _behind(fraction: str, pattern: str) -> str:
    """The decimals: those in the places of a ``#`` are left out where they are trailing zeros."""
    least = len(re.findall("0", pattern))
    kept = fraction.rstrip("0").ljust(least, "0") if "#" in pattern or "?" in pattern else fraction
    rest = re.sub("[0#?]", "", pattern)
    return (f".{kept}" if kept else ".") + rest
