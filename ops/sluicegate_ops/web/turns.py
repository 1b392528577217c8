"""Turns: so many at a time, and where more want to, each app's next after every other app's."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Lets ``most`` in at a time; apps take turns, however many of one are waiting."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # the next app comes first

    @asynccontextmanager
    async def of(self, app: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it."""
        await self._begin(app)
        try:
            yield
        finally:
            self._end()

    async def _begin(self, app: str) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(app, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end()  # it was given just then
            else:
                self._forget(app, turn)
            raise

    def _end(self) -> None:
        """A turn is over: the next app's first has it."""
        while self._waiting:
            app = next(iter(self._waiting))
            turns = self._waiting.pop(app)
            turn = turns.popleft()
            if turns:
                self._waiting[app] = turns  # behind the others
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _forget(self, app: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(app)
        if turns and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[app]
