"""Words for what is shown: times, lengths, counts, and phone numbers that stay hidden."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from sluicegate.masking import masked

_NUMBER = re.compile(r"\+[0-9]{7,15}|\b[0-9]{10,15}\b")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def hidden(text: str, full: bool = False) -> str:
    """``text`` with every phone number in it masked, unless ``full``."""
    return text if full else _NUMBER.sub(lambda number: masked(number[0]), text)


def clean(text: str) -> str:
    """``text`` on one line, without control characters: answers come from outside."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def when(wall_ms: float) -> str:
    """A wall time for people, in UTC."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def local(wall_ms: float, now_ms: float) -> str:
    """A wall time in the reader's time zone, with its date unless that is today's."""
    time, now = (datetime.fromtimestamp(ms / 1000).astimezone() for ms in (wall_ms, now_ms))
    return time.strftime("%H:%M:%S %Z" if time.date() == now.date() else "%Y-%m-%d %H:%M %Z")


def lasting(seconds: float) -> str:
    """A length of time for people: ``42 s``, ``3 min``, ``2 h 5 min``, ``4 d 1 h``."""
    rest = max(0, round(seconds))
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    if not parts:
        return f"{rest} s" if rest else "less than 1 s"
    return " ".join(parts[:2])


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 message``, ``1,200 messages``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(values: Sequence[str], most: int = 5) -> str:
    """The first values, and how many more there are."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


_CENT = Decimal("0.01")


def cost(amount: float | Decimal, currency: str) -> str:
    """An amount of money, for people: below a cent with at least four digits behind the point."""
    exact = Decimal(str(amount))
    if exact >= 1 or not exact:
        return f"{exact:,.2f} {currency}"
    digits = f"{exact:.6f}".rstrip("0").partition(".")[2]
    return f"0.{digits.ljust(2 if exact >= _CENT else 4, '0')} {currency}"
