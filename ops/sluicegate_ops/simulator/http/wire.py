"""HTTP/1.1 on a socket: reads requests, writes replies in order, keeps connections open."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast

import httptools

from ..api import errors
from .exchange import JSON, HttpReply, Request

MAX_BODY_BYTES = 1_048_576

_log = logging.getLogger(__name__)
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class _Pending:
    """A reply that waits for its time, or for earlier replies on the same connection."""

    __slots__ = ("data", "ends", "how", "on_end", "ready", "timer")

    def __init__(self, reply: HttpReply, data: bytes, *, ends: bool) -> None:
        self.data, self.how, self.on_end = data, reply.how, reply.on_end
        #: Whether the connection closes after it.
        self.ends = ends
        self.ready = False
        self.timer: asyncio.TimerHandle | None = None


class Connection(asyncio.Protocol):
    """One client's connection; ``handle`` decides each reply when its request has arrived.

    If the client disconnects, a hanging request ends; other requests that have arrived are
    unaffected.
    """

    def __init__(
        self, handle: Callable[[Request], HttpReply], connections: "set[Connection]"
    ) -> None:
        self._handle, self._connections = handle, connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[_Pending] = deque()
        self._ended = False
        self.lost = asyncio.Event()

    # -- the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, since uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._connections.discard(self)
        self.lost.set()
        hanging = [reply for reply in self._pending if reply.how == "hang" and not reply.ready]
        for pending in hanging:
            if pending.timer is not None:
                pending.timer.cancel()
            self._ready(pending)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def abort(self) -> None:
        """Cut the connection without an answer."""
        self._ended = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            _log.error("the simulator failed", exc_info=error.__context__ or error)
            self._refuse("unexpected")
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse("bad_request")

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        self._url, self._size, self._chunks = b"", 0, list[bytes]()
        self._authorization: bytes | None = None
        self._secret: bytes | None = None
        self._keys: list[bytes] = []
        self._traceparent = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered == b"authorization":
            self._authorization = value
        elif lowered == b"idempotency-key":
            self._keys.append(value)
        elif lowered == b"x-profile-secret":
            self._secret = value
        elif lowered == b"traceparent":
            self._traceparent = value

    def on_headers_complete(self) -> None:
        self._keep_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= MAX_BODY_BYTES:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._ended:
            return
        if self._size > MAX_BODY_BYTES:
            self._refuse("too_big")
            return
        path, _, query = self._url.decode("latin-1").partition("?")
        method = self._parser.get_method().decode()
        request = Request(method, path, query, b"".join(self._chunks))
        request.authorization, request.keys = self._authorization, self._keys
        request.secret, request.traceparent = self._secret, self._traceparent
        self._answer(self._handle(request), ends=not self._keep_alive or method == "HEAD")

    # -- replies

    def _refuse(self, problem: str) -> None:
        """Answer an unreadable request, and close the connection."""
        self._answer(HttpReply(errors.PROBLEMS[problem].status, errors.render(problem)), ends=True)
        self._ended = True

    def _answer(self, reply: HttpReply, *, ends: bool) -> None:
        ends = ends or reply.how != "answer"
        pending = _Pending(reply, encode(reply, closing=ends), ends=ends)
        if reply.delay_seconds <= 0 and not self._pending:
            self._finish(pending)
            self._emit(pending)
            return
        self._pending.append(pending)
        if reply.delay_seconds <= 0:
            self._ready(pending)
        else:
            pending.timer = self._loop.call_later(reply.delay_seconds, self._ready, pending)

    def _ready(self, pending: _Pending) -> None:
        self._finish(pending)
        while self._pending and self._pending[0].ready:
            self._emit(self._pending.popleft())

    def _finish(self, pending: _Pending) -> None:
        pending.ready = True
        if pending.on_end is not None:
            pending.on_end()

    def _emit(self, pending: _Pending) -> None:
        if self._transport.is_closing():
            return
        if pending.data:
            self._transport.write(pending.data)
        if pending.ends:
            self._ended = True
            self._transport.close()


def encode(reply: HttpReply, *, closing: bool) -> bytes:
    """The reply's bytes: none for a close or a hang, half of the body if truncated."""
    if reply.how in ("close", "hang"):
        return b""
    body = reply.body[: len(reply.body) // 2] if reply.how == "truncated" else reply.body
    start = _start(reply.status, reply.content_type, int(time.time()))
    end = b"connection: close\r\n\r\n" if closing and reply.how == "answer" else b"\r\n"
    length = b"content-length: %d\r\n" % len(reply.body)
    return b"".join((start, length, reply.headers, end, body))


@lru_cache(maxsize=64)
def _start(status: int, content_type: bytes, unix_seconds: int) -> bytes:
    """The lines that stay the same within a second."""
    date = formatdate(unix_seconds, usegmt=True).encode()
    return b"HTTP/1.1 %d %b\r\ndate: %b\r\ncontent-type: %b\r\n" % (
        status,
        _REASONS.get(status, b"Unknown"),
        date,
        content_type or JSON,
    )
