"""A fake Redis whose clock stands still, so that a slow machine can't make its keys expire.

The scripts give some keys a lifetime (what a claim answered, for the length of a lease) by the
server's clock, while tests move a clock of their own. On a busy machine a fake that is slow enough
forgets such a key in the middle of a test.
"""

import os
import threading
import time
from collections import defaultdict
from typing import Any

import fakeredis
import redis
from fakeredis._core._database import Database  # the fake has no public seam for its clock


class _StillDatabase(Database):
    """A database for which every command comes at the moment of its creation."""

    def __init__(self, lock: threading.Lock) -> None:
        self._created = time.time()
        super().__init__(lock)

    @property
    def time(self) -> float:
        return self._created

    @time.setter
    def time(self, now: float) -> None:
        """Ignore the clock, which the fake reads before each command."""


class StillServer(fakeredis.FakeServer):
    """An empty fake server; share it among the clients of one test."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dbs = defaultdict(lambda: _StillDatabase(self.lock))


def examples(store: redis.Redis, number: int) -> int:
    """How many examples to try of a property: on the fake, many times slower, a fifth of them.

    It is the same property, and `make test-all` tries them all on both.
    """
    thorough = os.environ.get("SLUICEGATE_TEST_PROFILE") == "thorough"
    return number if thorough or not isinstance(store, fakeredis.FakeRedis) else -(-number // 5)
