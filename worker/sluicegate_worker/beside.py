"""Work in a thread beside the loop: how it ends with the loop, and what it says it waits for."""

import asyncio
import logging
import threading
from collections.abc import Callable

import redis

from sluicegate.errors import SluicegateError
from sluicegate.redis_errors import translated

STOPS_A_PASS = (SluicegateError, redis.RedisError)
"""The errors that end one pass of such work; the next one may go better."""

log = logging.getLogger(__name__)


async def beside_the_loop(work: Callable[[threading.Event], None]) -> None:
    """Let a thread do ``work`` until this is cancelled; the event tells it then."""
    stop = threading.Event()
    try:
        await asyncio.to_thread(work, stop)
    finally:
        stop.set()


class Obstacle:
    """What keeps an account's work waiting, logged once however often it is met."""

    def __init__(self, account: str, work: str) -> None:
        self._account, self._work = account, work
        self.words = ""
        """The words of the error; "" while the work goes on."""

    def met(self, error: Exception, level: int = logging.WARNING) -> bool:
        """Note one of ``STOPS_A_PASS``, and log it; False where it is the same as before."""
        text = str(translated(error, ()) if isinstance(error, redis.RedisError) else error)
        if text == self.words:
            return False
        self.words = text
        log.log(level, "account %s: %s waits: %s", self._account, self._work, text)
        return True

    def gone(self) -> bool:
        """Note that the work goes on; whether it had waited."""
        waited, self.words = bool(self.words), ""
        return waited
