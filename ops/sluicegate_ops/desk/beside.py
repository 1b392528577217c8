"""What waits for Redis or reckons, on a few threads beside the loop that serves receipts."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

THREADS: Final = 8
MOST_WAITING: Final = 64
"""Calls under way and waiting; more are refused, so that no queue grows without an end."""

_Answer = TypeVar("_Answer")


class TooBusy(Exception):
    """So much is under way that one more would only wait."""


class Beside:
    """Runs calls on threads of the desk's own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "desk")
        self._under_way = 0

    async def __call__(self, call: Callable[..., _Answer], *arguments: object) -> _Answer:
        """The answer of a call; raises TooBusy, and what the call raises."""
        if self._under_way >= MOST_WAITING:
            raise TooBusy
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, call, *arguments)
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """Begin nothing more; what is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
