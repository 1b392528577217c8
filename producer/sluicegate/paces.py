"""How long a campaign takes by the limits in force, and which level decides that."""

import math
from collections.abc import Iterator, Mapping

import msgspec

from .levels import interval_of
from .stored import BrandLimits, NumberLimits, RegistrationLimits, SenderLimits, sender_name

_DAY_SECONDS = 86_400


class Pace(msgspec.Struct, frozen=True):
    """How many seconds sending takes while nothing else is waiting, and which level limits it.

    ``level`` is ``account`` (its requests), ``account:sms`` or ``account:mms`` (its segments),
    ``sender:<name>``, ``registration:<name>``, ``brand:<name>`` or ``campaign``.
    """

    seconds: float
    level: str


def ceiling(limits: Mapping[str, str]) -> float:
    """The requests per second that published limits never exceed; 0 where there is no such."""
    return float(limits.get("ceiling", 0))


def requests_per_second(limits: Mapping[str, str]) -> float:
    """How many requests per second published limits allow, as far as is known without headers."""
    allowed = 1000 * int(limits["limit"]) / float(limits["window_ms"])
    return min(allowed, ceiling(limits) or allowed)


def pace(
    limits: Mapping[str, str],
    sender: str | None,
    messaging_profile_id: str | None,
    kind: str,
    messages: int,
    segments: int,
    us_segments: int,
    per_second: float = 0.0,
) -> Pace:
    """Estimate how long ``messages`` of ``kind`` (SMS or MMS) take, and which level limits them.

    ``limits`` are as ``published``: those in force in Redis, or an account's. ``us_segments`` of
    the ``segments`` go to +1 numbers. ``per_second`` is the campaign's own rate in segments a
    second, 0 for none. Nothing of a brand's day is assumed to be used yet.
    """
    slowest = Pace(messages / requests_per_second(limits), "account")
    name = sender_name(sender, messaging_profile_id)
    registration = SenderLimits.parse(limits.get(f"sender:{name}", "||")).registration
    for level, interval_ms in _intervals(limits, name, registration, kind, per_second):
        seconds = segments * interval_ms / 1000
        if seconds > slowest.seconds:
            slowest = Pace(seconds, level)
    capped = _capped(limits, registration, us_segments, slowest.seconds)
    return capped if capped and capped.seconds > slowest.seconds else slowest


def _intervals(
    limits: Mapping[str, str], name: str, registration: str, kind: str, per_second: float
) -> Iterator[tuple[str, float]]:
    """Yield the levels that limit segments of ``kind``, widest first, with their intervals."""
    mms = int(kind == "MMS")
    yield f"account:{kind.lower()}", float(limits.get(kind.lower()) or 0)
    text = limits.get(f"number:{name}")
    each = NumberLimits.parse(text) if text else None
    if stored := limits.get(f"registration:{registration}"):
        share = float(limits.get(f"att_share:{registration}", 1))
        carried = each or RegistrationLimits.parse(stored)
        yield f"registration:{registration}", (carried.sms_ms, carried.mms_ms)[mms] * share
    if stored := limits.get(f"sender:{name}"):
        yield f"sender:{name}", each.own_ms if each else SenderLimits.parse(stored)[:2][mms]
    yield "campaign", interval_of(per_second)


def _capped(
    limits: Mapping[str, str], registration: str, us_segments: int, seconds: float
) -> Pace | None:
    """Stretch ``seconds`` to a brand's daily cap: whole days, then the rest of the segments.

    None if no brand limits the sender, or one day is enough.
    """
    name = RegistrationLimits.parse(limits.get(f"registration:{registration}", "||")).brand
    stored = limits.get(f"brand:{name}")
    if stored is None:
        return None
    brand = BrandLimits.parse(stored)
    days_needed = round(us_segments * brand.share / brand.cap, 9)
    days = math.ceil(days_needed) - 1
    if days < 1:
        return None
    rest = (days_needed - days) / days_needed
    return Pace(days * _DAY_SECONDS + rest * seconds, f"brand:{name}")
