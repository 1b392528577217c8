"""One account's part of a worker process: its listener, its sweep, its drains.

All of it lives on one event loop. Nothing of it begins before Redis has said that the account is
this deployment's. At most one drain claims at a time. Whoever finds work while no
drain claims sends a signal, and the signal starts a drain.
"""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, cast

import redis

from sluicegate.config import Config
from sluicegate.connections import connect_async
from sluicegate.errors import OutboxError, WrongDeployment
from sluicegate.identity import Identities
from sluicegate.keys import Keys
from sluicegate.redis_errors import translated
from sluicegate.safety import hazards

from .archiving import archiving
from .deafness import Deafness
from .drain import Drain
from .handing_over import handing_over
from .observe.metrics import Meters
from .provider.gateway import Gateway
from .queue import Queue
from .reconciling import reconciling
from .rendering import GrantRenderer, TextHashes
from .spool import Spool
from .summary import Summary
from .sweep import sweeping
from .wire import Swept

RESIGNAL_SECONDS = 5.0
"""A signal that started no drain within this time counts as lost."""

_LISTEN_SECONDS = 5.0
_REST_SECONDS = 1.0
_WAKE_SECONDS = 0.01  # a thousand enqueues a second make a hundred claims, not a thousand

log = logging.getLogger(__name__)


