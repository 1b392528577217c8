"""What the scripts decide at this moment: they are asked, so nothing is decided again here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import redis

from sluicegate.carriers import Carrier
from sluicegate.keys import Keys
from sluicegate.scripts import Script, Scripts
from sluicegate.stored import HaltInfo, LaneName, carrier_of_letter
from sluicegate_worker.queue import HORIZON_MS

LOOK = Script("sluicegate_ops.inspect.look")
MIDNIGHT = Script("sluicegate_ops.inspect.midnight")
BELOW = Script("sluicegate_ops.inspect.below")
CARRIER_LEVELS = Script("sluicegate_ops.inspect.carrier_levels")
WHOSE = Script("sluicegate_ops.inspect.whose")
CAMPAIGN_LANES = Script("sluicegate_ops.inspect.campaign_lanes")

_ALONE = ("ts:-", "tm:-")  # lanes of no declared sender
_LANES = 250
"""Lanes in a call: with more of them the server stalls for others."""

_MEMBERS = 100
"""Nodes in a call, likewise: a node costs some 16 µs, and what is below it as much again."""


class WhoseNumber(msgspec.Struct, frozen=True):
    """How a carrier's level knows the number of the message that asks for it next.

    ``carrier`` is whose it is, as an answer told ``days_ago``, None where none did lately. Each
    segment ``counts`` as so much of one there.
    """

    carrier: Carrier
    days_ago: int | None
    counts: float


class RateLevel(NamedTuple):
    """A level with a rate, by the name that people know it by.

    ``interval_ms`` is milliseconds from one segment to the next, 0 without a rate of its own.
    From ``opens_ms`` (wall) on a message may pass; ``refuses`` says that the next one may not.
    ``number`` is the next one's, at a carrier's level.
    """

    name: str
    refuses: bool
    interval_ms: float
    opens_ms: float
    number: WhoseNumber | None = None


class DailyCap(NamedTuple):
    """A brand's segments a day: ``used`` of ``limit`` by the day of the next slot.

    ``share`` is what one segment to a +1 number is charged as. ``midnight_ms`` (wall) is when the
    carrier's day ends; ``refuses`` says that the lane's next message has no room in it, and
    ``number`` is that one's.
    """

    name: str
    refuses: bool
    limit: float
    share: float
    used: float
    midnight_ms: float
    number: WhoseNumber | None = None


class LaneLimits(msgspec.Struct, frozen=True):
    """What a lane's next message must pass, the widest level first; wall milliseconds.

    ``refused_by`` is the level that a claim refuses it for, "" where none does, and ``opens_ms``
    until when. ``full_ms`` is when the provider's queue for the sender was or will be tried again
    after it was full.
    """

    lane: LaneName
    waiting: int
    levels: tuple[RateLevel, ...]
    cap: DailyCap | None = None
    refused_by: str = ""
    opens_ms: float | None = None
    full_ms: float | None = None

    @property
    def is_closed(self) -> bool:
        """Whether it is not the hour of those who wait in the lane."""
        return self.refused_by.startswith("hours:")

    @property
    def names(self) -> list[str]:
        """The levels by which the lane may be halted, the widest first."""
        account, *others = (level.name for level in self.levels)
        brand = [self.cap.name] if self.cap else []
        app = [f"app:{self.lane.app}"] if self.lane.app else []
        mms = [f"mms:{self.lane.sender}"] if self.lane.type == "MMS" else []
        return [account.partition(":")[0], *app, *brand, *others, *mms]


class AccountLook(NamedTuple):
    """The account's part of an answer: numbers by name, as look.lua lists them, and its halts.

    ``alone`` are lanes that pass no level but the account's.
    """

    values: Mapping[str, float]
    full: str
    breaker: str
    cause: str
    culprit: str
    evidence: str
    halts: Mapping[str, HaltInfo]
    alone: tuple[LaneLimits, ...] = ()


class BelowMember(NamedTuple):
    """What stands below a node: a lane with its length, or a node, of which it is -1."""

    name: str
    score: float
    length: int


class Look:
    """One account's scripts, asked what they would decide; ``time`` is for tests.

    A lane is asked about once: make a new one to look again.
    """

    def __init__(self, client: redis.Redis, keys: Keys, time: str | None = None) -> None:
        self.client: Any = client
        self.keys = keys
        self._scripts = Scripts(client, keys.prefix, time)
        self._known: dict[str, LaneLimits] = {}

    def account(self) -> AccountLook:
        """What would be decided of any message of the account."""
        pairs, halts, *alone = self._scripts.call(LOOK, [HORIZON_MS, *_ALONE])
        texts = {
            name.decode(): value.decode(errors="replace")
            if isinstance(value, bytes)
            else str(value)
            for name, value in zip(pairs[::2], pairs[1::2], strict=True)
        }
        names = ("full", "breaker", "cause", "culprit", "evidence")
        full, state, cause, culprit, evidence = map(texts.pop, names)
        values = {name: float(text) for name, text in texts.items() if text}
        lanes = tuple(map(_lane, _ALONE, alone))
        told = (values, full, state, cause, culprit, evidence)
        return AccountLook(*told, dict(_halts(halts)), lanes)

    def lanes(self, names: Iterable[str]) -> list[LaneLimits]:
        """What would be decided of each lane's next message, in the order asked."""
        wanted = list(names)
        new = iter(dict.fromkeys(name for name in wanted if name not in self._known))
        while page := list(islice(new, _LANES)):
            _, _, *answers = self._scripts.call(LOOK, [HORIZON_MS, *page])
            self._known |= zip(page, map(_lane, page, answers), strict=True)
        return [self._known[name] for name in wanted]

    def below(self, members: Iterable[tuple[str, str]]) -> Iterator[int | list[BelowMember]]:
        """How long each lane is, or what stands below each node; both are given with a class."""
        rest = iter(members)
        while page := list(islice(rest, _MEMBERS)):
            flat = [text for pair in page for text in pair]
            for found in self._scripts.call(BELOW, flat):
                yield found if isinstance(found, int) else list(_members(found))

    def campaign_lanes(self, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """The lane, the state and the weight of each campaign, "" where one is not stored."""
        rest = iter(names)
        while page := list(islice(rest, _LANES)):
            for found in self._scripts.call(CAMPAIGN_LANES, page):
                lane, state, weight = ((part or b"").decode() for part in found)
                yield lane, state, weight

    def carrier_levels(self, names: Iterable[str]) -> Iterator[Any]:
        """What is used of each level, as carrier_levels.lua answers."""
        rest = iter(names)
        while page := list(islice(rest, _LANES)):
            yield from self._scripts.call(CARRIER_LEVELS, page)

    def whose(self, number: str) -> tuple[Carrier, int | None]:
        """Whose a number is, as an answer told so many days ago; None where none did lately."""
        return _told(*self._scripts.call(WHOSE, [number]))

    def midnight_ms(self, days: int) -> float:
        """When the carrier's day ends (wall) that is so many days after today."""
        return float(self._scripts.call(MIDNIGHT, [days]))


def _halts(parts: Sequence[bytes]) -> Iterator[tuple[str, HaltInfo]]:
    for level, text in zip(parts[::2], parts[1::2], strict=True):
        halt = HaltInfo.parse(level, text)
        yield halt.level, halt


def _members(parts: Sequence[Any]) -> Iterator[BelowMember]:
    for name, score, length in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield BelowMember(name.decode(), float(score), length)


def _lane(name: str, answer: Sequence[Any]) -> LaneLimits:
    waiting, refused_by, opens, full, levels = answer
    caps = [level for level in levels if level[0] == b"brand"]
    return LaneLimits(
        lane=LaneName.parse(name),
        waiting=waiting,
        levels=tuple(_rate_level(level) for level in levels if level[0] != b"brand"),
        cap=_daily_cap(caps[0]) if caps else None,
        refused_by=level_name(refused_by.decode()),
        opens_ms=float(opens) if opens else None,
        full_ms=float(full) if full else None,
    )


def _rate_level(level: Sequence[Any]) -> RateLevel:
    _, name, refuses, interval, opens, number = level
    rate = (name.decode(), bool(refuses), float(interval or 0), float(opens))
    return RateLevel(*rate, _whose(number))


def _daily_cap(level: Sequence[Any]) -> DailyCap:
    _, name, refuses, *figures, number = level
    limit, share, used, midnight = map(float, figures)
    told = (limit, share, used, midnight, _whose(number))
    return DailyCap(name.decode(), bool(refuses), *told)


def _whose(parts: Sequence[Any]) -> WhoseNumber | None:
    if not parts:
        return None
    *told, counts = parts
    return WhoseNumber(*_told(*told), float(counts))


def _told(letter: bytes, days_ago: Any) -> tuple[Carrier, int | None]:
    return carrier_of_letter(letter.decode()), None if days_ago == b"" else int(days_ago)


def level_name(level: str) -> str:
    """A level as people know it; a registration's use is kept by type, and some by sender."""
    if level.startswith("registration:"):
        return ":".join(level.split(":")[:2])
    return level
