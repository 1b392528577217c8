"""An account's opt-out list, the replies that a person must read, and the history of both.

The list is checked when a message is enqueued, when it is claimed and when its POST is started.
What waits for a number whose reply is not read yet is held, and is sent or suppressed once a
person has decided. Every change is in the number's history, which is never shortened.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha1
from typing import Any, Literal, TypeVar

import msgspec
import redis

from .errors import InvalidMessage
from .keys import Keys
from .rules import E164
from .scripts import Argument, Script, Scripts, new_token
from .stored import (
    OptOutAct,
    OptOutEvent,
    OptOutReason,
    ReviewedNumber,
    parse_events,
    parse_reasons,
    parse_review,
)

START_TO_POST_SECONDS = 0.04
"""A worker writes a POST within this time after asking to start it, or gives it back unsent.

So after an opt-out or a pause, nothing more can slip through once this time has passed. Workers
that are far from Redis need longer: see ``post_within``."""

MOST_START_TO_POST_SECONDS = 0.09


def post_within(round_trip_seconds: float) -> float:
    """Within which time a worker writes a POST that is so far from Redis."""
    return min(MOST_START_TO_POST_SECONDS, max(START_TO_POST_SECONDS, 2 * round_trip_seconds))


def wait_for_posts(client: redis.Redis, keys: Keys, sleep: Callable[[float], None]) -> None:
    """Wait until nothing that was started before a gate was closed can be POSTed any more.

    A worker says how far from Redis it is before it takes more than START_TO_POST_SECONDS.
    """
    known: Any = client
    if known.zcard(keys("started")):
        farthest = known.zrange(keys("distant"), -1, -1, withscores=True)
        sleep(post_within(farthest[0][1] / 1000 if farthest else 0.0))


OPTOUT = Script("sluicegate.optout")
REVIEW = Script("sluicegate.review")

_CALL = 100  # numbers in one call of the script
_RESERVED = ("stop", "provider")

_Batched = TypeVar("_Batched")

ReviewDecision = Literal["opt out", "release"]
ReviewAnswer = Literal["opted out", "released", "unknown", "changed"]


class OptOut(msgspec.Struct, frozen=True):
    """A number on the list, the wall milliseconds of its addition, and who added it first.

    ``reasons`` are all of them: a recipient's START lifts only that recipient's own.
    """

    number: str
    since_ms: int
    source: str
    reasons: tuple[OptOutReason, ...] = ()


class Removed(msgspec.Struct, frozen=True):
    """How many numbers were on the list, and how many of those had written STOP themselves."""

    count: int
    own: int


class OptOuts:
    """One account's opt-out list, on a synchronous client.

    Methods raise redis-py's errors. Tests pass ``sleep``.
    """

    def __init__(
        self, client: redis.Redis, keys: Keys, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client, self._keys, self._sleep = client, keys, sleep
        self._key = keys("optouts")
        self._scripts = Scripts(client, keys.prefix)

    def add(
        self, numbers: Iterable[str], source: str = "api", *, who: str = "", why: str = ""
    ) -> int:
        """Add E.164 ``numbers``; return how many were new.

        After this has returned, no further POST to them can start: it waits for those that had
        just been started. ``source`` says where they come from, ``who`` adds them and ``why``: the
        history keeps it. A recipient's START lifts none of it.

        Raises InvalidMessage for a number that is not in E.164, and for a source that says that
        the recipient or the provider added them; then nothing is stored.
        """
        source = " ".join(source.split())  # no line and no tab: they part one reason from the next
        if source in (*_RESERVED, ""):
            raise InvalidMessage("source", source, "says who adds them: not stop, nor provider")
        pairs = [(number, "") for number in _checked(numbers)]
        return self._add(pairs, source, OptOutAct(source=source, who=who, why=why))

    def add_from_provider(
        self, listed: Iterable[tuple[str, str]], who: str = "", why: str = ""
    ) -> int:
        """Add numbers that the provider lists, each with the messaging profile that blocks it.

        Such an opt-out is the recipient's own: a START to that profile lifts it. Return how many
        numbers were new. Raises InvalidMessage as ``add`` does.
        """
        pairs = list(listed)
        _checked(number for number, _ in pairs)
        return self._add(pairs, "provider", OptOutAct(source="provider", who=who, why=why))

    def _add(self, pairs: Sequence[tuple[str, str]], source: str, act: OptOutAct) -> int:
        added = sum(count for count, _ in self._called("add", pairs, source, act))
        wait_for_posts(self._client, self._keys, self._sleep)
        return added

    def remove(
        self, numbers: Iterable[str], source: str = "api", *, who: str = "", why: str = ""
    ) -> int:
        """Remove E.164 ``numbers``, whoever added them; return how many were on the list.

        Raises InvalidMessage.
        """
        return self.removed(numbers, source, who=who, why=why).count

    def removed(
        self, numbers: Iterable[str], source: str = "api", *, who: str = "", why: str = ""
    ) -> Removed:
        """``remove``, telling also how many had written STOP themselves."""
        act = OptOutAct(source=source, who=who, why=why)
        pairs = [(number, "") for number in _checked(numbers)]
        answers = list(self._called("remove", pairs, source, act))
        return Removed(sum(count for count, _ in answers), sum(own for _, own in answers))

    def decide(
        self,
        seen: Mapping[str, int | None],
        decision: ReviewDecision,
        source: str = "api",
        *,
        who: str = "",
        why: str = "",
    ) -> list[ReviewAnswer]:
        """Decide about numbers under review: they opt out, or what is held for them is sent.

        ``seen`` has for each number ``at_ms`` of the last reply that was read, None for whatever
        was written. The answer for each is ``opted out`` or ``released``; ``unknown`` where no
        reply waits, and ``changed`` where another has come since: then nothing is decided.
        """
        act, numbers = OptOutAct(source=source, who=who, why=why), _checked(seen)
        answers = list[ReviewAnswer]()
        for batch in _batches(numbers):
            args: list[Argument] = [new_token(), decision, source, act.said()]
            for number in batch:
                at_ms = seen[number]
                args += (number, "" if at_ms is None else at_ms)
            answers += [answer.decode() for answer in self._scripts.call(REVIEW, args)]
        wait_for_posts(self._client, self._keys, self._sleep)
        return answers

    def reviews(self) -> list[ReviewedNumber]:
        """The numbers whose replies wait for a person, the longest first."""
        stored = self._client.hscan_iter(self._keys("reviews"), count=1000)
        found = [parse_review(number, value) for number, value in stored]
        return sorted(found, key=lambda review: (review.since_ms, review.number))

    def under_review(self, number: str) -> ReviewedNumber | None:
        """The reply of ``number`` that waits for a person; None where none does."""
        value: Any = self._client.hget(self._keys("reviews"), number)
        return parse_review(number.encode(), value) if value else None

    def history(self, number: str) -> list[OptOutEvent]:
        """All that was ever said and done about ``number``'s consent, the oldest first."""
        value: Any = self._client.hget(self._keys("optout_history"), number)
        return parse_events(value) if value else []

    def histories(self) -> Iterator[tuple[str, list[OptOutEvent]]]:
        """Every number that has a history, with it, in no particular order."""
        for number, value in self._client.hscan_iter(self._keys("optout_history"), count=500):
            yield number.decode(), parse_events(value)

    def get(self, number: str) -> OptOut | None:
        """The entry of ``number``, also where that was erased; None if it is not on the list."""
        value: Any = self._client.hget(self._key, number)
        value = value or self._client.hget(self._keys("erased"), self._hashes([number])[0])
        return _entry(number, value) if value else None

    def among(self, numbers: Sequence[str]) -> list[bool]:
        """Return whether each of ``numbers`` is on the list, erased or not."""
        if not numbers:
            return []
        pipeline: Any = self._client.pipeline(transaction=False)
        pipeline.hmget(self._key, list(numbers))
        pipeline.hlen(self._keys("erased"))
        entries, erased = pipeline.execute()
        if erased:
            hashed: Any = self._client.hmget(self._keys("erased"), self._hashes(numbers))
            entries = [one or other for one, other in zip(entries, hashed, strict=True)]
        return [entry is not None for entry in entries]

    def erased(self) -> int:
        """How many numbers on the list were erased: they are suppressed, and known by a hash."""
        return int(self._client.hlen(self._keys("erased")))

    def _hashes(self, numbers: Sequence[str]) -> list[str]:
        """The keyed hashes under which numbers stand that were erased."""
        key: Any = self._client.get(self._keys("hash_key"))
        return [hashed_number(key or b"", number) for number in numbers]

    def __contains__(self, number: object) -> bool:
        return self.among([str(number)])[0]

    def __len__(self) -> int:
        """How many numbers are on the list, without those that were erased."""
        return int(self._client.hlen(self._key))

    def __iter__(self) -> Iterator[OptOut]:
        """Every number on the list but those that were erased."""
        for number, value in self._client.hscan_iter(self._key, count=1000):
            yield _entry(number.decode(), value)

    def _called(
        self, verb: str, pairs: Sequence[tuple[str, str]], source: str, act: OptOutAct
    ) -> Iterator[Sequence[int]]:
        """The script's answers for numbers, each with its profile."""
        for batch in _batches(pairs):
            args: list[Argument] = [new_token(), verb, source, act.said()]
            for pair in batch:
                args += pair
            yield self._scripts.call(OPTOUT, args)


def hashed_number(key: bytes, number: str) -> str:
    """The keyed hash of a number that was erased, as ``hashed`` in ``optouts.lua`` makes it."""
    return sha1(key + number.encode(), usedforsecurity=False).hexdigest()


def _entry(number: str, value: bytes) -> OptOut:
    reasons = parse_reasons(value)
    return OptOut(number, reasons[0].since_ms, reasons[0].source, reasons)


def _batches(items: Sequence[_Batched]) -> Iterator[Sequence[_Batched]]:
    for first in range(0, len(items), _CALL):
        yield items[first : first + _CALL]


def _checked(numbers: Iterable[str]) -> list[str]:
    listed = list(numbers)
    for number in listed:
        if not E164.match(number):
            raise InvalidMessage("number", number, "must be an E.164 number, such as +15551234567")
    return listed
