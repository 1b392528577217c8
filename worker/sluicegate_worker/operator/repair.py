"""Repair: every index that can be derived is checked against what it was derived from."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import redis

from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts

REPAIR = Script("sluicegate_worker.repair")

_PAGE = 1000
"""Keys that one call looks at: with more of them the server stalls for others."""


class Repair:
    """One account's repair, on a synchronous client; ``clock`` is for tests."""

    def __init__(
        self, client: redis.Redis, keys: Keys, lease_ms: float, *, clock: str | None = None
    ) -> None:
        self._lease_ms = lease_ms
        self._scripts = Scripts(client, keys.prefix, clock)

    def run(self, on_page: Callable[[int], None] = lambda pages: None) -> Counter[str]:
        """Check all of them; return how many entries were put back, by index.

        It reads every key of the server's database by pages, as ``SCAN`` does, so it may run
        while messages are sent. ``on_page`` is called with the number of pages read.
        """
        put_back: Counter[str] = Counter()
        pages = 0
        for what in ("names", "records"):
            cursor: bytes | None = None
            while cursor != b"0":
                args: list[Argument] = [self._lease_ms, what, cursor or "0", _PAGE]
                args.append(int(pages == 0))
                answer: Any = self._scripts.call(REPAIR, args)
                cursor, told = answer
                put_back.update(dict(zip(map(bytes.decode, told[::2]), told[1::2], strict=True)))
                pages += 1
                on_page(pages)
        return put_back
