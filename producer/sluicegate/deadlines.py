"""Deadlines: how long a call on Redis may last, all its tries, connections and commands together.

Timeouts alone multiply: each holds for one wait, and a call has one per try, per step of setting a
connection up and per command. Here every wait asks how much of its call's time is left.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, cast

import redis.asyncio.retry
import redis.retry

CALL_SECONDS = 3.0
"""How long a call lasts at most, unless the caller says otherwise."""

_LEAST_SECONDS = 0.001  # 0 would mean not to wait at all

_ends: ContextVar[float] = ContextVar("_ends", default=math.inf)  # of the call, on time.monotonic


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Whatever is asked of Redis inside is over after ``seconds``, or an outer deadline before."""
    token = _ends.set(min(_ends.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ends.reset(token)


@asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """``within`` for asyncio, which also cancels what else is awaited; raises TimeoutError then.

    Cancelling does not suffice: redis-py takes one for a timeout of its own, and tries again.
    """
    with within(seconds):
        async with asyncio.timeout(seconds):
            yield


def _left(most: float | None) -> float | None:
    """The seconds that a wait may last: what is left of its call, ``most`` at most."""
    left = min(math.inf if most is None else most, _ends.get() - time.monotonic())
    return None if left == math.inf else max(_LEAST_SECONDS, left)


class Timely:
    """Mixed into a connection of either kind: no wait outlasts the call that it is part of."""

    _answer_seconds: float | None = None
    _connect_seconds: float | None = None

    @property
    def socket_timeout(self) -> float | None:
        return _left(self._answer_seconds)

    @socket_timeout.setter
    def socket_timeout(self, seconds: float | None) -> None:
        self._answer_seconds = seconds

    @property
    def socket_connect_timeout(self) -> float | None:
        return _left(self._connect_seconds)

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, seconds: float | None) -> None:
        self._connect_seconds = seconds


class TimelySync(Timely):
    """The same for a synchronous connection, which sets its socket's timeout only once."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        self._limit()
        return cast("Any", super()).read_response(*args, **kwargs)

    def send_packed_command(self, *args: Any, **kwargs: Any) -> Any:
        self._limit()
        return cast("Any", super()).send_packed_command(*args, **kwargs)

    def _limit(self) -> None:
        socket = cast("Any", self)._sock
        if socket is not None:
            socket.settimeout(self.socket_timeout)


class TimelyRetry(redis.retry.Retry):
    """Retries that end with their call; outside any deadline a call lasts ``seconds``."""

    seconds = CALL_SECONDS

    def call_with_retry(
        self, do: Any, fail: Any, is_retryable: Any = None, with_failure_count: bool = False
    ) -> Any:
        with within(self.seconds):
            return super().call_with_retry(do, fail, _in_time(is_retryable), with_failure_count)


class AsyncTimelyRetry(redis.asyncio.retry.Retry):
    """The same for an asynchronous client."""

    seconds = CALL_SECONDS

    async def call_with_retry(
        self, do: Any, fail: Any, is_retryable: Any = None, with_failure_count: bool = False
    ) -> Any:
        with within(self.seconds):
            return await super().call_with_retry(
                do, fail, _in_time(is_retryable), with_failure_count
            )


def _in_time(
    is_retryable: Callable[[Exception], bool] | None,
) -> Callable[[Exception], bool]:
    def may_retry(error: Exception) -> bool:
        return _ends.get() > time.monotonic() and (is_retryable is None or is_retryable(error))

    return may_retry
