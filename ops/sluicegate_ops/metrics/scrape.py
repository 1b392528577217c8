"""What a scrape of all accounts is told, also while Redis is slow to answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import redis

from sluicegate.config import Config

from .families import exposed

SECONDS: Final = 2.0
"""How long a scrape waits for Redis."""

KEPT_SECONDS: Final = 60.0
"""For how long the last values are told again: without them, alerts would start over."""

_UP, _DOWN = "sluicegate_redis_up 1.0", "sluicegate_redis_up 0.0"


class AccountScrape:
    """The accounts' metrics on a synchronous client (``connect``), read in a thread."""

    def __init__(
        self,
        client: redis.Redis,
        config: Config,
        *,
        seconds: float = SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._config, self._seconds = client, config, seconds
        self._monotonic = monotonic
        self._last, self._last_at = "", 0.0

    async def text(self) -> str:
        """Every account's metrics in Prometheus's text format; never raises for Redis.

        ``sluicegate_redis_up`` is 0 where it doesn't answer in time. The other values are then the
        last ones, unless they are older than ``KEPT_SECONDS``.
        """
        try:
            async with asyncio.timeout(self._seconds):
                text = await asyncio.to_thread(exposed, self._client, self._config)
        except TimeoutError:
            text = exposed(None, self._config)
        now = self._monotonic()
        if _UP in text:
            self._last, self._last_at = text, now
        elif self._last and now - self._last_at <= KEPT_SECONDS:
            return self._last.replace(_UP, _DOWN)
        return text
