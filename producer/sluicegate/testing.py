"""A ``Sluice`` on fakeredis for an app's own tests, and what may happen to messages on it.

def test_signup_sends_a_code():
    with outbox() as sluice:
        sign_up("+15551234567", sluice)
        [message] = enqueued(sluice)
        assert message.text.startswith("Your code")

As a pytest fixture; ``async_outbox`` gives an ``AsyncSluice`` in the same way:

@pytest.fixture
def sluice():
    with outbox() as sluice:
        yield sluice

What an app does when Redis or the provider fails:

def test_the_order_is_kept_while_redis_is_away(sluice):
    with redis_away(sluice):  # or redis_full
        place_order("4711", sluice)
    assert order("4711").unsent

def test_a_number_that_cannot_be_reached_is_marked(sluice):
    place_order("4711", sluice)
    deliver(sluice, "order-4711", "failed", code="40008")  # or accept, or die
    check_orders(sluice)
    assert customer("4711").unreachable
"""

import itertools
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from .client import AsyncSluice, Sluice
from .config import Config
from .errors import UnknownMessage
from .message import Message, decode
from .receipts import Delivery
from .stored import MessageId, Ticket

AnySluice = Sluice | AsyncSluice

_servers: WeakKeyDictionary[AnySluice, Any] = WeakKeyDictionary()
"""The fake server of each outbox."""


@contextmanager
def outbox(config: Config | None = None, *, app: str = "") -> Iterator[Sluice]:
    """Give a ``Sluice`` whose Redis is a fake in this process; needs ``sluicegate[testing]``.

    Raises ModuleNotFoundError, which names the extra, if fakeredis is not installed.
    """
    fakeredis = _fakeredis()
    server = fakeredis.FakeServer()
    client = fakeredis.FakeRedis(server=server)
    with Sluice(config or Config(), app=app, client=client) as sluice:
        _servers[sluice] = server
        yield sluice


@asynccontextmanager
async def async_outbox(
    config: Config | None = None, *, app: str = ""
) -> AsyncIterator[AsyncSluice]:
    """``outbox`` for asyncio: an ``AsyncSluice``; the other functions here take it too."""
    fakeredis = _fakeredis()
    server = fakeredis.FakeServer()
    client = fakeredis.FakeAsyncRedis(server=server)
    async with AsyncSluice(config or Config(), app=app, client=client) as sluice:
        _servers[sluice] = server
        yield sluice


def enqueued(sluice: AnySluice) -> list[Message]:
    """Return the waiting messages by lane, then the scheduled ones, soonest first.

    Transactional lanes come before bulk ones, then lanes are ordered by type and sender; within a
    lane, the message enqueued first comes first. Messages that ended are left out.
    """
    redis, keys = _store(sluice), sluice.keys
    ids = [
        Ticket.short_of(ticket) for lane in _lanes(sluice) for ticket in redis.lrange(lane, 0, -1)
    ]
    ids += redis.zrange(keys("due"), 0, -1)
    messages = []
    for id in map(bytes.decode, ids):
        content, state = redis.hmget(keys.record(id), "content", "state")
        if content is not None and state in (b"waiting", b"scheduled"):
            messages.append(decode(content, MessageId.parse(id).key))
    return messages


@contextmanager
def redis_away(sluice: AnySluice) -> Iterator[None]:
    """Let no call reach Redis meanwhile, so that they raise OutboxUnavailable."""
    server = _server(sluice)
    server.connected = False
    try:
        yield
    finally:
        server.connected = True


@contextmanager
def redis_full(sluice: AnySluice) -> Iterator[None]:
    """Let Redis be out of memory meanwhile, so that enqueueing raises OutboxFull."""
    before = sluice._memory, sluice._memory_asked
    sluice._memory, sluice._memory_asked = {"maxmemory": 1, "used_memory": 2}, math.inf
    try:
        yield
    finally:
        sluice._memory, sluice._memory_asked = before


def accept(sluice: AnySluice, id: str, provider_id: str = "") -> None:
    """Let the provider have accepted message ``id``; raises UnknownMessage."""
    _end(sluice, id, state="accepted", provider_id=provider_id or f"provider-{id}")


def deliver(
    sluice: AnySluice, id: str, delivery: Delivery = "delivered", *, code: str = ""
) -> None:
    """Let the provider have accepted message ``id``, and a receipt say what became of it.

    That is ``delivered``, ``failed`` or ``unconfirmed``; ``code`` is the carrier's, if it failed.
    Raises UnknownMessage.
    """
    accept(sluice, id)
    receipt = {"delivery": delivery, "delivery_at": _now_ms(), "delivery_code": code}
    _store(sluice).hset(sluice.keys.record(sluice.stored_id(id)), mapping=receipt)


def die(sluice: AnySluice, id: str, code: str = "40310", reason: str = "") -> None:
    """Let message ``id`` be a dead letter, for the provider's ``code``; raises UnknownMessage."""
    _end(sluice, id, state="dead", code=code, reason=reason or f"HTTP 400 {code}")
    _store(sluice).zadd(sluice.keys("dead"), {sluice.stored_id(id): _now_ms()})


def _end(sluice: AnySluice, id: str, **fields: str) -> None:
    """Take a message out of where it waits, and write ``fields`` into its record."""
    redis, keys = _store(sluice), sluice.keys
    stored_id = sluice.stored_id(id)
    if not redis.exists(keys.record(stored_id)):
        raise UnknownMessage(id)
    for lane in _lanes(sluice):
        for ticket in redis.lrange(lane, 0, -1):
            if Ticket.short_of(ticket) == stored_id.encode():
                redis.lrem(lane, 1, ticket)
    redis.zrem(keys("due"), stored_id)
    redis.hset(keys.record(stored_id), mapping={"attempts": 1, "at": _now_ms(), **fields})


def _lanes(sluice: AnySluice) -> Iterator[bytes]:
    redis, keys = _store(sluice), sluice.keys
    lanes = [sorted(redis.scan_iter(match=f"{keys.lane(priority)}?:*")) for priority in "tb"]
    return itertools.chain(*lanes)


def _store(sluice: AnySluice) -> Any:
    """A synchronous client of an outbox's fake server."""
    if isinstance(sluice, Sluice):
        return sluice.client
    return _fakeredis().FakeRedis(server=_server(sluice))


def _server(sluice: AnySluice) -> Any:
    server = _servers.get(sluice)
    if server is None:
        raise TypeError("not an outbox of sluicegate.testing: its Redis is real")
    return server


def _now_ms() -> int:
    return int(time.time() * 1000)


def _fakeredis() -> ModuleType:
    try:
        import fakeredis
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "fakeredis is needed: install Sluicegate with its extra testing"
        ) from error
    return fakeredis
