"""What the provider's headers say about the rate: evidence for the token bucket.

The bucket itself is ``bucket.lua``: a paced token bucket in Redis, shared by all workers and
driven by what this module reads from each answer. Headers are parsed so that no value, however
odd, raises or widens the budget: what makes no sense is not said at all.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

MAX_LIMIT = 1_000_000
"""A limit above it is no limit but a mistake, such as a time in the wrong header."""

MAX_WAIT_SECONDS = 900.0
"""The longest a single ``retry-after`` is believed; after it, one request asks again."""

_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,6})?\Z")


class Evidence(msgspec.Struct, frozen=True):
    """One answer's word on the rate: -1 where it said nothing.

    ``limit`` and ``remaining`` are requests in the provider's window; ``wait_ms`` is how long a
    429 asked to wait.
    """

    limit: int = -1
    remaining: int = -1
    wait_ms: float = -1.0


NOTHING = Evidence()


def evidence(headers: Mapping[str, str]) -> Evidence:
    """Read the rate headers of an answer; ``headers`` has lower-case names."""
    return Evidence(
        limit=_count(headers.get("x-ratelimit-limit") or headers.get("ratelimit-limit"), least=1),
        remaining=_count(
            headers.get("x-ratelimit-remaining") or headers.get("ratelimit-remaining"), least=0
        ),
        wait_ms=retry_after_ms(headers),
    )


def retry_after_ms(headers: Mapping[str, str]) -> float:
    """How long an answer asks to wait, -1 where it doesn't say.

    In this order: ``retry-after-ms``, then ``retry-after`` in seconds or as an HTTP date, which is
    read against the answer's own ``date``.
    """
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None:
        return _capped(exact / 1000)
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is None and text:
        seconds = _until(text, headers.get("date", ""))
    return -1.0 if seconds is None else _capped(seconds)


def reset_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the window ends, as ``x-ratelimit-reset`` says; for display only.

    Telnyx's documents disagree on its unit: above 10^12 it is read as milliseconds since 1970,
    above 10^9 as seconds since 1970, below as seconds from now.
    """
    value = _number(headers.get("x-ratelimit-reset"))
    if value is None:
        return None
    if value > 1e12:
        value /= 1000
    if value > 1e9:
        value -= now.timestamp()
    return max(0.0, value)


def _count(text: str | None, least: int) -> int:
    """A count, also the first of a list such as ``100, 100;w=60``; -1 where it is none."""
    first = (text or "").split(",")[0].split(";")[0].strip()
    value = _number(first)
    if value is None or not least <= value <= MAX_LIMIT or value != int(value):
        return -1
    return int(value)


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if _NUMBER.match(text) else None


def _until(text: str, date: str) -> float | None:
    try:
        then = parsedate_to_datetime(text)
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return max(0.0, (_aware(then) - _aware(now)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _capped(seconds: float) -> float:
    return 1000 * min(seconds, MAX_WAIT_SECONDS) if math.isfinite(seconds) else -1.0
