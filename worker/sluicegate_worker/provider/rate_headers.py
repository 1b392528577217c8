"""The rate headers of the provider's answers, parsed for the token bucket.

The bucket itself is ``bucket.lua``, in Redis; all workers share it, and report to it what this
module reads from each answer. No value, however odd, raises an exception or widens the budget: a
value that makes no sense counts as absent. No clock is read: a time in a header is compared with
the answer's own ``date``.

Three notations are read, the plainest first:

    x-ratelimit-limit: 100      x-ratelimit-limit: 100, 100;w=60   RateLimit-Policy: "a";q=100;w=60
    x-ratelimit-remaining: 50   x-ratelimit-remaining: 50          RateLimit: "a";r=50;t=30
    x-ratelimit-reset: 30       x-ratelimit-reset: 30
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

import msgspec

MAX_LIMIT = 1_000_000
"""A limit above this is taken for a mistake, such as a time in the wrong header."""

MAX_WAIT_SECONDS = 900.0
"""A longer ``retry-after`` is cut to this; then one request asks again."""

MIN_WINDOW_SECONDS, MAX_WINDOW_SECONDS = 0.5, 86_400.0
"""A window outside of these counts as absent; no more than the longer can be left of one."""

_MAX_TEXT, _MAX_DATE = 1000, 64
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,6})?\Z")
_MEMBER = re.compile(r'(?:[^,"]|"[^"]*")+')
_PART = re.compile(r'(?:[^;"]|"[^"]*")+')


class RateHeaders(msgspec.Struct, frozen=True):
    """What one answer said about the rate; -1 for whatever it did not say.

    ``limit`` and ``remaining`` are requests in the provider's window; ``wait_ms`` is how long a
    429 asked to wait. ``window_ms`` is the window that ``limit`` holds for: the two belong
    together. ``reset_ms`` is how long until the window ends, for display only.
    """

    limit: int = -1
    remaining: int = -1
    wait_ms: float = -1.0
    window_ms: float = -1.0
    reset_ms: float = -1.0


NO_RATE_HEADERS = RateHeaders()
"""An answer that says nothing of the rate, or no answer at all."""


class _Item(msgspec.Struct, frozen=True):
    """A member of a list: a quota, a policy or what is left of one; -1 for absent values."""

    name: str
    quota: int
    window_seconds: float
    remaining: int
    reset_seconds: float


def parse_rate_headers(headers: Mapping[str, str]) -> RateHeaders:
    """Parse the rate headers of an answer; ``headers`` has lower-case names."""
    get = headers.get
    limits = get("x-ratelimit-limit") or get("ratelimit-limit") or ""
    remaining = get("x-ratelimit-remaining") or get("ratelimit-remaining") or ""
    limit = _parse_count(limits, 1)
    plain = RateHeaders(
        limit,
        _parse_count(remaining, 0),
        parse_retry_after_ms(headers),
        -1.0,
        _parse_reset_ms(headers),
    )
    policies, states = get("ratelimit-policy", ""), get("ratelimit", "")
    if policies or states or ";" in limits:
        return _with_lists(plain, limits, policies, _parse_list(states))
    return plain


def parse_retry_after_ms(headers: Mapping[str, str]) -> float:
    """How long an answer asks to wait, in milliseconds; -1 if it doesn't say.

    ``retry-after-ms`` goes before ``retry-after``, which is in seconds or an HTTP date. A date is
    compared with the answer's own ``date``. Of several numbers the largest counts.
    """
    text = headers.get("retry-after-ms")
    if text and (exact := _parse_longest(text)) >= 0:
        return min(exact, 1000 * MAX_WAIT_SECONDS)
    text = headers.get("retry-after")
    if not text:
        return -1.0
    seconds = _parse_longest(text)
    if seconds < 0:
        then, now = parse_http_date(text), parse_http_date(headers.get("date", ""))
        if then is None or now is None:
            return -1.0
        seconds = max(0.0, then - now)
    return 1000 * min(seconds, MAX_WAIT_SECONDS)


def _parse_reset_ms(headers: Mapping[str, str]) -> float:
    """How long until the window ends, -1 if no plain header says so.

    Telnyx's documents disagree on its unit: above 10^12 it is read as milliseconds since 1970,
    above 10^9 as seconds since 1970, below as seconds from now.
    """
    text = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset")
    if not text:
        return -1.0
    value = _parse_first(text)
    if value > 1e9:
        now = parse_http_date(headers.get("date", ""))
        if now is None:
            return -1.0
        value = max(0.0, (value / 1000 if value > 1e12 else value) - now)
    return _bounded_ms(value)


def _with_lists(
    plain: RateHeaders, limits: str, policies: str, states: tuple[_Item, ...]
) -> RateHeaders:
    """``plain``, and for what it lacks, what the lists say about the limit in force.

    If no plain header has the limit, it is the first quota of the limit's own header; without that
    header, it is the policy that ``RateLimit`` names first, or the only policy.
    """
    own, others = _parse_list(limits), _parse_list(policies)
    listed = [item for item in (*own, *others) if item.quota > 0]
    limit = plain.limit
    if limit < 0 and limits:
        limit = own[0].quota if own else -1
    elif limit < 0:
        named = {item.quota for item in listed if not states or item.name == states[0].name}
        limit = named.pop() if len(named) == 1 else -1
    ours = [item for item in listed if item.quota == limit]
    # If no policy has a name, the first state is that of the limit in force.
    known, names = ({item.name for item in items if item.name} for items in (listed, ours))
    state = next((state for state in states if not known or state.name in names), None)
    remaining, reset_ms = plain.remaining, plain.reset_ms
    if state and remaining < 0:
        remaining = state.remaining
    if state and reset_ms < 0:
        reset_ms = _bounded_ms(state.reset_seconds)
    # If a quota has several windows, all of them hold, and the longest is the tightest.
    window_seconds = max((item.window_seconds for item in ours), default=-1.0)
    window_ms = 1000 * window_seconds if window_seconds > 0 else -1.0
    return RateHeaders(limit, remaining, plain.wait_ms, window_ms, reset_ms)


@lru_cache(maxsize=64)
def _parse_list(text: str) -> tuple[_Item, ...]:
    """The members of a list such as ``100, 100;w=60`` or ``"default";q=100;w=60``.

    A quota that doesn't count requests, or lasts longer than a day, counts as absent: it says
    nothing about the rate.
    """
    return tuple(map(_parse_item, _MEMBER.findall(text))) if len(text) <= _MAX_TEXT else ()


def _parse_item(member: str) -> _Item:
    head, *rest = (part.strip(" \t") for part in _PART.findall(member) or [""])
    pairs = {name: value for name, _, value in (part.partition("=") for part in rest)}
    window_seconds = _parse_number(pairs.get("w", ""))
    usable = pairs.get("qu", '"requests"') == '"requests"' and window_seconds <= MAX_WINDOW_SECONDS
    return _Item(
        name=head.strip('"') if _parse_number(head) < 0 else "",
        quota=_parse_count(pairs.get("q", head), 1) if usable else -1,
        window_seconds=window_seconds if window_seconds >= MIN_WINDOW_SECONDS else -1.0,
        remaining=_parse_count(pairs.get("r", ""), 0),
        reset_seconds=_parse_number(pairs.get("t", "")),
    )


def _parse_count(text: str, least: int) -> int:
    """A count, or the first of a list such as ``100, 100;w=60``; -1 if it is none."""
    value = _parse_first(text)
    return int(value) if least <= value <= MAX_LIMIT and value.is_integer() else -1


def _parse_first(text: str) -> float:
    """The decimal that a list begins with; -1 if it begins with something else."""
    if len(text) < 8 and text.isascii() and text.isdigit():  # nearly always, on every message
        return float(text)
    return _parse_number(text.partition(",")[0].partition(";")[0])


def _parse_number(text: str) -> float:
    """A plain decimal; -1 if it is none."""
    text = text.strip(" \t")
    return float(text) if _NUMBER.match(text) else -1.0


def _parse_longest(text: str) -> float:
    """The largest number in a list; -1 if a member is no number."""
    numbers = (
        [_parse_number(part) for part in text.split(",")] if len(text) <= _MAX_TEXT else [-1.0]
    )
    return max(numbers) if min(numbers) >= 0 else -1.0


def _bounded_ms(seconds: float) -> float:
    return 1000 * min(seconds, MAX_WINDOW_SECONDS) if seconds >= 0 else -1.0


@lru_cache(maxsize=16)
def parse_http_date(date: str) -> float | None:
    """An HTTP date as Unix seconds, None if it is none.

    Results are cached, since an answer's ``date`` changes only once a second.
    """
    if len(date) > _MAX_DATE:
        return None
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