class AccountWork:
    """Everything that a worker process does for one account, from its making to ``aclose``.

    ``signal(account)`` asks for a drain from outside. It is called in a thread, so it may block,
    and it may fail. ``diagnose()`` says why signals start no drain, "" where it can't tell.
    ``refuse(why)`` is called if the account is another deployment's: then nothing is ever done.
    """

    def __init__(
        self,
        config: Config,
        account: str,
        worker: str,
        gateway: Gateway,
        meters: Meters,
        signal: Callable[[str], None],
        diagnose: Callable[[], str] = str,
        refuse: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._config, self._account = config, account
        self._gateway, self._meters, self._signal = gateway, meters, signal
        self._deafness, self._refuse = Deafness(diagnose), refuse
        self._client = connect_async(config.redis_url, pack_in_c=True)
        self._listening_client = connect_async(
            config.redis_url, answer_seconds=2 * _LISTEN_SECONDS
        )
        self._queue = Queue(self._client, config, account, worker)
        self._renderer = GrantRenderer(self._client, Keys(account))
        self._texts = TextHashes(self._client, Keys(account), config.account(account))
        self._spool = Spool(config.spool_directory, account)
        self._drains: set[Drain] = set()
        self._signalled_at = -RESIGNAL_SECONDS
        self._over = asyncio.Event()
        self._over.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._signals: set[asyncio.Task[None]] = set()
        self._is_ours = False
        self._identified = asyncio.create_task(self._begin())

    async def drain(self) -> Summary:
        """Drain until idle, stopped or out of time; return at once where a drain claims here."""
        self._deafness.note_drain()
        await asyncio.wait([self._identified], timeout=self._config.drain_seconds)
        if not self._is_ours:
            return self._counted(Summary(Counter(), 0.0, "not known to be this deployment's"))
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
            read=self._renderer.message,
            text_hash=self._texts.of,
            on_end=self._on_drain_end,
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

    def stop(self) -> None:
        """Claim no more, and let what was started come to its end."""
        self._identified.cancel()
        for drain in self._drains:
            drain.stop(self._config.shutdown_grace_seconds)

    async def aclose(self) -> None:
        """Wait for the drains, end every task, and close the connections."""
        await self._over.wait()
        await end({self._identified})
        await end({*self._tasks, *self._signals})
        await self._gateway.aclose()
        await self._client.aclose()
        await self._listening_client.aclose()

    def _counted(self, summary: Summary) -> Summary:
        self._meters.note_drain(summary.ended)
        return summary

    @property
    def _claiming(self) -> bool:
        return any(drain.claiming for drain in self._drains)

    def _on_drain_end(self, why: str) -> None:
        """A drain that leaves work behind asks for the next one, while it finishes its own."""
        if why not in ("idle", "stopped"):
            asyncio.get_running_loop().call_soon(self._on_work)

    def _on_swept(self, swept: Swept) -> None:
        """A drain hears only of what the sweep brought back; it knows of the other work."""
        if swept.given_back or swept.resent:
            self._on_work()
        else:
            self._ask_unless_claiming()

    def _on_work(self) -> None:
        """Wake the drains; where none of them claims, ask for one."""
        for drain in self._drains:
            drain.wake()
        self._ask_unless_claiming()

    def _ask_unless_claiming(self) -> None:
        """Send a signal, unless a drain claims, or a signal was just sent."""
        now = time.monotonic()
        if self._claiming or now - self._signalled_at < RESIGNAL_SECONDS:
            return
        self._signalled_at = now
        task = asyncio.create_task(self._send_signal())
        self._signals.add(task)
        task.add_done_callback(self._signals.discard)

    async def _send_signal(self) -> None:
        try:
            await asyncio.to_thread(self._signal, self._account)
        except Exception as error:  # the broker's client raises whatever its broker does
            log.warning("no signal could be sent, the sweep will try again: %s", error)
            self._deafness.note_signal(time.monotonic(), f"no signal can be sent: {error}")
        else:
            self._deafness.note_signal(time.monotonic())

    async def _begin(self) -> None:
        """Go to work once Redis has said that the account is ours."""
        try:
            await self._once_redis_answers(self._claim_identity)
        except WrongDeployment as error:
            log.error("nothing is sent: %s", error)
            self._refuse(str(error))
            return
        self._is_ours = True
        sweeps = sweeping(self._queue, self._on_swept, self._meters, self._deafness.reason)
        once = map(self._once_redis_answers, (self._publish, self._unspool, self._warn))
        archives = archiving(self._config, self._account)
        compares = reconciling(self._config, self._account)
        hands_over = handing_over(self._config, self._account)
        running = (self._listen(), sweeps, archives, compares, hands_over, *once)
        self._tasks.update(map(asyncio.create_task, running))

    async def _claim_identity(self) -> None:
        await Identities(self._client, self._config, self._account).aclaim()

    async def _listen(self) -> None:
        """Wait for the wake that an enqueue leaves behind, for ever."""
        wake = Keys(self._account)("wake")
        while True:
            try:
                if await self._listening_client.blpop([wake], timeout=_LISTEN_SECONDS):
                    self._on_work()
                    await asyncio.sleep(_WAKE_SECONDS)
            except redis.RedisError as error:
                log.warning("listening pauses: %s", translated(error, ()))
                await asyncio.sleep(_REST_SECONDS)

    async def _publish(self) -> None:
        """Put this worker's limits in force, unless newer ones are."""
        if not await self._queue.publish():
            log.warning(
                "account %s: limits of a higher limits_version are in force, not this file's",
                self._account,
            )

    async def _unspool(self) -> None:
        """Settle what earlier workers could not."""
        await self._spool.settle(self._queue)

    async def _warn(self) -> None:
        """Warn of settings with which messages get lost or go astray, once at the start."""
        info = await self._server_info()
        for hazard in hazards(self._config, self._account, info, os.environ):
            log.warning("account %s: %s", self._account, hazard)

    async def _server_info(self) -> Mapping[str, Any]:
        """What the server says of itself; empty where a hosted Redis keeps it to itself."""
        try:
            return cast("Mapping[str, Any]", await self._client.info())
        except redis.ResponseError:
            return {}
        except redis.RedisError as error:
            raise translated(error, ()) from error

    async def _once_redis_answers(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do ``act`` once, repeating it until Redis takes it."""
        while True:
            try:
                return await act()
            except OutboxError as error:
                log.warning("starting waits: %s", error)
                await asyncio.sleep(_REST_SECONDS)


async def end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel ``tasks`` until they end: redis-py may take a cancellation for a timeout."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.1)
