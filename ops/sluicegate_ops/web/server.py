"""Runs the app on a socket: uvicorn, with limits where it has none by default."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .app import make_app
from .site import Site

HEAD_SECONDS: Final = 10.0
"""How long a client may take to send the head of a request."""

CONNECTIONS: Final = 1_000
"""How many connections there may be; a request beyond them is answered 503."""

STOP_SECONDS: Final = 10
"""How long requests under way may take once the server is told to stop."""


class Hurried(HttpToolsProtocol):
    """uvicorn's protocol, with a limit on how long a request's head may take."""

    head_seconds = HEAD_SECONDS
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._late = self.loop.call_later(self.head_seconds, transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._late is None:
            self._late = self.loop.call_later(self.head_seconds, self.transport.close)

    def on_headers_complete(self) -> None:
        self._in_time()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def listening(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1_024)


class Server(uvicorn.Server):
    """A server of one site, to be run on a socket; ``on_ready`` is called once it answers.

    It writes no access log, since URLs hold the mark that makes them ours, and sends no ``Server``
    header.
    """

    def __init__(
        self,
        site: Site,
        on_ready: Callable[[], None] = lambda: None,
        protocol: type[HttpToolsProtocol] = Hurried,
    ) -> None:
        options: dict[str, Any] = {
            "http": protocol,
            "ws": "none",
            "lifespan": "on",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "limit_concurrency": CONNECTIONS,
            "timeout_graceful_shutdown": STOP_SECONDS,
        }
        super().__init__(uvicorn.Config(make_app(site), **options))
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def serve(site: Site, sock: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests under way and return."""
    # uvicorn raises the signal again when it has ended; nothing is left to do then.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    Server(site, on_ready).run(sockets=[sock])
