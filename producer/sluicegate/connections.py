"""Connections to Redis, with the timeouts, retries and TLS that all clients and the worker use."""

from contextlib import suppress
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.backoff import ExponentialBackoff
from redis.connection import HiredisRespSerializer
from redis.utils import HIREDIS_AVAILABLE

from .config.redis_url import tls_options, without_tls_options
from .deadlines import CALL_SECONDS, AsyncTimelyRetry, Timely, TimelyRetry, TimelySync

if HIREDIS_AVAILABLE:
    from hiredis import pack_command

_Client = TypeVar("_Client", redis.Redis, redis.asyncio.Redis)

_CONNECT_SECONDS, _ANSWER_SECONDS = 2.0, 5.0
_RETRIES, _HEALTH_CHECK_SECONDS = 2, 30


def connect(url: str, timeout_seconds: float = CALL_SECONDS) -> redis.Redis:
    """Make a synchronous client with two quick retries; safe across fork.

    A call lasts ``timeout_seconds`` at most, all tries together, or what is left of the deadline
    that it is made within. Every script is safe to repeat, so a call whose reply was lost is
    simply made again.
    """
    options = tls_options(url) | _timely(TimelyRetry, timeout_seconds)
    if HIREDIS_AVAILABLE:
        options["command_packer"] = _Packer()
    client = redis.Redis.from_url(without_tls_options(url), **options)
    _mix_in(client, TimelySync)
    return client


def connect_async_client(
    url: str, timeout_seconds: float = CALL_SECONDS, *, pack_in_c: bool = False
) -> redis.asyncio.Redis:
    """``connect`` for asyncio; ``pack_in_c`` as for ``connect_async``."""
    options = tls_options(url) | _timely(AsyncTimelyRetry, timeout_seconds)
    client = redis.asyncio.Redis.from_url(without_tls_options(url), **options)
    _mix_in(client, Timely)
    if pack_in_c:
        _mix_in(client, _PacksInC)
    return client


def connect_async(
    url: str, answer_seconds: float = _ANSWER_SECONDS, *, pack_in_c: bool = False
) -> redis.asyncio.Redis:
    """Make a worker's asyncio client; ``answer_seconds`` limits each answer.

    It repeats its calls for as long as it takes, so none has a deadline.

    With ``pack_in_c``, hiredis encodes the commands, and must be installed. This pays off for
    commands of a thousand arguments, which asynchronous connections encode in Python otherwise.
    """
    client = redis.asyncio.Redis.from_url(
        without_tls_options(url),
        **tls_options(url),
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=answer_seconds,
        retry=redis.asyncio.retry.Retry(_backoff(), _RETRIES),
        health_check_interval=_HEALTH_CHECK_SECONDS,
    )
    if pack_in_c:
        _mix_in(client, _PacksInC)
    return client


def _timely(
    retry_of: type[TimelyRetry] | type[AsyncTimelyRetry], seconds: float
) -> dict[str, Any]:
    """The options of a client of which no call, and so no wait, lasts longer than ``seconds``."""
    retry = retry_of(_backoff(), _RETRIES)
    retry.seconds = seconds
    return {
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "retry": retry,
        "health_check_interval": _HEALTH_CHECK_SECONDS,
    }


def _backoff() -> ExponentialBackoff:
    return ExponentialBackoff(cap=0.5, base=0.05)


def _mix_in(client: redis.Redis | redis.asyncio.Redis, mixin: type) -> None:
    pool: Any = client.connection_pool
    pool.connection_class = type("_Connection", (mixin, pool.connection_class), {})


class _Packer(HiredisRespSerializer):
    """Encodes commands in C. Redis-py's own asks of each of a thousand arguments what it is."""

    def pack(self, *args: Any) -> Any:
        with suppress(TypeError):
            if " " not in args[0]:  # else it is two words, such as CONFIG SET
                return [pack_command(args)]
        return super().pack(*args)


class _PacksInC:
    """Mixed into a connection: packs commands as redis-py's synchronous connections do."""

    _packer = _Packer()

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
