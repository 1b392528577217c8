"""The values and filters of a template: how a value is cleaned and what each filter does."""

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from ..characters import flaw, shows
from ..errors import BadValue
from .value_formats import written_date, written_money, written_number

MAX_VALUE = 10_000
"""The longest value, in characters, that a file may have or ``replace`` may produce."""


def cleaned(values: Mapping[str, str], name: str) -> str:
    """Return a value as it is used: ``""`` if it is missing or has no visible character.

    Raises BadValue if it is not text, or holds a character that no text may hold.
    """
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadValue(name, f"is not text ({type(value).__name__})")
    if len(value) > MAX_VALUE:
        raise BadValue(name, f"has {len(value):,} characters; at most {MAX_VALUE:,} are read")
    if value.isalnum() and value.isascii():  # one plain word, as most are
        return value
    value = " ".join(value.split())
    if not value.isprintable():
        if fault := flaw(value):
            raise BadValue(name, fault)
    elif value.isascii():
        return value
    return value if shows(value) else ""


def blank(values: Mapping[str, str], name: str) -> BadValue:
    """Return the error that says why the variable ``name`` came out empty."""
    if values.get(name) is None:
        return BadValue(name, "is missing")
    return BadValue(name, f"is empty{' after its filters' if cleaned(values, name) else ''}")


# Each filter takes the value, the name of its variable and the arguments.


class Emptied(Exception):
    """A ``{{ }}`` came out empty; ``variable`` is the name of its variable."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        super().__init__(variable)


def _filled(value: object, variable: str) -> str:
    """Come last in every ``{{ }}``, so that nothing empty is sent."""
    text = str(value)
    if not shows(text):
        raise Emptied(variable)
    return text


def _title(text: str, variable: str) -> str:
    return _titled(text)


@lru_cache(64)  # the only slow filter, and a text may use it on the same value 700 times
def _titled(text: str) -> str:
    return re.sub(r"[^-\s({\[<]+", lambda word: word[0][0].upper() + word[0][1:].lower(), text)


def _default(text: str, variable: str, fallback: str, boolean: bool = True) -> str:
    return text if shows(text) else fallback


def _replace(text: str, variable: str, old: str, new: str) -> str:
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_VALUE:
        raise BadValue(variable, f"grows past {MAX_VALUE:,} characters in |replace")
    return text.replace(old, new)


def _truncate(text: str, variable: str, length: int) -> str:
    if len(text) <= length:
        return text
    return text[: length - 3].rsplit(" ", 1)[0] + "..."


_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_EXACT = Context(prec=60)  # explicit: a thread's own context must not change a text


def _number(value: object, variable: str) -> Decimal:
    text = str(value)
    if not text:
        raise Emptied(variable)
    if not _NUMBER.fullmatch(text):
        raise BadValue(variable, "is not a number")
    return Decimal(text)


def _int(value: object, variable: str) -> int:
    return int(_number(value, variable))


def _round(value: object, variable: str, digits: int = 0) -> Decimal:
    places = Decimal((0, (1,), -digits))
    rounded = _number(value, variable).quantize(places, ROUND_HALF_UP, _EXACT)
    return _EXACT.abs(rounded) if rounded.is_zero() else rounded


def _date(text: str, variable: str, format: str, language: str = "en", read: str = "") -> str:
    if not text:
        raise Emptied(variable)
    try:
        return written_date(text, format, language, read)
    except ValueError as error:
        raise BadValue(variable, str(error)) from None


def _written_number(
    value: object, variable: str, decimals: int | None = None, language: str = "en"
) -> str:
    return written_number(_number(value, variable), decimals, language)


def _currency(value: object, variable: str, currency: str, language: str = "en") -> str:
    return written_money(_number(value, variable), currency, language)


FILLED = "(filled)"  # a name that no template can write

FILTERS: dict[str, Callable[..., object]] = {
    "upper": lambda text, variable: text.upper(),
    "lower": lambda text, variable: text.lower(),
    "title": _title,
    "capitalize": lambda text, variable: text.capitalize(),
    "trim": lambda text, variable: text.strip(),
    "default": _default,
    "replace": _replace,
    "truncate": _truncate,
    "int": _int,
    "round": _round,
    "date": _date,
    "number": _written_number,
    "currency": _currency,
    FILLED: _filled,
}
