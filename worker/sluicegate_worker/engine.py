"""The engine of a worker process: one event loop in a thread, and on it every account's work.

The engine knows nothing of Celery: ``signal``, which asks for a drain, is handed in.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sluicegate.config import Config

from .account_work import AccountWork
from .observe.metrics import Meters
from .provider.gateway import Gateway
from .provider.registry import gateway_of
from .summary import Summary

_T = TypeVar("_T")


class Engine:
    """Everything a worker process does for its accounts.

    ``signal(account)`` asks for a drain from outside, through Celery; it may block and it may
    fail. ``diagnose()`` says why signals start no drain, "" where it can't tell.
    ``refuse(why)`` is called if an account turns out to be another deployment's.
    ``gateway(config, account)`` makes an account's gateway; tests hand in their own.
    """

    def __init__(
        self,
        config: Config,
        worker: str,
        signal: Callable[[str], None],
        gateway: Callable[[Config, str], Gateway] = gateway_of,
        diagnose: Callable[[], str] = str,
        refuse: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._config, self._worker = config, worker
        self._signal, self._gateway_of, self._diagnose = signal, gateway, diagnose
        self._refuse = refuse
        self.meters = {name: Meters() for name in config.accounts}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._work: dict[str, AccountWork] = {}
        self._stopping = False

    def start(self) -> None:
        """Listen and sweep for every configured account; raises InvalidConfig."""
        for account in self._config.accounts:
            self._call(self._work_of(account))

    def drain(self, account: str) -> Summary:
        """Run one drain to its end; blocks, so call it from a thread. Raises InvalidConfig."""
        return self._call(self._drain(account))

    def stop(self) -> None:
        """Claim no more and let what was started come to its end; returns at once."""
        self._stopping = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop_all)

    def close(self) -> None:
        """Stop, wait for the drains, close every connection, end the loop; may be called twice."""
        self.stop()
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._running()).result()

    def _running(self) -> asyncio.AbstractEventLoop:
        """The loop, started on first use: a fork before that leaves nothing behind."""
        with self._lock:
            if self._loop is None:
                self._loop = _new_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="sluicegate", daemon=True
                )
                self._thread.start()
            return self._loop

    async def _work_of(self, account: str) -> AccountWork:
        if account not in self._work:
            self._work[account] = AccountWork(
                self._config,
                account,
                self._worker,
                self._gateway_of(self._config, account),
                self.meters[account],
                self._ask_for_drain,
                self._diagnose,
                self._refuse,
            )
        return self._work[account]

    def _ask_for_drain(self, account: str) -> None:
        if not self._stopping:
            self._signal(account)

    async def _drain(self, account: str) -> Summary:
        work = await self._work_of(account)
        if self._stopping:
            return Summary(Counter(), 0.0, "stopping")
        return await work.drain()

    def _stop_all(self) -> None:
        for work in self._work.values():
            work.stop()

    async def _close_all(self) -> None:
        for work in self._work.values():
            await work.aclose()


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: asyncio's takes more CPU, and 256 KB per TLS connection."""
    try:
        import uvloop
    except ImportError:  # PyPy, Windows
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
