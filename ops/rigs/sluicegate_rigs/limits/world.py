"""The world of one run: real drains and scripts, a simulated provider, and the event."""

import asyncio
import itertools
import math
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any, cast

import msgspec
import redis

from sluicegate.config import Account, Config
from sluicegate.message import Message
from sluicegate.outbox import ENQUEUE, Outbox
from sluicegate.redis_errors import translated
from sluicegate.scripts import Argument, Script
from sluicegate_worker.drain import Drain
from sluicegate_worker.queue import SWEEP, Queue
from sluicegate_worker.sweep import sweeping
from sluicegate_worker.wire import Grant, Stepped

from .network import EPOCH_SECONDS, Network, NetworkGateway
from .scenario import AWAY_SECONDS, RunFigures, Scenario, jain
from .virtual import VirtualLoop

CLOCK = "return { server_ms = function() return tonumber(KEYS[2]) end }"
"""Replaces time.lua: each call passes the world's time as its second key."""

BACKLOG, BATCH = 1000, 250
HOUR = 3600.0
MESSAGE = Message(id="m", to="+15551234567", sender="+15550000000", text="hello")
MARK = "transactional-"  # begins the ids of the transactional messages amid the rest
SLOTS_APART = 4  # between two of these, at least, so that none waits for another


class Killed(Exception):
    """A worker died as if by kill -9, holding what it had just claimed."""


class World:
    """One account's workers, server and provider, from a cold start."""

    def __init__(self, scenario: Scenario, store: redis.Redis) -> None:
        self.scenario, self.random = scenario, Random(scenario.seed)  # noqa: S311 - a simulation
        self.network = Network(scenario, self.random)
        # Waiting for a connection is not measured here, so there are enough connections.
        enough = max(100, math.ceil(4 * scenario.rate * scenario.rtt))
        limit, window = scenario.configured or (scenario.limit, scenario.window)
        account = Account(
            limit=limit,
            window_seconds=window,
            max_requests_per_second=scenario.ceiling,
            concurrency=enough,
            worker_concurrency=enough,
            sms_per_second=0.0,  # rates in segments are not measured here either
            mms_per_second=0.0,
        )
        self.config = Config(accounts={"default": account})
        self._store, self._outbox = cast("Any", store), Outbox(self.config, "default")
        # The simulation waits for nothing but scripts: a client would take a quarter of its time.
        self._connection: Any = store.connection_pool.get_connection()
        self._loaded: dict[Script, str] = {}
        self._loop = asyncio.get_running_loop()
        self._ids, self._backlog = itertools.count(), 0
        self.clock_ahead, self.away = 0.0, False
        self.calls: list[float] = []
        self.sweeps: list[float] = []
        self.victim = -1
        self._drains: deque[Drain] = deque()
        self._due_at: dict[str, float] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> RunFigures:
        """Run the scenario; return its figures."""
        scenario = self.scenario
        self._store.flushdb()
        self._fill()
        for number in range(scenario.workers):
            self._begin(self._worker(number))
        if scenario.others:
            self._begin(self.network.others())
        if scenario.transactional:
            self._begin(self._transactional())
        struck = scenario.warm_up
        if scenario.event == "none":
            begins = struck
        else:
            await asyncio.sleep(struck)
            await self._strike()
            begins = self._loop.time() + scenario.settling * scenario.window
        if scenario.provider == "fixed":  # whole windows
            whole = math.ceil((begins - self.network.phase) / scenario.window)
            begins = self.network.phase + whole * scenario.window
        ends = begins + scenario.windows * scenario.window
        await asyncio.sleep(begins - self._loop.time())
        stored = self.network.stored(self._loop.time())
        await asyncio.sleep(ends - self._loop.time())
        stored -= self.network.stored(self._loop.time())
        await self._end()
        self._store.connection_pool.release(self._connection)
        return self._figures(struck, begins, ends, max(0.0, stored))

    def _begin(self, work: Any) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _end(self) -> None:
        for task in self._tasks:
            if task.done() and (error := task.exception()):
                raise error
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _worker(self, number: int) -> None:
        queue = _WorldQueue(self, number)
        await asyncio.sleep(self.random.random() * 0.05)
        await queue.publish()
        drain = Drain(
            queue,
            NetworkGateway(self.network, number),
            self.config.account("default"),
            read=_read,
            monotonic=self._loop.time,
        )
        self._drains.append(drain)
        # While a worker's drain claims, a sweep that finds work need not wake it.
        sweep = asyncio.create_task(self._sweep(queue, number))
        try:
            await drain.run(float("inf"))
        except Killed:
            sweep.cancel()
        else:
            raise RuntimeError("a drain ended on its own")

    async def _sweep(self, queue: Queue, number: int) -> None:
        if not self.scenario.sweepers or number < self.scenario.sweepers:
            seconds = self.scenario.sweep_seconds
            await sweeping(queue, lambda swept: None, interval_seconds=seconds)

    async def _transactional(self) -> None:
        """An app enqueues transactional messages, one at a time, at random moments."""
        scenario = self.scenario
        mean = scenario.slot / scenario.transactional
        least = SLOTS_APART * scenario.slot
        for number in itertools.count():
            await asyncio.sleep(least + self.random.expovariate(1 / (mean - least)))
            message = _marked(f"{MARK}{number}")
            self.run_script(ENQUEUE, self._outbox.enqueue_args([message]))
            self._backlog += 1
            self._due_at[message.id] = self._loop.time()
            await asyncio.sleep(self._hop())
            # The listener that has waited longest gets the wake.
            self._drains[0].wake()
            self._drains.rotate(-1)

    async def _strike(self) -> None:
        limiter = self.network.limiter
        match self.scenario.event:
            case "halved":
                limiter.limit //= 2
            case "doubled":
                limiter.limit *= 2
            case "flushed":
                self._store.flushall()
                self._backlog = 0
                self._fill()
            case "killed":
                self.victim = 0
            case "forward":
                self.clock_ahead += HOUR
            case "back":
                self.clock_ahead -= HOUR
            case "away":
                self.away = True
                await asyncio.sleep(AWAY_SECONDS)
                self.away = False

    # The server.

    def run_script(self, script: Script, args: Sequence[Argument]) -> Any:
        """Run a script at the server's current time."""
        digest = self._loaded.get(script)
        if digest is None:
            digest = self._loaded[script] = self._store.script_load(script.source(CLOCK))
        now_ms = (EPOCH_SECONDS + self._loop.time() + self.clock_ahead) * 1000
        connection = self._connection
        connection.send_command(
            "EVALSHA", digest, 2, self._outbox.keys.prefix, f"{now_ms:.3f}", *args
        )
        return connection.read_response()

    async def call(self, script: Script, args: Sequence[Argument]) -> Any:
        """``run_script`` over the network, in about 0.5 ms; raises OutboxError."""
        (self.sweeps if script is SWEEP else self.calls).append(self._loop.time())
        await asyncio.sleep(self._hop())
        if self.away:
            raise translated(redis.ConnectionError("away"), ())
        answer = self.run_script(script, args)
        await asyncio.sleep(self._hop())
        if self.away:
            raise translated(redis.ConnectionError("the connection broke before the reply"), ())
        return answer

    def granted(self, messages: int) -> None:
        self._backlog -= messages
        if self._backlog < BACKLOG - BATCH:
            self._fill()

    def _fill(self) -> None:
        while self._backlog < BACKLOG:
            messages = [
                Message(
                    id=f"m{next(self._ids)}",
                    to=MESSAGE.to,
                    sender=MESSAGE.sender,
                    text=MESSAGE.text,
                    priority=self.scenario.priority,
                )
                for _ in range(BATCH)
            ]
            self.run_script(ENQUEUE, self._outbox.enqueue_args(messages))
            self._backlog += BATCH

    def _hop(self) -> float:
        return 0.00015 + self.random.expovariate(10_000)

    # The figures.

    def _figures(self, struck: float, begins: float, ends: float, stored: float) -> RunFigures:
        """``stored`` is how many requests came from what a bucket held before."""
        network, window = self.network, self.scenario.window
        ours = [(moment, by) for moment, by in network.accepted if begins <= moment < ends]
        refused = network.refused
        theirs = sum(begins <= moment < ends for moment in network.taken_by_others)
        allowed = network.limiter.limit * (ends - begins) / window - theirs
        waits = [(at, self._waited_ms(name, ends)) for name, at in self._due_at.items()]
        late = ends - self.scenario.patience  # what came later may still be in time
        messages = max(1, len(ours) + sum(begins <= moment < ends for moment in refused))
        return RunFigures(
            utilisation=(len(ours) - stored) / allowed,
            densest_second=_densest([moment for moment, _ in ours]),
            sent=network.sent,
            refused=len(refused),
            refused_in_first_window=sum(moment < window for moment in refused),
            refused_after_event=sum(moment >= struck for moment in refused),
            calls=sum(begins <= moment < ends for moment in self.calls) / messages,
            sweeps=sum(begins <= moment < ends for moment in self.sweeps) / messages,
            jain=jain(ours, begins, ends, self.scenario.workers),
            answers=len(ours) + sum(begins <= moment < ends for moment in refused),
            refused_later=sum(begins <= moment < ends for moment in refused),
            first_silence=_silence([moment for moment, _ in network.accepted], window, ends),
            waits_ms=tuple(wait for at, wait in waits if begins <= at < late),
            first_wait_ms=max((wait for at, wait in waits if at < begins), default=0.0),
        )

    def _waited_ms(self, name: str, ends: float) -> float:
        """From when a transactional message was due to its POST, or to the end."""
        return 1000 * (self.network.posted_at.get(name, ends) - self._due_at[name])


