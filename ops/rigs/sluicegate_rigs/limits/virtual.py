"""An event loop whose time passes only when all its tasks wait; it has timers, no sockets."""

import asyncio
import math
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple, Unpack

_Args = TypeVarTuple("_Args")

TICK_SECONDS = 0.001
"""How late a timer may fire: epoll sleeps in whole milliseconds, rounded up."""


class _Selector(selectors.SelectSelector):
    """Never waits: instead of sleeping, it advances the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("every task waits, and no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop and timers, under a clock that begins at 0 seconds.

    ``asyncio.sleep`` is exact, and simulates the network and other clients. ``asyncio.timeout``,
    which drains wait with, is rounded up to ticks.
    """

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return super().call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        wait = max(0.0, when - self.time())
        ticks = math.ceil(wait / TICK_SECONDS) if math.isfinite(wait) else wait
        return super().call_at(
            self.time() + ticks * TICK_SECONDS, callback, *args, context=context
        )
