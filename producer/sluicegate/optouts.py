"""An account's opt-out list: numbers never sent to, checked at enqueue, at claim and at start."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import redis

from .errors import InvalidMessage
from .keys import Keys
from .rules import E164

START_TO_POST_SECONDS = 0.04
"""A worker writes a POST within this time of asking to start it, or gives it back unsent.

So whoever closes a gate (an opt-out, a pause) and then waits this long knows that nothing more
can slip through."""


class OptOut(msgspec.Struct, frozen=True):
    """One number on the list, since when (wall milliseconds), and who put it there."""

    number: str
    since_ms: int
    source: str


class OptOuts:
    """The list itself, on a synchronous client of the account's Redis.

    Workers check it in the very script that starts a POST.
    """

    def __init__(
        self, client: redis.Redis, keys: Keys, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client, self._keys, self._sleep = client, keys, sleep
        self._key = keys("optouts")

    def add(self, numbers: Iterable[str], source: str = "api") -> int:
        """Add E.164 ``numbers``; return how many were new.

        When this returns, no further POST to them can start: it waits out what had just started.
        Raises InvalidMessage, naming the number, before anything is stored.
        """
        seconds, micros = self._client.time()
        since = f"{seconds * 1000 + micros // 1000} {source}"
        pipeline = self._client.pipeline(transaction=True)
        for number in _checked(numbers):
            pipeline.hsetnx(self._key, number, since)
        added = sum(map(int, pipeline.execute()))
        if self._client.zcard(self._keys("started")):
            self._sleep(START_TO_POST_SECONDS)
        return added

    def remove(self, numbers: Iterable[str]) -> int:
        """Take ``numbers`` off the list; return how many were on it."""
        checked = _checked(numbers)
        return int(self._client.hdel(self._key, *checked)) if checked else 0

    def among(self, numbers: Sequence[str]) -> list[bool]:
        """Whether each of ``numbers`` is on the list, in one round trip."""
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
            raise InvalidMessage("number", number, "an E.164 number, as +15551234567")
    return listed
