"""The engine of a worker process: one event loop in a thread, and on it every account's work.

Per account: a listener that hears when something is enqueued, the sweep, and at most one drain
that claims. Whoever finds work where no drain runs sends a signal; the signal starts a drain.
The engine knows nothing of Celery: ``signal`` is handed in.
"""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.connection import HiredisRespSerializer

from sluicegate.client import connect_async
from sluicegate.config import Config
from sluicegate.errors import OutboxError
from sluicegate.keys import Keys

from .drain import Drain, Summary
from .observe.metrics import Meters
from .provider.gateway import Gateway
from .provider.registry import gateway_of
from .queue import Queue
from .rendering import Contents
from .spool import Spool
from .sweep import sweeping
from .wire import Swept

RESIGNAL_SECONDS = 5.0
"""A signal that started no drain within this time is taken for lost."""

_LISTEN_SECONDS = 5.0
_REST_SECONDS = 1.0
_WAKE_SECONDS = 0.01  # a thousand enqueues a second make a hundred claims, not a thousand

_T = TypeVar("_T")

log = logging.getLogger(__name__)


class Engine:
    """Everything a worker process does for its accounts.

    ``signal(account)`` asks for a drain from outside, by way of Celery; it may block and it may
    fail. ``gateway`` makes an account's gateway; tests hand in their own.
    """

    def __init__(
        self,
        config: Config,
        worker: str,
        signal: Callable[[str], None],
        gateway: Callable[[Config, str], Gateway] = gateway_of,
    ) -> None:
        self.config, self.worker, self.signal, self.gateway = config, worker, signal, gateway
        self.meters = {name: Meters() for name in config.accounts}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._work: dict[str, _AccountWork] = {}
        self.stopping = False

    def start(self) -> None:
        """Listen and sweep for every configured account; raises InvalidConfig."""
        for account in self.config.accounts:
            self._call(self._work_of(account))

    def drain(self, account: str) -> Summary:
        """Run one drain to its end; blocks, so call it from a thread. Raises InvalidConfig."""
        return self._call(self._drained(account))

    def stop(self) -> None:
        """Claim no more and let what was started come to its end; returns at once."""
        self.stopping = True
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
        asyncio.run_coroutine_threadsafe(self._closed(), loop).result()
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

    async def _work_of(self, account: str) -> "_AccountWork":
        if account not in self._work:
            self._work[account] = _AccountWork(self, account)
        return self._work[account]

    async def _drained(self, account: str) -> Summary:
        work = await self._work_of(account)
        if self.stopping:
            return Summary(Counter(), 0.0, "stopping")
        return await work.drain()

    def _stop_all(self) -> None:
        for work in self._work.values():
            work.stop()

    async def _closed(self) -> None:
        for work in self._work.values():
            await work.aclose()


