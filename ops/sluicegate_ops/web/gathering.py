"""Batches of receipts: those that arrive at about the same time share one script call."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sluicegate.receipts import BATCH, Receipt, ReceiptResult

GATHER_SECONDS: Final = 0.005

Apply = Callable[[Sequence[Receipt]], Awaitable[Sequence[ReceiptResult]]]


class Gathering:
    """One account's receipts on their way: up to ``BATCH`` within 5 ms go together."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._waiting: list[tuple[Receipt, asyncio.Future[ReceiptResult]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def apply(self, receipt: Receipt) -> ReceiptResult:
        """What the receipt did; raises what applying its batch raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[ReceiptResult] = loop.create_future()
        self._waiting.append((receipt, answer))
        if len(self._waiting) >= BATCH:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(GATHER_SECONDS, self._send)
        return await answer

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._apply_all(batch))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _apply_all(self, batch: list[tuple[Receipt, asyncio.Future[ReceiptResult]]]) -> None:
        futures = [future for _, future in batch]
        try:
            answers = await self._apply([receipt for receipt, _ in batch])
        except Exception as error:  # every caller raises it
            for future in futures:
                if not future.done():
                    future.set_exception(error)
            return
        for future, answer in zip(futures, answers, strict=True):
            if not future.done():  # its caller may have gone
                future.set_result(answer)
