"""Messages of one app on their way into Redis: those that come meanwhile share the next call."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context

from sluicegate.message import Message
from sluicegate.outbox import CALL, EnqueueResult

_Waiting = tuple[Message, asyncio.Future[EnqueueResult]]
Store = Callable[[Sequence[Message]], Awaitable[Sequence[EnqueueResult]]]


class Intake:
    """One app's: one call at a time, with up to ``CALL`` of the messages that wait for it.

    A message that comes alone waits for nothing. An intake belongs to one event loop.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting = deque[_Waiting]()
        self._storing: asyncio.Task[None] | None = None

    async def take(self, message: Message) -> EnqueueResult:
        """Store a message; raises what storing its call raised."""
        answer: asyncio.Future[EnqueueResult] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, answer))
        if self._storing is None:
            # Not in the context of this caller, whose deadline is none of the others'.
            self._storing = asyncio.create_task(self._go_on(), context=Context())
        return await answer

    async def _go_on(self) -> None:
        try:
            while call := self._next():
                await self._store_call(call)
        finally:
            self._storing = None

    def _next(self) -> list[_Waiting]:
        """Those whose turn it is; whoever waits for them no longer is left out."""
        call = list[_Waiting]()
        while self._waiting and len(call) < CALL:
            message, answer = self._waiting.popleft()
            if not answer.done():
                call.append((message, answer))
        return call

    async def _store_call(self, call: Sequence[_Waiting]) -> None:
        try:
            results = await self._store([message for message, _ in call])
        except Exception as error:  # each caller raises it
            for _, answer in call:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), result in zip(call, results, strict=True):
            if not answer.done():
                answer.set_result(result)
