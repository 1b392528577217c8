"""The transport over aiohttp: its connections, pool, TLS and parser, without its client session.

A session builds an object for each request, a task for each body and a timer for each timeout.
They are three fifths of an exchange's cost, and a fixed request needs none of them. Without a
session the gate is asked between two plain statements, and nothing could repeat a request.
"""

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping

import aiohttp
import certifi
from aiohttp.connector import Connection
from yarl import URL

from sluicegate.config import Account

from . import MAX_ANSWER_BYTES, GateClosed, Reply, failed

_TICKS, _MAX_TICK_SECONDS = 20, 0.5  # an answer is a twentieth of its time overdue, at most
_SWITCHING = 101  # the only 1xx that is an answer


class _Target:
    """A method and a URL: what finds a connection to it, and how its requests begin."""

    def __init__(self, method: str, url: URL, loop: asyncio.AbstractEventLoop) -> None:
        if url.scheme not in ("http", "https"):
            raise ValueError("neither http nor https")
        self.request = aiohttp.ClientRequest(method, url, loop=loop)
        host = self.request.headers["Host"]
        self._head = f"{method} {url.raw_path_qs} HTTP/1.1\r\nHost: {host}\r\n"

    def request_bytes(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """A whole request; raises ValueError for a header that can't be written."""
        if not "".join(headers.values()).isprintable():
            raise ValueError("a header has a character that can't be written")
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"{self._head}{lines}Content-Length: {len(body)}\r\n\r\n"
        return head.encode("ascii") + body


class _AiohttpExchange:
    """How far one exchange came; ``wire`` is what it was written to, None until it was."""

    __slots__ = ("due", "overdue", "wire")

    def __init__(self) -> None:
        self.wire: asyncio.Transport | None = None
        self.due, self.overdue = 0.0, False


class _Watch:
    """Aborts overdue exchanges, with one timer for all of them.

    All have the same time limit, so they are due in the order in which they were written.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._tick_seconds = seconds, min(_MAX_TICK_SECONDS, seconds / _TICKS)
        self._loop = asyncio.get_running_loop()
        self._written: dict[_AiohttpExchange, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, exchange: _AiohttpExchange, wire: asyncio.Transport) -> None:
        exchange.wire, exchange.due = wire, self._loop.time() + self._seconds
        self._written[exchange] = None
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_seconds, self._look)

    def end(self, exchange: _AiohttpExchange) -> None:
        self._written.pop(exchange, None)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        while self._written and (first := next(iter(self._written))).due <= now:
            del self._written[first]
            first.overdue = True
            if first.wire is not None:
                first.wire.abort()  # which wakes the reader of its answer
        more = bool(self._written)
        self._timer = self._loop.call_later(self._tick_seconds, self._look) if more else None


class AiohttpTransport:
    """See ``transport.Transport``.

    An answer must be complete ``read_timeout_seconds`` after its request was written. This one
    limit also covers a server that trickles bytes, and one that does not read.
    """

    def __init__(self, account: Account) -> None:
        seconds = account.connect_timeout_seconds
        # ``connect`` is the whole way to a connection: name, socket, TLS.
        self._connecting = aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=seconds)
        self._answer_seconds = account.read_timeout_seconds
        self._tls = tls_context()
        self._targets: dict[tuple[str, str], _Target] = {}
        self._opened: tuple[aiohttp.TCPConnector, _Watch] | None = None

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        """See ``transport.Transport``."""
        return await self._exchange("POST", url, headers, body, gate)

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """See ``transport.Transport``."""
        return await self._exchange("GET", url, headers, b"", lambda: True)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._opened:
            connector, watch = self._opened
            watch.close()
            await connector.close()

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool],
    ) -> Reply:
        exchange = _AiohttpExchange()
        try:
            connector, watch = self._opened or self._open()
            target = self._targets.get((method, url)) or self._target(method, url)
            request = target.request_bytes(headers, body)
            connection = await connector.connect(target.request, [], self._connecting)
            try:
                return await _answer(connection, request, gate, exchange, watch)
            finally:
                watch.end(exchange)
        except GateClosed:
            raise
        except Exception as error:  # aiohttp, ssl and the resolver have no common root
            late = TimeoutError(f"no whole answer within {self._answer_seconds:g} s")
            why = late if exchange.overdue else error
            failure = failed(why, written=exchange.wire is not None)
        raise failure

    def _open(self) -> tuple[aiohttp.TCPConnector, _Watch]:
        # No limit: the drain bounds the POSTs, and a request queued here would outlive its start.
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
        self._opened = connector, _Watch(self._answer_seconds)
        return self._opened

    def _target(self, method: str, url: str) -> _Target:
        target = _Target(method, URL(url), asyncio.get_running_loop())
        self._targets[method, url] = target
        return target


async def _answer(
    connection: Connection,
    request: bytes,
    gate: Callable[[], bool],
    exchange: _AiohttpExchange,
    watch: _Watch,
) -> Reply:
    """Write the request and read the answer; the connection is released, or closed at once."""
    wire, protocol = connection.transport, connection.protocol
    try:
        if wire is None or protocol is None or protocol.should_close:
            # Lost meanwhile, or it holds bytes that answer no request of ours.
            raise ConnectionError("the connection was not fit for a request")
        protocol.set_response_params(read_until_eof=True)
        if not gate():
            raise GateClosed("the gate closed before the request was written")
        watch.begin(exchange, wire)
        wire.write(request)
        message, content = await protocol.read()
        while 100 <= message.code < 200 and message.code != _SWITCHING:
            message, content = await protocol.read()
        reply = Reply(message.code, message.headers, await _cut(content))
        if exchange.overdue:  # our own abort looks like the end of a body without a length
            raise TimeoutError
        if not content.is_eof() or wire.get_write_buffer_size():
            _drop(connection)  # what is left of either would disturb the next exchange
        connection.release()
        return reply
    except GateClosed:
        # Nothing was written, so the next request can use it.
        connection.release()
        raise
    except BaseException:  # a cancellation also leaves half an exchange behind
        _drop(connection)
        raise


async def _cut(content: aiohttp.StreamReader) -> bytes:
    """A body, up to MAX_ANSWER_BYTES."""
    body = await content.readany()
    if content.at_eof():  # nearly always
        return body[:MAX_ANSWER_BYTES]
    longer = bytearray(body)
    while len(longer) < MAX_ANSWER_BYTES and not content.at_eof():
        longer += await content.readany()
    return bytes(longer[:MAX_ANSWER_BYTES])


def _drop(connection: Connection) -> None:
    """Close at once: a graceful close would wait for a peer that may never read."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


def tls_context() -> ssl.SSLContext:
    """Checks certificates against $SSL_CERT_FILE, $SSL_CERT_DIR or certifi's bundle."""
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    return ssl.create_default_context(cafile=certifi.where())
