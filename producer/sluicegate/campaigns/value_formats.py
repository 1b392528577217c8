"""How texts write dates, numbers and amounts of money, in a few languages.

Everything here is fixed: nothing depends on a locale, a library's data or the time. A change to
any output needs a new renderer, see ``template.RENDERERS``. Spaces are plain ones, and every sign
is in GSM-7 where the language's own words are.
"""

import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from .language_words import WORDS

_EXACT = Context(prec=60)  # explicit: a thread's own context must not change a text


_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_WITHOUT_DECIMALS = re.compile(
    "BIF|CLP|DJF|GNF|ISK|JPY|KMF|KRW|PYG|RWF|UGX|UYI|VND|VUV|XAF|XOF|XPF"
)
_THREE_DECIMALS = re.compile("BHD|IQD|JOD|KWD|LYD|OMR|TND")

_TOKEN = re.compile(r"\[([^\[\]]*)\]|YYYY|YY|MMMM|MMM|MM|M|DD|D|dddd|ddd|HH|H|hh|h|mm|A")
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_READ = {
    "YYYY": r"(?P<year>\d{4})",
    **dict.fromkeys(("MM", "M"), r"(?P<month>\d\d?)"),
    **dict.fromkeys(("DD", "D"), r"(?P<day>\d\d?)"),
    **dict.fromkeys(("HH", "H"), r"(?P<hour>\d\d?)"),
    "mm": r"(?P<minute>\d\d)",
}


def is_date_format(format: object) -> bool:
    """Whether ``format`` is made of the tokens of dates, with other letters in brackets."""
    if not isinstance(format, str):
        return False
    rest = _TOKEN.sub("", format)
    return rest != format and not re.search(r"[^\W\d_]|[\[\]]", rest)


def is_reading_format(format: object) -> bool:
    """Whether values can be read by ``format``: with year, month and day, each once, in digits."""
    if not isinstance(format, str) or not is_date_format(format):
        return False
    tokens = [token[0] for token in _TOKEN.finditer(format)]
    names = [_READ[token] for token in tokens if token in _READ]
    needed = {_READ["YYYY"], _READ["MM"], _READ["DD"]}
    return len(names) == len(tokens) == len(set(names)) and needed <= set(names)


def written_date(text: str, format: str, language: str = "en", read: str = "") -> str:
    """A date, as ISO 8601 or ``read`` has it, in the tokens of ``format``.

    Raises ValueError, which says what is wrong with it.
    """
    moment, has_time = _moment(text, read)
    if not has_time and re.search("H|h|mm|A", re.sub(r"\[[^\]]*\]", "", format)):
        raise ValueError("has no time of day")
    words = WORDS[language]

    def written(token: re.Match[str]) -> str:
        return {
            "YYYY": f"{moment.year:04}",
            "YY": f"{moment.year % 100:02}",
            "MMMM": words.months[moment.month - 1],
            "MMM": words.short_months[moment.month - 1],
            "MM": f"{moment.month:02}",
            "M": f"{moment.month}",
            "DD": f"{moment.day:02}",
            "D": f"{moment.day}",
            "dddd": words.days[moment.weekday()],
            "ddd": words.short_days[moment.weekday()],
            "HH": f"{moment.hour:02}",
            "H": f"{moment.hour}",
            "hh": f"{(moment.hour + 11) % 12 + 1:02}",
            "h": f"{(moment.hour + 11) % 12 + 1}",
            "mm": f"{moment.minute:02}",
            "A": "AM" if moment.hour < 12 else "PM",
        }.get(token[0], token[1] or "")

    return _TOKEN.sub(written, format)


def written_number(value: Decimal, decimals: int | None = None, language: str = "en") -> str:
    """A number with its thousands apart; ``decimals`` of None keeps those that it has."""
    words = WORDS[language]
    if decimals is not None:
        value = value.quantize(Decimal((0, (1,), -decimals)), ROUND_HALF_UP, _EXACT)
    text = f"{abs(value):,f}" if value else f"{_EXACT.abs(value):,f}"
    whole, point, rest = text.partition(".")
    minus = "-" if value < 0 else ""
    return f"{minus}{whole.replace(',', words.group)}{point and words.point}{rest}"


def written_money(value: Decimal, currency: str, language: str = "en") -> str:
    """An amount with the decimals of its ``currency``, an ISO 4217 code, and its sign or code."""
    decimals = 3 if _THREE_DECIMALS.fullmatch(currency) else 2
    if _WITHOUT_DECIMALS.fullmatch(currency):
        decimals = 0
    text = written_number(value, decimals, language)
    symbol = _SYMBOLS.get(currency, currency)
    if not WORDS[language].symbol_first:
        return f"{text} {symbol}"
    space = " " if symbol == currency or language == "nl" else ""
    minus, amount = ("-", text[1:]) if text.startswith("-") else ("", text)
    return f"{minus}{symbol}{space}{amount}"


def _moment(text: str, read: str) -> tuple[datetime, bool]:
    """A date as the value has it, by its own clock, and whether it has a time of day."""
    if not read:
        found = _ISO.fullmatch(text)
        if not found:
            raise ValueError("is no date as 2026-03-04")
        year, month, day, hour, minute = (int(part or 0) for part in found.groups())
        has_time = found[4] is not None
    else:
        reading = _reader(read).fullmatch(text)
        if not reading:
            raise ValueError(f"is no date as {read}")
        parts = reading.groupdict("0")
        year, month, day = int(parts["year"]), int(parts["month"]), int(parts["day"])
        hour, minute = int(parts.get("hour", 0)), int(parts.get("minute", 0))
        has_time = "hour" in parts
    try:
        return datetime(year, month, day, hour, minute), has_time  # noqa: DTZ001 - as it is written
    except ValueError:
        raise ValueError("is a date that does not exist") from None


@lru_cache(64)
def _reader(read: str) -> re.Pattern[str]:
    parts, at = [], 0
    for token in _TOKEN.finditer(read):
        parts += [re.escape(read[at : token.start()]), _READ[token[0]]]
        at = token.end()
    return re.compile("".join(parts) + re.escape(read[at:]), re.ASCII)
