"""Rate levels: which senders are allowed, and how fast each level lets them send.

A level's rate counts segments. It is stored as an interval: the milliseconds from one segment to
the next, 0 for no such rate.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from functools import cache
from hashlib import blake2b
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from .config import Account, App, Registration, Sender
from .errors import InvalidMessage
from .masking import masked
from .numbering import region_of
from .stored import (
    UNITS,
    BrandLimits,
    CarrierMemory,
    MoneyTerms,
    NumberLimits,
    RegistrationLimits,
    SenderLimits,
    WantedEvents,
    interval_text,
    limit_text,
    sender_name,
)
from .withheld import recipient_fields

_DAY_SECONDS = 86_400
_COST_DAYS = 400  # as costs.lua has it
_ASIDE = {"bulk": "b", "all": "tb", "none": ""}
_LEAST_SHARDS = 4096
_FULL_SHARD = 400  # numbers in one small hash; beyond 512 Redis takes eight times the memory
_ZONE, _ZONE_FROM, _ZONE_TO = "America/Los_Angeles", 2025, 2045  # T-Mobile's midnight


class Pace(msgspec.Struct, frozen=True):
    """How many seconds sending takes while nothing else is waiting, and which level limits it.

    ``level`` is ``account`` (its requests), ``account:sms`` or ``account:mms`` (its segments),
    ``sender:<name>``, ``registration:<name>``, ``brand:<name>`` or ``campaign``.
    """

    seconds: float
    level: str


class Intervals(NamedTuple):
    """A level's intervals for SMS and for MMS."""

    sms_ms: float = 0.0
    mms_ms: float = 0.0


def sender_of(
    account: Account, sender: str | None, messaging_profile_id: str | None
) -> tuple[str, Sender] | None:
    """Return the declared sender of a message: its name in lanes, and its settings.

    None if the account does not declare it.
    """
    pool = sender is None
    key = messaging_profile_id if sender is None else sender
    declared = account.senders.get(key or "")
    if declared is None or (declared.kind == "pool") != pool:
        return None
    return _name(str(key), declared), declared


def check_sender(
    account: Account, sender: str | None, messaging_profile_id: str | None, id: str = ""
) -> None:
    """Check that a message's sender is declared, if the account declares any sender at all.

    ``id`` is the message's, for the error. Raises InvalidMessage.
    """
    if not account.senders or sender_of(account, sender, messaging_profile_id):
        return
    declared = ", ".join(sorted(_name(key, known) for key, known in account.senders.items()))
    field = "messaging_profile_id" if sender is None else "sender"
    value = messaging_profile_id if sender is None else sender
    raise InvalidMessage(field, value, f"not among the account's senders: {declared}", id)


def country_fault(account: Account, to: str) -> str:
    """Say why the account does not send to the number ``to``; ``""`` if it does.

    Where not all countries are allowed, a number of none is not either.
    """
    if not account.countries:
        return ""
    country = region_of(to) if to.startswith("+") else ""  # a short code is of none that we know
    if country in account.countries:
        return ""
    where = f"it is a number of {country}" if country else "its country is not known"
    return f"{where}; the account sends to {', '.join(account.countries)}"


def check_country(account: Account, to: str, id: str = "") -> None:
    """Check that the account sends to the number ``to``; raises InvalidMessage.

    ``id`` is the message's, for the error.
    """
    if fault := country_fault(account, to):
        raise InvalidMessage("to", masked(to), fault, id)


def money_caps(account: Account, apps: Mapping[str, App]) -> dict[str, str]:
    """Return the fields of the limits about money; none where neither account nor app has a cap.

    ======================  ==================================================================
    money                   ``currency|sms|mms|share``: billionths for a part, and of a cap the
                            share from which it is told
    money:account           the account's cap a day, in billionths
    money:app:<app>         an app's
    ======================  ==================================================================
    """
    caps = {f"app:{name}": app.daily_money for name, app in apps.items()}
    caps["account"] = account.daily_money
    known = {f"money:{level}": str(billionths(cap)) for level, cap in caps.items() if cap}
    if not known:
        return {}
    prices = (account.price_per_segment, account.price_per_mms)
    sms, mms = map(billionths, prices)
    terms = MoneyTerms(account.currency, sms, mms, account.money_warning)
    return {"money": terms.format()} | known


def billionths(amount: float) -> int:
    """An amount of a currency in whole billionths, as costs are counted."""
    return int((Decimal(str(amount)) * UNITS).to_integral_value(ROUND_UP))


