"""Connections to Redis, with the timeouts and retries that both clients and the worker use."""

from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.backoff import ExponentialBackoff
from redis.connection import HiredisRespSerializer
from redis.retry import Retry

_Client = TypeVar("_Client", redis.Redis, redis.asyncio.Redis)

_CONNECT_SECONDS, _ANSWER_SECONDS = 2.0, 5.0


def connect(url: str) -> redis.Redis:
    """Make a synchronous client with short timeouts and two quick retries; safe across fork.

    Every script is safe to repeat, so a call whose reply was lost is simply made again.
    """
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        health_check_interval=30,
    )


def connect_async(
    url: str, answer_seconds: float = _ANSWER_SECONDS, *, pack_in_c: bool = False
) -> redis.asyncio.Redis:
    """Make an asyncio client; ``answer_seconds`` limits each answer, of blocking commands too.

    With ``pack_in_c``, hiredis encodes the commands, and must be installed. This pays off for
    commands of a thousand arguments, which asynchronous connections encode in Python otherwise.
    """
    client = redis.asyncio.Redis.from_url(
        url,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=answer_seconds,
        retry=redis.asyncio.retry.Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        health_check_interval=30,
    )
    if pack_in_c:
        pool = client.connection_pool
        pool.connection_class = type("_Connection", (_PacksInC, pool.connection_class), {})
    return client


class _PacksInC:
    """Mixed into a connection: packs commands as redis-py's synchronous connections do."""

    _packer = HiredisRespSerializer()

    def pack_command(self, *args: Any) -> Any:
        return self._packer.pack(*args)


def bytes_only(client: _Client) -> _Client:
    """Return ``client`` itself if it answers bytes, as content and tickets must be read.

    Raises ValueError if it decodes its replies.
    """
    untyped: Any = client
    if untyped.connection_pool.connection_kwargs.get("decode_responses"):
        raise ValueError("client: make it without decode_responses")
    return client
