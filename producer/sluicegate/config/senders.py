"""Settings of senders, 10DLC registrations and brands, with what Telnyx and carriers allow."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

import msgspec

from ..errors import InvalidMessage
from ..message import Message
from ..rules import E164, validated

SegmentRate = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
"""Segments per second or minute; 0 for no such limit."""

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
"""Telnyx's limits: segments per second of a sender, or of each number of a pool; 0 for none."""

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
"""AT&T's limits: SMS and MMS segments per minute of a registration, by its class."""

PER_NUMBER: Final = frozenset({"G", "N"})
"""Classes whose limits apply to each number by itself."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_NAME_RULE = "its name must be 1 to 40 of A-Z a-z 0-9 _ -, and begin with a letter or digit"
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
    "number": "an E.164 number, such as +15557654321",
    "short code": "3 to 8 digits, such as 12345",
    "name": "1 to 11 ASCII letters, digits and inner spaces with a letter among them",
    "profile": "a messaging profile's id: 1 to 100 of A-Z a-z 0-9 _ -",
}


class Sender(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number, short code, name or number pool that messages come from.

    ``per_second`` is its rate in segments a second, and 0 is none; None is the preset of its kind,
    or none if it has a ``registration``. A pool has ``numbers``, and its rate is ``per_second``
    for each of them.
    """

    kind: SenderKind
    per_second: SegmentRate | None = None
    registration: str = ""
    numbers: Count | None = None

    @property
    def own_per_second(self) -> float:
        """Its own rate in segments a second, of all its numbers together; 0 if it has none."""
        preset = 0.0 if self.registration else PER_SECOND[self.kind]
        return (preset if self.per_second is None else self.per_second) * (self.numbers or 1)


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A 10DLC campaign as registered with carriers, for one or more senders.

    ``carrier_class`` is AT&T's class, which sets the rates; ``sms_per_minute`` and
    ``mms_per_minute`` replace them, with 0 for none. ``att_share`` is the share of the traffic
    that goes to AT&T, the only carrier with these limits.
    """

    carrier_class: CarrierClass | None = None
    sms_per_minute: SegmentRate | None = None
    mms_per_minute: SegmentRate | None = None
    brand: str = ""
    att_share: Share = 1.0

    @property
    def per_number(self) -> bool:
        """Whether the rates apply to each of its senders, and none to the registration."""
        return self.carrier_class in PER_NUMBER

    @property
    def per_minute(self) -> tuple[float, float]:
        """SMS and MMS segments per minute that AT&T takes; 0 for no such limit."""
        sms, mms = PER_MINUTE[self.carrier_class] if self.carrier_class else (0.0, 0.0)
        return (
            sms if self.sms_per_minute is None else self.sms_per_minute,
            mms if self.mms_per_minute is None else self.mms_per_minute,
        )


class Brand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The company that registrations belong to.

    T-Mobile takes ``tmobile_daily`` segments of all its registrations in a day of Pacific time.
    Each segment to a +1 number is counted as ``tmobile_share`` of a segment.
    """

    tmobile_daily: Count
    tmobile_share: Share = 1.0


SettingFaults = Iterator[tuple[tuple[str, ...], str]]
"""Pairs of a setting's path, below that of the struct that is checked, and its fault."""


def faults(
    senders: Mapping[str, Sender],
    registrations: Mapping[str, Registration],
    brands: Mapping[str, Brand],
) -> SettingFaults:
    """Yield what the types can't check of an account's senders, registrations and brands."""
    for key, sender in senders.items():
        yield from _sender_faults(key, sender, registrations)
    for name, registration in registrations.items():
        path = ("registrations", name)
        if not _NAME.fullmatch(name):
            yield path, _NAME_RULE
        if registration.brand and registration.brand not in brands:
            yield (*path, "brand"), _undeclared("brand", brands)
        rates = (registration.sms_per_minute, registration.mms_per_minute)
        if registration.carrier_class is None and rates == (None, None):
            yield path, "needs its carrier_class, or sms_per_minute and mms_per_minute"
    for name in brands:
        if not _NAME.fullmatch(name):
            yield ("brands", name), _NAME_RULE


def _sender_faults(
    key: str, sender: Sender, registrations: Mapping[str, Registration]
) -> SettingFaults:
    path, shape = ("senders", key), _SHAPES[sender.kind]
    if not _is(shape, key):
        yield path, f"a sender of the kind {sender.kind} is named by {_SHAPE_RULES[shape]}"
    if sender.numbers is not None and sender.kind != "pool":
        yield (*path, "numbers"), "only a pool has several"
    if not sender.registration:
        if sender.kind == "10dlc" and sender.per_second is None:
            yield path, "a 10dlc number needs its registration, or per_second"
    elif sender.kind not in _REGISTERED:
        yield (*path, "registration"), f"only the kinds 10dlc and pool have one, not {sender.kind}"
    elif sender.registration not in registrations:
        yield (*path, "registration"), _undeclared("registration", registrations)


def _undeclared(what: str, known: Mapping[str, object]) -> str:
    declared = f"known: {', '.join(sorted(known))}" if known else "none is declared"
    return f"no such {what}; {declared}"


def _is(shape: str, key: str) -> bool:
    """Whether ``key`` has that shape, by the rules for messages."""
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
