"""The provider as a drain's gateway, behind a network of varying speed."""

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from random import Random

from sluicegate.message import Message
from sluicegate_ops.simulator import Settings
from sluicegate_ops.simulator.limits import (
    Bucket,
    FixedWindow,
    Limiter,
    LimitVerdict,
    SlidingLog,
    reset_text,
)
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.outcome import Accepted, Retry
from sluicegate_worker.provider.rate_headers import parse_rate_headers

from .scenario import Scenario

EPOCH_SECONDS = 1_700_000_000.0
JITTER = 0.15  # standard deviation of a round trip, as a share of it
TAIL, TAIL_FACTOR = 0.01, 3.0  # this share of requests takes this much longer


class Network:
    """One provider with its quota, and the requests that it received."""

    def __init__(self, scenario: Scenario, random: Random) -> None:
        self._scenario, self._random = scenario, random
        self.phase = random.random() * scenario.window
        self.limiter = self._built()
        self._settings = Settings(
            limiter=scenario.provider,
            reset=scenario.reset,
            reset_rounded=scenario.rounded,
            reset_means=scenario.reset_means,
        )
        self.sent = 0
        self.posted_at: dict[str, float] = {}
        self.accepted: list[tuple[float, int]] = []
        self.refused: list[float] = []
        self.taken_by_others: list[float] = []

    def _built(self) -> Limiter:
        limit, window = self._scenario.limit, self._scenario.window
        match self._scenario.provider:
            case "fixed":
                return FixedWindow(limit, window, phase=self.phase - window)
            case "sliding":
                return SlidingLog(limit, window)
            case "bucket":
                return Bucket(limit, window)

    def round_trip(self) -> float:
        """Draw the duration of the next request, in seconds."""
        factor = max(0.5, self._random.gauss(1.0, JITTER))
        return self._scenario.rtt * factor * (TAIL_FACTOR if self._random.random() < TAIL else 1)

    async def others(self) -> None:
        """Take the others' share of the limit, at random times."""
        loop, rate = asyncio.get_running_loop(), self._scenario.others * self._scenario.rate
        while True:
            await asyncio.sleep(self._random.expovariate(rate))
            if self.limiter.take(loop.time()).admitted:
                self.taken_by_others.append(loop.time())

    def stored(self, now: float) -> float:
        """How many tokens a bucket holds; 0 for other kinds."""
        return self.limiter.tokens(now) if isinstance(self.limiter, Bucket) else 0.0

    async def post(self, worker: int, text: str) -> Attempt:
        """Send one of our requests, and return its answer; the first with a text is noted."""
        loop = asyncio.get_running_loop()
        self.sent += 1
        self.posted_at.setdefault(text, loop.time())
        took = self.round_trip()
        there = took * self._random.uniform(0.4, 0.6)
        await asyncio.sleep(there)
        verdict = self.limiter.take(loop.time())
        if verdict.admitted:
            self.accepted.append((loop.time(), worker))
        else:
            self.refused.append(loop.time())
        headers = self._headers(verdict, loop.time())
        await asyncio.sleep(took - there)
        outcome = (
            Accepted("p")
            if verdict.admitted
            else Retry("HTTP 429", "10011", 0.0, charged=False, throttled=True)
        )
        return Attempt(outcome, parse_rate_headers(headers), took * 1000, heard=True)

    def _headers(self, verdict: LimitVerdict, now: float) -> dict[str, str]:
        """The answer's headers, by the provider's clock."""
        clock = EPOCH_SECONDS + now + self._scenario.skew
        headers = {"date": _date(clock)}
        if not verdict.admitted:
            wait = max(1, math.ceil(verdict.retry_seconds - 1e-6))
            headers["retry-after"] = str(wait)
            if self._random.random() < 0.5:
                headers["retry-after"] = _date(clock + wait)
        if self._random.random() < self._scenario.headers:
            headers["x-ratelimit-limit"] = str(self.limiter.limit)
            headers["x-ratelimit-remaining"] = str(verdict.remaining)
            if reset := reset_text(verdict, clock, self._settings):
                headers["x-ratelimit-reset"] = reset
        return headers


class NetworkGateway:
    """One worker's gateway to the simulated provider."""

    def __init__(self, network: Network, worker: int) -> None:
        self._network, self._worker = network, worker

    def request(self, message: Message) -> bytes:
        return (message.text or "").encode()

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool], trace: Mapping[str, str] = {}
    ) -> Attempt:
        if not gate():
            return Attempt(None)
        return await self._network.post(self._worker, request.decode())

    async def probe(self) -> bool:
        return True

    async def aclose(self) -> None:
        pass


def _date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)
