"""An event loop whose time passes only when everything on it waits: timers, no sockets."""

import asyncio
import selectors


class _Selector(selectors.SelectSelector):
    """Never waits and never looks: where the loop would sleep, it sets the clock on instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and for nothing")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop and its heap of timers under a clock that begins at 0 seconds."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now
