"""An account's opt-out list: numbers that get no messages.

It is checked when a message is enqueued, when it is claimed and when its POST is started.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import redis

from .errors import InvalidMessage
from .keys import Keys
from .rules import E164
from .scripts import Script, Scripts

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

_CALL = 1000  # numbers in one call of the script


class OptOut(msgspec.Struct, frozen=True):
    """A number on the list, the wall milliseconds of its addition, and who added it."""

    number: str
    since_ms: int
    source: str


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

    def add(self, numbers: Iterable[str], source: str = "api") -> int:
        """Add E.164 ``numbers``; return how many were new.

        After this has returned, no further POST to them can start: it waits for those that had
        just been started. ``source`` says who added them.

        Raises InvalidMessage for a number that is not in E.164; then nothing is stored.
        """
        checked = _checked(numbers)
        calls = [checked[first : first + _CALL] for first in range(0, len(checked), _CALL)]
        added = sum(int(self._scripts.call(OPTOUT, [source, *call])) for call in calls)
        wait_for_posts(self._client, self._keys, self._sleep)
        return added

    def remove(self, numbers: Iterable[str]) -> int:
        """Remove E.164 ``numbers``; return how many were on the list. Raises InvalidMessage."""
        checked = _checked(numbers)
        return int(self._client.hdel(self._key, *checked)) if checked else 0

    def among(self, numbers: Sequence[str]) -> list[bool]:
        """Return whether each of ``numbers`` is on the list, in one round trip."""
        if not numbers:
            return []
        return [entry is not None for entry in self._client.hmget(self._key, list(numbers))]

    def __contains__(self, number: object) -> bool:
        return bool(self._client.hexists(self._key, str(number)))

    def __len__(self) -> int:
        return int(self._client.hlen(self._key))

    def __iter__(self) -> Iterator[OptOut]:
        for number, value in self._client.hscan_iter(self._key, count=1000):
            since, _, source = value.decode().partition(" ")
            yield OptOut(number.decode(), int(since), source)


def _checked(numbers: Iterable[str]) -> list[str]:
    listed = list(numbers)
    for number in listed:
        if not E164.match(number):
            raise InvalidMessage("number", number, "must be an E.164 number, such as +15551234567")
    return listed
