"""What is used of carriers' levels: brands' days at T-Mobile, and registrations' rates at AT&T."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from sluicegate.stored import BrandLimits, NumberLimits, RegistrationLimits, SenderLimits

from .look import Look

_Type = Literal["SMS", "MMS"]


class BrandUse(msgspec.Struct, frozen=True):
    """Of a brand's ``limit`` of segments a day, ``used`` were sent or are reserved.

    ``midnight_ms`` (wall) is when the carrier's day ends.
    """

    name: str
    used: float
    limit: int
    midnight_ms: float


class RegistrationUse(msgspec.Struct, frozen=True):
    """A registration's rate for a type of messages, in segments ``per_minute``.

    Where each sender has it to itself, it is ``senders`` rates, and else one. ``used_up`` of them
    let no segment pass now, and the first of these does at ``opens_ms`` (wall).
    """

    name: str
    type: _Type
    per_minute: float
    senders: int = 1
    used_up: int = 0
    opens_ms: float | None = None


class CarrierUse(msgspec.Struct, frozen=True):
    """What is used of an account's brands and registrations, by their names."""

    brands: Sequence[BrandUse] = ()
    registrations: Sequence[RegistrationUse] = ()


_Rate = tuple[str, _Type, float]  # registration, type, interval in ms


def read_carrier_use(look: Look, limits: Mapping[str, str], now_ms: float) -> CarrierUse:
    """Read it for what the limits in force name; where they name none, nothing is asked."""
    caps = {name: BrandLimits.parse(text).cap for name, text in _fields(limits, "brand")}
    rates = dict(_rates(limits))
    answers = look.carrier_levels([*(f"brand:{name}" for name in caps), *rates])
    brands = [BrandUse(name, *_day(next(answers), cap)) for name, cap in caps.items()]
    opens: dict[_Rate, list[float]] = defaultdict(list)
    for rate, answer in zip(rates.values(), answers, strict=True):
        opens[rate].append(float(answer))
    return CarrierUse(brands, [_use(*rate, opens[rate], now_ms) for rate in sorted(opens)])


def _day(answer: Sequence[Any], cap: int) -> tuple[float, int, float]:
    used, midnight = map(float, answer)
    return used, cap, midnight


def _use(
    name: str, type: _Type, interval_ms: float, opens: Sequence[float], now_ms: float
) -> RegistrationUse:
    later = [at for at in opens if at > now_ms]
    first = min(later, default=None)
    return RegistrationUse(name, type, 60_000 / interval_ms, len(opens), len(later), first)


def _rates(limits: Mapping[str, str]) -> Iterator[tuple[str, _Rate]]:
    """Each rate by the name of its level: registrations' own, and each of their senders'."""
    for name, text in _fields(limits, "registration"):
        intervals = RegistrationLimits.parse(text)[:2]
        yield from _of_types(name, intervals, "")
    for sender, text in _fields(limits, "number"):
        registration = SenderLimits.parse(limits.get(f"sender:{sender}", "||")).registration
        yield from _of_types(registration, NumberLimits.parse(text)[:2], f":{sender}")


def _of_types(
    registration: str, intervals: tuple[float, float], behind: str
) -> Iterator[tuple[str, _Rate]]:
    types: tuple[_Type, _Type] = ("SMS", "MMS")
    for type, interval_ms in zip(types, intervals, strict=True):
        if interval_ms:
            level = f"registration:{registration}:{type.lower()}{behind}"
            yield level, (registration, type, interval_ms)


def _fields(limits: Mapping[str, str], kind: str) -> list[tuple[str, str]]:
    """The limits of a kind of level, by the level's name."""
    head = f"{kind}:"
    named = sorted(field for field in limits if field.startswith(head))
    return [(field.removeprefix(head), limits[field]) for field in named]
