"""What people are told of carriers: what is used of their levels, and whose a number is."""

from collections.abc import Iterator

from sluicegate.carriers import CARRIER_NAMES

from ...inspect import BrandUse, CarrierUse, RegistrationUse, WhoseNumber
from ..words import counted, lasting, local

_SHOWN = 10


def whose(number: WhoseNumber) -> str:
    """How a carrier's level knows the number of the message that asks for it next."""
    if number.days_ago is None:
        return f"not known: until an answer tells, {_counts(number.counts)}"
    told = f"{CARRIER_NAMES[number.carrier]}'s, {told_ago(number.days_ago)}"
    return told if number.counts else f"{told}: it does not count here"


def told_ago(days: int) -> str:
    """Since when a carrier is known."""
    return f"as an answer told {counted(days, 'day') + ' ago' if days else 'today'}"


def _counts(share: float) -> str:
    if share == 1:
        return "each of its segments counts here in full"
    return f"each of its segments counts here as {share:g} of one"


def carrier_rows(use: CarrierUse, now_ms: float) -> list[tuple[str, str]]:
    """What is used of brands' days and of registrations' rates, as names and values."""
    rows = list(_rows(use, now_ms))
    more = len(rows) - _SHOWN
    return rows[:_SHOWN] + [("carriers", f"and {more:,} more: status --json")] * (more > 0)


def _rows(use: CarrierUse, now_ms: float) -> Iterator[tuple[str, str]]:
    """The fullest first: a busy one is not hidden behind those of which nothing is used."""
    for brand in sorted(use.brands, key=lambda one: -one.used / one.limit):
        yield f"T-Mobile, {brand.name}", _brand(brand, now_ms)
    for rate in sorted(use.registrations, key=lambda one: -one.used_up / one.senders):
        yield f"AT&T, {rate.name}", _rate(rate, now_ms)


def _brand(brand: BrandUse, now_ms: float) -> str:
    used = f"{brand.used:,.0f} of {brand.limit:,} segments used today"
    return f"{used}, until {local(brand.midnight_ms, now_ms)}"


def _rate(rate: RegistrationUse, now_ms: float) -> str:
    each = " for each sender" if rate.senders > 1 else ""
    allowed = f"{rate.per_minute:,.4g} {rate.type} segments a minute{each}"
    if rate.opens_ms is None:
        return f"{allowed}, free"
    used_up = f"used up by {rate.used_up:,} of {rate.senders:,}" if each else "used up"
    return f"{allowed}, {used_up}, next in {lasting(max(0.0, rate.opens_ms - now_ms) / 1000)}"
