"""``Sluice`` and ``AsyncSluice``: what an app calls to hand over messages and to ask about them.

Both share all thinking with ``outbox``; only the I/O is written twice.

    sluice = Sluice()                                   # SLUICEGATE_REDIS_URL, sluicegate.toml
    sluice.enqueue(to="+15551234567", sender="+15557654321", text="Your code is 1234")
    for result in sluice.enqueue_many(rows):            # any iterable, streamed in batches
        if not result.ok: print(result.error)
"""

import time
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import redis
import redis.asyncio
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from .config import Config, load
from .errors import IdReused, InvalidMessage
from .keys import Keys
from .message import Message
from .optouts import OptOuts
from .outbox import (
    BATCH,
    CANCEL,
    ENQUEUE,
    MessageStatus,
    Outbox,
    Result,
    refused,
    translated,
)
from .scripts import Scripts

Item = Message | Mapping[str, Any]

_CONNECT_SECONDS, _ANSWER_SECONDS = 2.0, 5.0
_MEMORY_CHECK_SECONDS = 1.0


def connect(url: str) -> redis.Redis:
    """A synchronous client with short timeouts and two quick retries; safe across fork.

    Every script is safe to repeat, so a lost reply is simply asked for again.
    """
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        health_check_interval=30,
    )


def connect_async(url: str, answer_seconds: float = _ANSWER_SECONDS) -> redis.asyncio.Redis:
    """``connect`` for asyncio; ``answer_seconds`` bounds each answer, blocking or not."""
    return redis.asyncio.Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=answer_seconds,
        retry=redis.asyncio.retry.Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        health_check_interval=30,
    )


class _Base:
    """What both clients are made of: the outbox, and when memory was last looked at."""

    def __init__(self, config: Config | None, account: str) -> None:
        self.config = config or load()
        self._outbox = Outbox(self.config, account)
        self._memory_checked = -_MEMORY_CHECK_SECONDS

    @property
    def keys(self) -> Keys:
        """The names of the account's keys."""
        return self._outbox.keys

    def _memory_is_due(self) -> bool:
        now = time.monotonic()
        due = now - self._memory_checked >= _MEMORY_CHECK_SECONDS
        if due:
            self._memory_checked = now
        return due

    def _one(self, message: Message | None, fields: Mapping[str, Any]) -> Message:
        if message is not None and fields:
            raise TypeError("give a Message, or the fields of one, not both")
        return self._outbox.checked(fields if message is None else message)


