"""Runs the two apps on their sockets: uvicorn behind the wall, until it is told to stop."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, cast

import uvicorn

from .app import (
    HEALTH_CONNECTIONS,
    HEALTH_CONNECTIONS_PER_ADDRESS,
    make_app,
    make_health_app,
)
from .folding import Folded
from .peers import Peers, Proxies
from .site import Site
from .wall import LIMITS, Door, Limits, Note

STOP_SECONDS: Final = 10
"""How long requests under way may take once the server is told to stop."""

BACKLOG: Final = 4_096
"""How many connections the kernel keeps until they are accepted."""

SPARE_FILES: Final = HEALTH_CONNECTIONS + 256
"""How many files are open beside the connections: on Redis, to apps' webhooks, our own."""

_TICKS_PER_SUMMARY: Final = 100  # of a tenth of a second


def listening(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


class ListenerApp(NamedTuple):
    """An app on a listener of its own, what its connections may take, and what ends it."""

    app: Any
    peers: Peers
    limits: Limits
    close: Callable[[], Awaitable[None]]


class Server(uvicorn.Server):
    """A server of one site, to be run on two sockets: for everybody, and for monitoring.

    Those of the apps ``beside`` it follow. ``on_ready`` is called once it answers. It writes no
    access log, since URLs hold the mark that makes them ours, and sends no ``Server`` header.
    """

    def __init__(
        self,
        site: Site,
        on_ready: Callable[[], None] = lambda: None,
        limits: Limits = LIMITS,
        beside: Sequence[ListenerApp] = (),
    ) -> None:
        web = site.config.web
        peers = Peers(web.connections, web.connections_per_address, Proxies(web.proxies))
        of_health = Peers(HEALTH_CONNECTIONS, HEALTH_CONNECTIONS_PER_ADDRESS)
        super().__init__(_config(make_app(site), limits))
        health = _config(make_health_app(site), limits)
        health.load()
        note = site.counts.note
        self._door = Door(self.config, self.server_state, peers, note, limits)
        self._health = Door(health, self.server_state, of_health, note, limits)
        self._listeners = beside
        self._beside = [self._opened(one, note) for one in beside]
        self._site, self._on_ready = site, on_ready

    def _opened(self, listener: ListenerApp, note: Note) -> Door:
        config = _config(listener.app, listener.limits)
        config.load()
        return Door(config, self.server_state, listener.peers, note, listener.limits)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the site, then listen on the sockets, of which the second is for monitoring."""
        await super().startup([])
        loop = asyncio.get_running_loop()
        doors = (self._door, self._health, *self._beside)
        for door, sock in zip(doors, sockets or [], strict=True):
            made = await loop.create_server(door.opened(), sock=sock, backlog=BACKLOG)
            self.servers.append(cast("Any", made))
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for listener in self._listeners:
            await listener.close()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_SUMMARY == 0:
            self._site.counts.summarise()
        return await super().on_tick(counter)


def _config(app: Any, limits: Limits) -> uvicorn.Config:
    options: dict[str, Any] = {
        "http": "httptools",
        "ws": "none",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": int(limits.idle_seconds) + 60,  # the wall's own comes first
        "timeout_graceful_shutdown": STOP_SECONDS,
    }
    return uvicorn.Config(app, **options)


def connections_possible(wanted: int) -> int:
    """How many of the connections the limit on open files lets us have; it is raised if it may be.

    At least 0.
    """
    if sys.platform == "win32":  # has no such limit
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(0, min(wanted, soft - SPARE_FILES))
    return wanted


def serve(server: Server, sockets: list[socket.socket]) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests under way and return."""
    # uvicorn raises the signal again when it has ended; nothing is left to do then.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    folded = Folded()
    for name in ("asyncio", "uvicorn.error", "sluicegate_ops.web.wall"):
        logging.getLogger(name).addFilter(folded)
    server.run(sockets=sockets)