def _silence(moments: list[float], window: float, ends: float) -> float:
    """The longest time without one of ``moments``, which are in order, that began before."""
    times = [0.0, *moments, ends]
    return max(after - before for before, after in pairwise(times) if before < window)


def _densest(moments: list[float]) -> int:
    """The most of ``moments``, which are in order, within a second."""
    return max(
        (bisect_left(moments, at + 1.0) - rank for rank, at in enumerate(moments)), default=0
    )


class _WorldQueue(Queue):
    """The queue as one worker in this world uses it."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(cast("Any", None), world.config, "default", f"worker-{number}")
        self._world, self._number = world, number

    async def step(self, args: Sequence[Argument], token: str = "") -> Stepped:
        done = await super().step(args, token)
        self._world.granted(len(done.claimed.grants))
        if self._number == self._world.victim and done.claimed.grants:
            raise Killed
        return done

    async def _call(self, script: Script, args: Sequence[Argument]) -> Any:
        return await self._world.call(script, args)


async def _read(grant: Grant) -> Message:
    return _marked(grant.id) if grant.id.startswith(MARK) else MESSAGE


def _marked(id: str) -> Message:
    """A transactional message that the network can tell by its text."""
    return msgspec.structs.replace(MESSAGE, id=id, text=id)


def simulate(scenario: Scenario, store: redis.Redis) -> RunFigures:
    """Run one scenario on ``store``; empties its database."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_run(scenario, store))
    finally:
        loop.close()


async def _run(scenario: Scenario, store: redis.Redis) -> RunFigures:
    return await World(scenario, store).run()
