"""``Sluice`` and ``AsyncSluice``: what an app calls to enqueue messages and to ask about them.

``outbox`` does everything but the I/O for both of them; only the I/O is written twice.

    sluice = Sluice()                                   # SLUICEGATE_REDIS_URL, sluicegate.toml
    sluice.enqueue(to="+15551234567", sender="+15557654321", text="Your code is 1234")
    for result in sluice.enqueue_many(rows):            # any iterable, streamed in batches
        if not result.ok: print(result.error)
"""

import math
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import Any, Self, Unpack, overload

import redis
import redis.asyncio

from .archive import ArchiveReader, aread_archived
from .caps import Caps
from .config import Config, load
from .connections import bytes_only, connect, connect_async_client
from .deadlines import CALL_SECONDS, within
from .errors import CapReached, OutboxError, OutboxFull
from .keys import Keys
from .lazy_results import AsyncLazyResults, LazyResults
from .message import MessageFields
from .optouts import OptOuts
from .outbox import (
    BATCH,
    CALL,
    CANCEL,
    ENQUEUE,
    STATUS_FIELDS,
    Batch,
    CancelResult,
    EnqueueResult,
    Item,
    MessageStatus,
    Outbox,
)
from .redis_errors import translated
from .scripts import PipelinedScript, Scripts
from .tracing import TracedSpan, enqueuing

_MEMORY_CHECK_SECONDS = 1.0


class _Base:
    """What both clients share: the outbox, and Redis's memory use when it was last asked for."""

    def __init__(
        self,
        config: Config | None,
        account: str,
        app: str,
        caps: Caps | None,
        timeout_seconds: float,
    ) -> None:
        self.config = config or load()
        self.timeout_seconds = timeout_seconds
        self._outbox = Outbox(self.config, account, app, caps)
        self._memory: Mapping[str, Any] = {}
        self._memory_asked = -math.inf

    @property
    def keys(self) -> Keys:
        """The names of the account's keys."""
        return self._outbox.keys

    def stored_id(self, id: str) -> str:
        """The id under which a message of this app is stored, and which people use for it."""
        return self._outbox.id_of(id)

    def _enqueuing(self, items: Sequence[Item]) -> AbstractContextManager[TracedSpan | None]:
        """A span around the enqueueing of ``items``, where the app traces itself."""
        return enqueuing(self._outbox.keys.account, [] if self._outbox.dry else items)

    def _memory_is_due(self) -> bool:
        now = time.monotonic()
        due = now - self._memory_asked >= _MEMORY_CHECK_SECONDS
        if due:
            self._memory_asked = now
        return due


def _items(message: Item | None, fields: Mapping[str, Any]) -> list[Item]:
    if message is not None and fields:
        raise TypeError("give a Message, or the fields of one, not both")
    return [fields if message is None else message]


def _note(span: TracedSpan | None, results: Sequence[EnqueueResult]) -> None:
    """Say with a span what became of its message; of many, only whether all are accounted for."""
    if span is None:
        return
    refused = next((result.outcome for result in results if not result.ok), "")
    if len(results) == 1:
        [one] = results
        span.set({"messaging.message.id": one.id, "sluicegate.outcome": one.outcome})
    if refused:
        span.fail(refused)


def _single(results: list[EnqueueResult]) -> EnqueueResult:
    [result] = results
    if result.error:
        raise result.error
    return result


