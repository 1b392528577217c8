"""The limits that an account's configuration puts in force: its rate levels, and others.

A level's rate counts segments. It is stored as an interval: the milliseconds from one segment to
the next, 0 for no such rate.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from functools import cache
from hashlib import blake2b
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .config import Account, App, Registration, Sender
from .declared import declared_name
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
)
from .withheld import recipient_fields

_DAY_SECONDS = 86_400
_COST_DAYS = 400  # as costs.lua has it
_ASIDE = {"bulk": "b", "all": "tb", "none": ""}
_LEAST_SHARDS = 4096
_FULL_SHARD = 400  # numbers in one small hash; beyond 512 Redis takes eight times the memory
_ZONE, _ZONE_FROM, _ZONE_TO = "America/Los_Angeles", 2025, 2045  # T-Mobile's midnight


class Intervals(NamedTuple):
    """A level's intervals for SMS and for MMS."""

    sms_ms: float = 0.0
    mms_ms: float = 0.0


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
        name, own = declared_name(key, sender), interval_of(sender.own_per_second)
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


def _account(account: Account) -> Intervals:
    return Intervals(interval_of(account.sms_per_second), interval_of(account.mms_per_second))


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
    return Intervals(interval_of(sms / 60), interval_of(mms / 60))


def interval_of(per_second: float) -> float:
    """Milliseconds from one segment to the next; 0 for no rate."""
    return 1000 / per_second if per_second else 0.0


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
