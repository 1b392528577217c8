"""The messages that a set of an account lists, such as the dead, and fields of their records."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import redis

from sluicegate.keys import Keys

PAGE = 500

Fields = Sequence[bytes | None]
"""Fields of a record as they are stored, in the order that they were asked for."""


class ListedMessages:
    """The messages in the set ``name``, each with its score, on a synchronous client."""

    def __init__(self, client: redis.Redis, keys: Keys, name: str) -> None:
        self._client: Any = client
        self._keys, self._set = keys, keys(name)

    def __len__(self) -> int:
        return int(self._client.zcard(self._set))

    def count(self, lowest: float, highest: float) -> int:
        """How many have a score in that range."""
        return int(self._client.zcount(self._set, lowest, highest))

    def score(self, id: str) -> float | None:
        """One message's score; None where the set lacks it."""
        found = self._client.zscore(self._set, id)
        return None if found is None else float(found)

    def fields(self, ids: Sequence[str], names: Sequence[str]) -> list[Fields]:
        """These fields of each message's record, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for id in ids:
            pipeline.hmget(self._keys.record(id), *names)
        return list(pipeline.execute())

    def all(self) -> Iterator[dict[str, float]]:
        """Pages of all ids with their scores, in no particular order."""
        scanned = self._client.zscan_iter(self._set, count=PAGE)
        seen: set[bytes] = set()  # a scan may return a member twice
        while page := dict(islice(((id, at) for id, at in scanned if id not in seen), PAGE)):
            seen.update(page)
            yield {id.decode(): score for id, score in page.items()}

    def between(
        self, lowest: float, highest: float, *, first: bool
    ) -> Iterator[list[tuple[str, int]]]:
        """Pages of ids with their scores, the highest first, or with ``first`` the lowest.

        A page begins at the last score of the one before it rather than at an offset, which would
        shift while messages come and go.
        """
        read = self._client.zrangebyscore if first else self._client.zrevrangebyscore
        start, end = (lowest, highest) if first else (highest, lowest)
        at_start: set[bytes] = set()  # those of that very score that were yielded before
        while True:
            most = PAGE + len(at_start)
            page = read(self._set, start, end, start=0, num=most, withscores=True)
            new = [(id.decode(), int(score)) for id, score in page if id not in at_start]
            if new:
                yield new
            if len(page) < most:
                return
            last = page[-1][1]
            at_start = {id for id, score in page if score == last}
            start = last