class Sluice(_Base):
    """One account's outbox, synchronously.

    ``app`` names who enqueues, for people and for fairness: apps take turns, however much each has
    waiting, and the ids of an app's messages live under its name. To the app they are its own;
    whoever else looks adds the name, as in ``sluicegate message show billing:order-1``. Beyond
    the ``caps`` of its app, if it has any, enqueueing raises CapReached.

    ``config`` defaults to ``sluicegate.toml`` and the environment. A ``Sluice`` is safe to share
    between threads and across fork, and opens its first connection when it is first used.
    ``client``, if given, is used instead of one to ``redis_url``; it must not decode responses,
    and has its own timeouts. Otherwise a call lasts ``timeout_seconds`` at most, however often it
    is tried, and then raises OutboxUnavailable; ``enqueue_many`` has as long for every 250.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        account: str = "default",
        app: str = "",
        caps: Caps | None = None,
        client: redis.Redis | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> None:
        super().__init__(config, account, app, caps, timeout_seconds)
        url = self.config.redis_url
        self.client = connect(url, timeout_seconds) if client is None else bytes_only(client)
        self.optouts = OptOuts(self.client, self.keys)
        self._archive = ArchiveReader(self.client, self.config, account)
        self._scripts = Scripts(self.client, self.keys.prefix)
        self._pipelined = PipelinedScript(self.client, self.keys.prefix, ENQUEUE, self._scripts)

    @overload
    def enqueue(self, message: Item, /) -> EnqueueResult: ...
    @overload
    def enqueue(self, /, **fields: Unpack[MessageFields]) -> EnqueueResult: ...
    def enqueue(self, message: Item | None = None, /, **fields: Any) -> EnqueueResult:
        """Enqueue one message, given whole or as its fields; return its ``EnqueueResult``.

        Raises InvalidMessage or IdReused; OutboxFull if Redis is full and it was not stored; and
        OutboxUnavailable if that is unknown: repeat the call with the id that the error names.
        """
        return _single(self._store(_items(message, fields), []))

    def enqueue_many(self, messages: Iterable[Item]) -> Iterator[EnqueueResult]:
        """Enqueue any iterable, in batches of 1,000; yield one ``EnqueueResult`` each, in order.

        Messages are enqueued while the results are iterated, and at most one batch is read ahead.
        The result of a message that is invalid, or reuses an id, holds its error; the others are
        enqueued all the same.

        Raises OutboxFull, OutboxUnavailable and CapReached, which name the ids of the messages
        that were read and have no result: all before them have theirs, and none after them was
        read. If the messages have ids of your own, the whole call may simply be repeated.
        """
        return LazyResults(self._enqueue_many(messages))

    def status(self, id: str) -> MessageStatus:
        """Return where a message stands, also from the archive.

        Raises UnknownMessage, OutboxUnavailable, and ArchiveUnavailable if it may be in an archive
        that can't be asked.
        """
        with _translating([id]), within(self.timeout_seconds):
            pipeline = self.client.pipeline(transaction=True)
            self._outbox.ask_status(pipeline, id)
            replies = pipeline.execute()
            if replies[0][0] is None:
                archived = self._archive.get(self._outbox.id_of(id))
                replies = [archived.values(STATUS_FIELDS), None, None] if archived else replies
            return Outbox.status(id, replies)

    def cancel(self, id: str) -> CancelResult:
        """Cancel a message; whatever this returns, no further POST of it begins.

        That is ``cancelled``; ``maybe_sent`` if it is cancelled too, but an attempt before may
        have reached the provider; ``in_flight`` while a worker makes its last POST; or else the
        state that it has reached: ``accepted``, ``in_doubt``, ``dead`` and so on. A message in
        doubt stays so until evidence or a person settles it, and can't be resent.

        Raises UnknownMessage and OutboxUnavailable.
        """
        with _translating([id]), within(self.timeout_seconds):
            reply = self._scripts.call(CANCEL, self._outbox.cancel_args(id))
        return Outbox.cancelled(id, reply)

    def close(self) -> None:
        """Close the connections; the client opens new ones if it is used again."""
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _enqueue_many(self, messages: Iterable[Item]) -> Iterator[EnqueueResult]:
        iterator = iter(messages)
        while items := list(islice(iterator, BATCH)):
            results: list[EnqueueResult] = []
            try:
                self._store(items, results)
            except (OutboxError, CapReached):
                yield from results
                raise
            yield from results

    def _store(self, items: list[Item], results: list[EnqueueResult]) -> list[EnqueueResult]:
        """Store ``items``; each call on Redis adds to ``results``."""
        with self._enqueuing(items) as span:
            stored = self._store_all(items, results, span)
            _note(span, stored)
            return stored

    def _store_all(
        self, items: list[Item], results: list[EnqueueResult], span: TracedSpan | None
    ) -> list[EnqueueResult]:
        """Store ``items``, ``CALL`` at a time, preparing some while the server stores others.

        No call begins before the previous one was answered.
        """
        following = self._outbox.batch(items[:CALL], span=span)
        for end in range(CALL, len(items) + CALL, CALL):
            batch, rest = following, items[end:]
            try:
                with within(self.timeout_seconds):
                    reply, following = self._store_batch(batch, rest, span)
            except redis.RedisError as error:
                raise translated(error, self._outbox.ids(batch, rest)) from error
            try:
                results += batch.results(reply)
            except CapReached as error:
                ids = self._outbox.ids(batch, rest)
                raise CapReached(error.app, error.cap, error.wait_ms, ids) from None
        return results

    def _store_batch(
        self, batch: Batch, rest: list[Item], span: TracedSpan | None
    ) -> tuple[bytes, Batch]:
        """Store ``batch``; return the answer, and the batch that is made of ``rest`` meanwhile."""
        if not batch.ids:
            return b"", self._outbox.batch(rest[:CALL], span=span)
        if self._memory_is_due():
            self._memory = self._ask_memory()
        if full := self._outbox.full(self._memory):
            raise OutboxFull(full, self._outbox.ids(batch, rest))
        if not rest:
            return self._scripts.call(ENQUEUE, batch.args), self._outbox.batch([])
        with self._pipelined.begin(batch.args) as answer:
            following = self._outbox.batch(rest[:CALL], span=span)
            return answer(), following

    def _ask_memory(self) -> Mapping[str, Any]:
        try:
            return self.client.info("memory")
        except redis.ResponseError:
            return {}  # a server without INFO, which must refuse by itself


class AsyncSluice(_Base):
    """``Sluice`` for asyncio: the same calls, awaited; it belongs to one event loop."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        account: str = "default",
        app: str = "",
        caps: Caps | None = None,
        client: redis.asyncio.Redis | None = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> None:
        super().__init__(config, account, app, caps, timeout_seconds)
        url = self.config.redis_url
        self.client = (
            connect_async_client(url, timeout_seconds) if client is None else bytes_only(client)
        )
        self._scripts = Scripts(self.client, self.keys.prefix)

    @overload
    async def enqueue(self, message: Item, /) -> EnqueueResult: ...
    @overload
    async def enqueue(self, /, **fields: Unpack[MessageFields]) -> EnqueueResult: ...
    async def enqueue(self, message: Item | None = None, /, **fields: Any) -> EnqueueResult:
        """``Sluice.enqueue``, awaited."""
        return _single(await self._store(_items(message, fields)))

    def enqueue_many(
        self, messages: Iterable[Item] | AsyncIterable[Item]
    ) -> AsyncIterator[EnqueueResult]:
        """``Sluice.enqueue_many`` over any iterable, also an asynchronous one, 250 at a time."""
        return AsyncLazyResults(self._enqueue_many(messages))

    async def status(self, id: str) -> MessageStatus:
        """``Sluice.status``, awaited."""
        with _translating([id]), within(self.timeout_seconds):
            pipeline = self.client.pipeline(transaction=True)
            self._outbox.ask_status(pipeline, id)
            replies = await pipeline.execute()
            if replies[0][0] is None:
                account, stored_id = self.keys.account, self._outbox.id_of(id)
                archived = await aread_archived(self.client, self.config, account, stored_id)
                replies = [archived.values(STATUS_FIELDS), None, None] if archived else replies
            return Outbox.status(id, replies)

    async def cancel(self, id: str) -> CancelResult:
        """``Sluice.cancel``, awaited."""
        with _translating([id]), within(self.timeout_seconds):
            reply = await self._scripts.acall(CANCEL, self._outbox.cancel_args(id))
        return Outbox.cancelled(id, reply)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def _enqueue_many(
        self, messages: Iterable[Item] | AsyncIterable[Item]
    ) -> AsyncIterator[EnqueueResult]:
        async for items in _batches(messages):
            for result in await self._store(items):
                yield result

    async def _store(self, items: list[Item]) -> list[EnqueueResult]:
        with self._enqueuing(items) as span:
            stored = await self._store_all(items, span)
            _note(span, stored)
            return stored

    async def _store_all(self, items: list[Item], span: TracedSpan | None) -> list[EnqueueResult]:
        batch = self._outbox.batch(items, span=span)
        if not batch.ids:
            return batch.results(b"")
        with _translating(batch.ids), within(self.timeout_seconds):
            if self._memory_is_due():
                self._memory = await self._ask_memory()
            if full := self._outbox.full(self._memory):
                raise OutboxFull(full, batch.ids)
            reply = await self._scripts.acall(ENQUEUE, batch.args)
        return batch.results(reply)

    async def _ask_memory(self) -> Mapping[str, Any]:
        try:
            return await self.client.info("memory")
        except redis.ResponseError:
            return {}


@contextmanager
def _translating(ids: list[str]) -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise translated(error, ids) from error


async def _batches(items: Iterable[Item] | AsyncIterable[Item]) -> AsyncIterator[list[Item]]:
    if not isinstance(items, AsyncIterable):
        iterator = iter(items)
        while batch := list(islice(iterator, CALL)):
            yield batch
        return
    batch = []
    async for item in items:
        batch.append(item)
        if len(batch) == CALL:
            yield batch
            batch = []
    if batch:
        yield batch