class Sluice(_Base):
    """One account's outbox, synchronously.

    ``config`` defaults to ``sluicegate.toml`` and the environment. A client is safe to share
    between threads and across fork, and opens its first connection when it is first used.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        account: str = "default",
        client: redis.Redis | None = None,
    ) -> None:
        super().__init__(config, account)
        self.client = client or connect(self.config.redis_url)
        self.optouts = OptOuts(self.client, self.keys)
        self._scripts = Scripts(self.client, self.keys.prefix)

    def enqueue(self, message: Message | None = None, **fields: Any) -> Result:
        """Enqueue one message, given whole or as its fields; return its ``Result``.

        Raises InvalidMessage; IdReused; OutboxFull (not stored); OutboxUnavailable (fate unknown:
        repeat it with the same id, which is in the error).
        """
        checked = self._one(message, fields)
        result = self._store([checked])[0]
        if result.error:
            raise result.error
        return result

    def enqueue_many(self, messages: Iterable[Item]) -> Iterator[Result]:
        """Enqueue any iterable, streamed in batches of 200: one ``Result`` each, in order.

        It works as it is iterated. A message that is invalid, or reuses an id, gets its error in
        its result and stops nobody else. Raises OutboxFull and OutboxUnavailable, naming the ids.
        """
        return _Lazy(self._enqueue_many(messages))

    def status(self, id: str) -> MessageStatus:
        """Where a message stands; raises UnknownMessage."""
        with _translating([id]):
            pipeline = self.client.pipeline(transaction=True)
            self._outbox.ask_status(pipeline, id)
            return Outbox.status(id, pipeline.execute())

    def cancel(self, id: str) -> str:
        """Cancel a message that has not started: ``cancelled``, or why not.

        Otherwise ``in_flight`` or the state that it had reached: ``accepted``, ``in_doubt``,
        ``dead``... Raises UnknownMessage.
        """
        with _translating([id]):
            reply = self._scripts.call(CANCEL, self._outbox.cancel_args(id))
        return Outbox.cancelled(id, reply)

    def close(self) -> None:
        """Close the connections; the client opens new ones if it is used again."""
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _enqueue_many(self, messages: Iterable[Item]) -> Iterator[Result]:
        batch = _Batch()
        for item in messages:
            if batch.add(self._outbox, item):
                yield from batch.merged(self._store(batch.messages))
                batch = _Batch()
        if batch.slots:
            yield from batch.merged(self._store(batch.messages))

    def _store(self, messages: list[Message]) -> list[Result]:
        if not messages:
            return []
        ids = [message.id for message in messages]
        with _translating(ids):
            if self._memory_is_due():
                self._outbox.check_memory(self._memory(), ids)
            reply = self._scripts.call(ENQUEUE, self._outbox.enqueue_args(messages))
        return Outbox.results(messages, reply)

    def _memory(self) -> Mapping[str, Any]:
        try:
            return self.client.info("memory")
        except redis.ResponseError:
            return {}  # a server without INFO: its own refusal must do


class AsyncSluice(_Base):
    """``Sluice`` for asyncio: the same calls, awaited."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        account: str = "default",
        client: redis.asyncio.Redis | None = None,
    ) -> None:
        super().__init__(config, account)
        self.client = client or connect_async(self.config.redis_url)
        self._scripts = Scripts(self.client, self.keys.prefix)

    async def enqueue(self, message: Message | None = None, **fields: Any) -> Result:
        """``Sluice.enqueue``, awaited."""
        checked = self._one(message, fields)
        result = (await self._store([checked]))[0]
        if result.error:
            raise result.error
        return result

    async def enqueue_many(
        self, messages: Iterable[Item] | AsyncIterable[Item]
    ) -> AsyncIterator[Result]:
        """``Sluice.enqueue_many`` over any iterable, also an asynchronous one."""
        batch = _Batch()
        async for item in _each(messages):
            if batch.add(self._outbox, item):
                for result in batch.merged(await self._store(batch.messages)):
                    yield result
                batch = _Batch()
        if batch.slots:
            for result in batch.merged(await self._store(batch.messages)):
                yield result

    async def status(self, id: str) -> MessageStatus:
        """``Sluice.status``, awaited."""
        with _translating([id]):
            pipeline = self.client.pipeline(transaction=True)
            self._outbox.ask_status(pipeline, id)
            return Outbox.status(id, await pipeline.execute())

    async def cancel(self, id: str) -> str:
        """``Sluice.cancel``, awaited."""
        with _translating([id]):
            reply = await self._scripts.acall(CANCEL, self._outbox.cancel_args(id))
        return Outbox.cancelled(id, reply)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _store(self, messages: list[Message]) -> list[Result]:
        if not messages:
            return []
        ids = [message.id for message in messages]
        with _translating(ids):
            if self._memory_is_due():
                self._outbox.check_memory(await self._memory(), ids)
            reply = await self._scripts.acall(ENQUEUE, self._outbox.enqueue_args(messages))
        return Outbox.results(messages, reply)

    async def _memory(self) -> Mapping[str, Any]:
        try:
            return await self.client.info("memory")
        except redis.ResponseError:
            return {}


class _Batch:
    """Up to ``BATCH`` items: valid ones to store, refused ones keeping their place."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.slots: list[Result | None] = []

    def add(self, outbox: Outbox, item: Item) -> bool:
        """Take one item; True once the batch is full."""
        try:
            self.messages.append(outbox.checked(item))
            self.slots.append(None)
        except InvalidMessage as error:
            self.slots.append(refused(error))
        return len(self.slots) >= BATCH

    def merged(self, stored: list[Result]) -> Iterator[Result]:
        """The results of all items, in the order they came."""
        results = iter(stored)
        return (slot or next(results) for slot in self.slots)


class _Lazy(Iterator[Result]):
    """An iterator that complains when it was thrown away unused, since then nothing was done."""

    def __init__(self, results: Iterator[Result]) -> None:
        self._results, self._used = results, False

    def __iter__(self) -> Self:
        self._used = True
        return self

    def __next__(self) -> Result:
        self._used = True
        return next(self._results)

    def __del__(self) -> None:
        if not self._used:
            warnings.warn(
                "enqueue_many was never iterated, so nothing was enqueued; "
                "write: for result in sluice.enqueue_many(...)",
                RuntimeWarning,
                stacklevel=2,
            )


@contextmanager
def _translating(ids: list[str]) -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise translated(error, ids) from error


async def _each(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncIterator[Item]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


__all__ = ["AsyncSluice", "IdReused", "Sluice", "connect", "connect_async"]