class _AccountWork:
    """One account's part of the engine; lives on the engine's loop."""

    def __init__(self, engine: Engine, account: str) -> None:
        config = engine.config
        self._engine, self._account, self._config = engine, account, config
        self._gateway = engine.gateway(config, account)
        self._meters = engine.meters[account]
        self._client = _packing_in_c(connect_async(config.redis_url))
        self._listening_client = connect_async(
            config.redis_url, answer_seconds=2 * _LISTEN_SECONDS
        )
        self._queue = Queue(self._client, config, account, engine.worker)
        self._contents = Contents(self._client, Keys(account))
        self._spool = Spool(config.spool_directory, account)
        self._drains: set[Drain] = set()
        self._signalled_at = -RESIGNAL_SECONDS
        self._over = asyncio.Event()
        self._over.set()
        self._tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(sweeping(self._queue, self._swept, self._meters)),
            asyncio.create_task(self._repeated(self._publish)),
            asyncio.create_task(self._repeated(self._unspool)),
        ]
        self._asking: set[asyncio.Task[None]] = set()

    async def drain(self) -> Summary:
        """Drain until idle, stopped or out of time; at once where another is at it."""
        if self._claiming:
            return self._counted(Summary(Counter(), 0.0, "another drain runs here"))
        self._signalled_at = -RESIGNAL_SECONDS
        drain = Drain(
            self._queue,
            self._gateway,
            self._config.account(self._account),
            name=self._account,
            deployment=self._config.deployment,
            meters=self._meters,
            read=self._contents.message,
            on_end=self._drain_ends,
        )
        self._drains.add(drain)
        self._over.clear()
        try:
            summary = await drain.run(self._config.drain_seconds)
        finally:
            self._drains.discard(drain)
            if not self._drains:
                self._over.set()
        self._spool.write(summary.unsettled)
        return self._counted(summary)

    def _counted(self, summary: Summary) -> Summary:
        self._meters.drained(summary.ended)
        return summary

    def stop(self) -> None:
        for drain in self._drains:
            drain.stop(self._config.shutdown_grace_seconds)

    async def aclose(self) -> None:
        await self._over.wait()
        await _ended({*self._tasks, *self._asking})
        await self._gateway.aclose()
        await self._client.aclose()
        await self._listening_client.aclose()

    @property
    def _claiming(self) -> bool:
        return any(drain.claiming for drain in self._drains)

    def _drain_ends(self, why: str) -> None:
        """A drain that leaves work behind asks for the next one, while it finishes its own."""
        if why not in ("idle", "stopped"):
            asyncio.get_running_loop().call_soon(self._ask)

    async def _listen(self) -> None:
        """Wait for the wake that an enqueue leaves behind."""
        wake = Keys(self._account)("wake")
        while True:
            try:
                if await self._listening_client.blpop([wake], timeout=_LISTEN_SECONDS):
                    self._ask()
                    await asyncio.sleep(_WAKE_SECONDS)
            except redis.RedisError as error:
                log.warning("listening pauses, Redis is away: %s", error)
                await asyncio.sleep(_REST_SECONDS)

    def _ask(self) -> None:
        """There is new work: wake the drain, or send the signal that starts one."""
        for drain in self._drains:
            drain.wake()
        self._ask_where_none_claims()

    def _swept(self, swept: Swept) -> None:
        """What the sweep brought back is news to a drain; that there is work is none."""
        if swept.given_back or swept.resent:
            self._ask()
        else:
            self._ask_where_none_claims()

    def _ask_where_none_claims(self) -> None:
        """A drain that claims knows when to look again; where there is none, ask for one."""
        if self._claiming:
            return
        now = time.monotonic()
        if self._engine.stopping or now - self._signalled_at < RESIGNAL_SECONDS:
            return
        self._signalled_at = now
        task = asyncio.create_task(self._signal())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _signal(self) -> None:
        try:
            await asyncio.to_thread(self._engine.signal, self._account)
        except Exception as error:  # the broker's client raises whatever its broker does
            log.warning("no signal could be sent, the sweep will try again: %s", error)

    async def _publish(self) -> None:
        """Put this worker's limits in force, where it is not older than what is."""
        if not await self._queue.publish():
            log.warning(
                "account %s: limits of a higher limits_version are in force, not this file's",
                self._account,
            )

    async def _unspool(self) -> None:
        """Settle what earlier workers could not."""
        await self._spool.settle(self._queue)

    async def _repeated(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do it once, when Redis is there."""
        while True:
            try:
                return await act()
            except OutboxError as error:
                log.warning("starting waits, Redis is away: %s", error)
                await asyncio.sleep(_REST_SECONDS)


async def _ended(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel ``tasks`` until they end: Redis's client may take a cancellation for a timeout."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.1)


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: asyncio's uses more CPU, and 256 KB a TLS connection."""
    try:
        import uvloop
    except ImportError:  # PyPy, Windows
        return asyncio.new_event_loop()
    made: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return made


class _PackingInC:
    """A connection's mixin: a step has a thousand arguments, redis-py's own loop looks at each."""

    _packer = HiredisRespSerializer()

    def pack_command(self, *args: Any) -> Any:
        return self._packer.pack(*args)


def _packing_in_c(client: redis.asyncio.Redis) -> redis.asyncio.Redis:
    """``client``, before its first connection, with connections that pack as redis-py's others."""
    pool = client.connection_pool
    pool.connection_class = type("_Connection", (_PackingInC, pool.connection_class), {})
    return client
