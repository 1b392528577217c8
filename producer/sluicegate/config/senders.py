"""Who sends, and what carriers allow it: senders, 10DLC registrations and brands, with presets."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

import msgspec

from ..errors import InvalidMessage
from ..message import Message
from ..rules import E164, validated

SegmentRate = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
"""Segments in some time; 0 stands for no such limit."""

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]

SenderKind = Literal["long_code", "toll_free", "short_code", "alphanumeric", "10dlc", "pool"]

PER_SECOND: Final[Mapping[SenderKind, float]] = {
    "long_code": 0.1,
    "toll_free": 20.0,
    "short_code": 1000.0,
    "alphanumeric": 0.1,
    "10dlc": 0.0,
    "pool": 0.1,
}
"""Telnyx: segments per second of a sender, or of each of a pool's numbers; 0 is none."""

CarrierClass = Literal["A", "B", "C", "D", "E", "F", "G", "K", "N", "P", "S", "T", "W", "X"]

PER_MINUTE: Final[Mapping[CarrierClass, tuple[float, float]]] = {
    "A": (4500, 2400),
    "B": (4500, 2400),
    "C": (2400, 1200),
    "D": (2400, 1200),
    "E": (240, 150),
    "F": (240, 150),
    "G": (60, 50),
    "K": (4500, 2400),
    "N": (60, 50),
    "P": (2400, 1200),
    "S": (9000, 2400),
    "T": (75, 50),
    "W": (15, 50),
    "X": (4500, 2400),
}
"""AT&T: SMS and MMS segments per minute of a registration of each class."""

PER_NUMBER: Final = frozenset({"G", "N"})
"""Classes whose rates each number has to itself."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_NAME_RULE = "its name must be 1 to 40 of A-Z, a-z, 0-9, _ and -, no _ or - first"
_REGISTERED = ("10dlc", "pool")

_SHAPES: Final[Mapping[SenderKind, str]] = {
    "long_code": "number",
    "toll_free": "number",
    "short_code": "short code",
    "alphanumeric": "name",
    "10dlc": "number",
    "pool": "profile",
}
_SHAPE_RULES: Final[Mapping[str, str]] = {
    "number": "an E.164 number, as +15557654321",
    "short code": "3 to 8 digits, as 12345",
    "name": "1 to 11 ASCII letters, digits and inner spaces with a letter among them",
    "profile": "a messaging profile's id: 1 to 100 of A-Z a-z 0-9 _ -",
}


class Sender(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number, a short code, a name or a number pool that messages come from.

    ``per_second`` is its rate in segments; None is its kind's preset, or none where it has a
    ``registration``, and 0 is none. ``numbers`` is how many a pool has: its rate is ``per_second``
    for each of them.
    """

    kind: SenderKind
    per_second: SegmentRate | None = None
    registration: str = ""
    numbers: Count | None = None

    @property
    def own_per_second(self) -> float:
        """Segments per second that it may send by itself; 0 where it has no such rate."""
        preset = 0.0 if self.registration else PER_SECOND[self.kind]
        return (preset if self.per_second is None else self.per_second) * (self.numbers or 1)


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A 10DLC campaign as carriers know it, of one or more senders.

    ``carrier_class`` is AT&T's, with its rates; ``sms_per_minute`` and ``mms_per_minute`` replace
    them, where 0 is none. ``att_share`` is how much of the traffic goes to AT&T, the only one
    that holds these rates against it.
    """

    carrier_class: CarrierClass | None = None
    sms_per_minute: SegmentRate | None = None
    mms_per_minute: SegmentRate | None = None
    brand: str = ""
    att_share: Share = 1.0

    @property
    def per_number(self) -> bool:
        """Whether each of its senders has the rates to itself, and the registration none."""
        return self.carrier_class in PER_NUMBER

    @property
    def per_minute(self) -> tuple[float, float]:
        """SMS and MMS segments per minute that AT&T takes; 0 where there is no such limit."""
        sms, mms = PER_MINUTE[self.carrier_class] if self.carrier_class else (0.0, 0.0)
        return (
            sms if self.sms_per_minute is None else self.sms_per_minute,
            mms if self.mms_per_minute is None else self.mms_per_minute,
        )


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom registrations belong to.

    ``tmobile_daily`` is how many segments T-Mobile takes of all its registrations in a day of
    Pacific time. Each segment to a +1 number is charged as ``tmobile_share`` of one.
    """

    tmobile_daily: Count
    tmobile_share: Share = 1.0


SettingFaults = Iterator[tuple[tuple[str, ...], str]]
"""What is wrong, and where: the names of the settings, from those of an account on."""


def faults(
    senders: Mapping[str, Sender],
    registrations: Mapping[str, Registration],
    brands: Mapping[str, Brand],
) -> SettingFaults:
    """What the types alone do not say of an account's senders, registrations and brands."""
    for key, sender in senders.items():
        yield from _sender_faults(key, sender, registrations)
    for name, registration in registrations.items():
        at = ("registrations", name)
        if not _NAME.fullmatch(name):
            yield at, _NAME_RULE
        if registration.brand and registration.brand not in brands:
            yield (*at, "brand"), _undeclared("brand", brands)
        rates = (registration.sms_per_minute, registration.mms_per_minute)
        if registration.carrier_class is None and rates == (None, None):
            yield at, "needs its carrier_class, or sms_per_minute and mms_per_minute"
    for name in brands:
        if not _NAME.fullmatch(name):
            yield ("brands", name), _NAME_RULE


def _sender_faults(
    key: str, sender: Sender, registrations: Mapping[str, Registration]
) -> SettingFaults:
    at, shape = ("senders", key), _SHAPES[sender.kind]
    if not _is(shape, key):
        yield at, f"a sender of the kind {sender.kind} is named by {_SHAPE_RULES[shape]}"
    if sender.numbers is not None and sender.kind != "pool":
        yield (*at, "numbers"), "only a pool has several"
    if not sender.registration:
        if sender.kind == "10dlc" and sender.per_second is None:
            yield at, "a 10dlc number needs its registration, or per_second"
    elif sender.kind not in _REGISTERED:
        yield (*at, "registration"), f"only a 10dlc number or a pool has one, no {sender.kind}"
    elif sender.registration not in registrations:
        yield (*at, "registration"), _undeclared("registration", registrations)


def _undeclared(what: str, known: Mapping[str, object]) -> str:
    there_are = f"there are {', '.join(sorted(known))}" if known else "there are none"
    return f"no such {what}; {there_are}"


def _is(shape: str, key: str) -> bool:
    """Whether ``key`` is a sender of that shape, by the rules of messages."""
    pool = shape == "profile"
    profile = key if pool else "any"
    try:
        validated(
            Message(
                to="+15551234567",
                text="x",
                sender=None if pool else key,
                messaging_profile_id=profile,
            )
        )
    except InvalidMessage:
        return False
    actual = "number" if E164.match(key) else "short code" if key.isdigit() else "name"
    return pool or actual == shape
