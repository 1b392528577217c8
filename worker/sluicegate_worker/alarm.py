"""An alarm: it wakes one waiting task at a time that was set, or earlier if somebody rings it."""

import asyncio
import math


class Alarm:
    """Belongs to the event loop that it was made on."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the task that waits; if none does, nothing happens."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Wait until it rings, or for ``seconds``; ``math.inf`` means for ever."""
        self._rung.clear()
        timer = self._timer(seconds)
        try:
            await self._rung.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _timer(self, seconds: float) -> asyncio.TimerHandle | None:
        """A timer in whole milliseconds: uvloop may round down, and its caller would spin."""
        if seconds == math.inf:
            return None
        loop = asyncio.get_running_loop()
        ticks = math.ceil(max(0.0, seconds) * 1000)
        return loop.call_at(loop.time() + ticks / 1000, self._rung.set)