def published(account: Account, apps: Mapping[str, App] = {}) -> dict[str, str]:
    """Return the fields of the account's Redis hash of limits.

    ======================  ==================================================================
    limit, window_ms        requests per window, and its length
    ceiling                 requests per second, whatever the provider allows; only if there is one
    concurrency             POSTs under way on all hosts
    sms, mms                the account's intervals
    sender:<name>           ``sms_ms|mms_ms|registration``, the name as in lanes
    number:<name>           ``sms_ms|mms_ms|own_ms``: what its registration's class allows it by
                            itself, and its own rate; else both are in sender:<name>
    registration:<name>     ``sms_ms|mms_ms|brand``
    att_share:<name>        how much a segment to a number of an unknown carrier counts at it, if
                            that is not 1
    brand:<name>            ``cap|share``: segments a day, and the same of the brand
    carriers                ``most|days|shards`` of the numbers whose carriers are remembered
    aside                   the priorities, t and b, in which others go before what is refused
    recipient, prefix       what one recipient, and similar numbers, get: ``recipient_fields``
    zone                    ``from_ms offset_ms;...``: UTC offsets of the brands' time zone
    cost_days               for how many days sums of costs are kept; only if not for 400
    approval                who may approve campaigns, by lines, or ``*``; only if they need it
    money, money:<level>    see ``money_caps``; ``apps`` are those of the account
    events                  ``kept|app|app``: how many events are kept, and which apps want
                            them, with ``*`` where one of them wants all; only if an app does
    ======================  ==================================================================

    A part is empty where there is no such rate, level or brand.
    """
    sms, mms = _account(account)
    fields = {
        "limit": str(account.limit),
        "window_ms": limit_text(account.window_seconds * 1000),
        "concurrency": str(account.concurrency),
        "sms": interval_text(sms),
        "mms": interval_text(mms),
    }
    for key, sender in account.senders.items():
        name, own = _name(key, sender), _interval_ms(sender.own_per_second)
        sms, mms = each = _of_each_number(account, sender) or Intervals()
        slower = SenderLimits(max(own, sms), max(own, mms), sender.registration)
        fields[f"sender:{name}"] = slower.format()
        if any(each):  # version 0.1 reads the slower of both, whoever's the number is
            fields[f"number:{name}"] = NumberLimits(sms, mms, own).format()
    for name, registration in account.registrations.items():
        sms, mms = Intervals() if registration.per_number else _carried(registration)
        fields[f"registration:{name}"] = RegistrationLimits(sms, mms, registration.brand).format()
        if registration.att_share != 1:
            fields[f"att_share:{name}"] = limit_text(registration.att_share)
    for name, brand in account.brands.items():
        fields[f"brand:{name}"] = BrandLimits(brand.tmobile_daily, brand.tmobile_share).format()
    if account.max_requests_per_second:
        fields["ceiling"] = limit_text(account.max_requests_per_second)
    if account.registrations:
        fields["aside"] = _ASIDE[account.uncapped_first]
        if account.carrier_numbers:
            fields["carriers"] = carriers_text(account.carrier_numbers, account.carrier_days)
    if account.cost_days != _COST_DAYS:
        fields["cost_days"] = str(account.cost_days)
    fields |= recipient_fields(account) | money_caps(account, apps) | _approval(account)
    fields |= _events(account, apps)
    return fields | {"zone": _offsets() if account.brands else ""}


def _approval(account: Account) -> dict[str, str]:
    who = "\n".join(account.approvers) or "*"
    return {"approval": who} if account.approve_campaigns else {}


def _events(account: Account, apps: Mapping[str, App]) -> dict[str, str]:
    """Whose events are written: all, as soon as one app wants all."""
    wanting = {name: app.events for name, app in apps.items() if app.events}
    if not wanting:
        return {}
    wanted = WantedEvents(account.events_kept, sorted(wanting), "all" in wanting.values())
    return {"events": wanted.format()}


def carriers_text(most: int, days: int) -> str:
    """The field ``carriers`` of the limits: over how many hashes so many numbers are spread."""
    shards = _LEAST_SHARDS
    while most > shards * _FULL_SHARD:
        shards *= 2
    return CarrierMemory(most, days, shards).format()


def digest(fields: dict[str, str]) -> str:
    """Hash what ``published`` returns, as 16 hexadecimal digits: the same on every host."""
    text = json.dumps(sorted(fields.items()))
    return blake2b(text.encode(), digest_size=8).hexdigest()


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
    yield "campaign", _interval_ms(per_second)


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


def _account(account: Account) -> Intervals:
    return Intervals(_interval_ms(account.sms_per_second), _interval_ms(account.mms_per_second))


def _of_each_number(account: Account, sender: Sender) -> Intervals | None:
    """Its registration's rates, where each number has them to itself."""
    registration = account.registrations.get(sender.registration)
    if registration is None or not registration.per_number:
        return None
    sms, mms = _carried(registration)
    numbers = sender.numbers or 1
    return Intervals(sms / numbers, mms / numbers)


def _carried(registration: Registration) -> Intervals:
    """The intervals of AT&T's rates."""
    sms, mms = registration.per_minute
    return Intervals(_interval_ms(sms / 60), _interval_ms(mms / 60))


def _interval_ms(per_second: float) -> float:
    return 1000 / per_second if per_second else 0.0


def _name(key: str, sender: Sender) -> str:
    return sender_name(None, key) if sender.kind == "pool" else key


@cache
def _offsets() -> str:
    """Write the zone's UTC offsets, each after the time from which it applies; milliseconds."""
    zone, hour = ZoneInfo(_ZONE), timedelta(hours=1)
    moment, end = datetime(_ZONE_FROM, 1, 1, tzinfo=UTC), datetime(_ZONE_TO, 1, 1, tzinfo=UTC)
    offsets = [(moment, _offset(zone, moment))]
    while (next_day := moment + timedelta(days=1)) <= end:
        if _offset(zone, next_day) != offsets[-1][1]:
            while _offset(zone, moment) == offsets[-1][1]:
                moment += hour
            offsets.append((moment, _offset(zone, moment)))
        moment = next_day
    return ";".join(f"{start.timestamp() * 1000:.0f} {offset}" for start, offset in offsets)


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(milliseconds=1)
