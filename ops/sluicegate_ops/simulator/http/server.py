"""Runs a simulator: on an event loop, in its own process, or in a thread for a test."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from ..admin import Admin
from ..billing import CostSums
from ..messages import Arrival
from ..provider import ARRIVALS_PAGE, Provider
from ..request_log import LoggedPost
from ..settings import Settings, changed
from .exchange import HttpReply, Request
from .wire import Connection


class Simulator:
    """A fake provider on a TCP port; an async context manager.

    ``start`` after ``stop`` is the same provider after an outage: at the same port, with all its
    state.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self._host, self._port = settings.host, settings.port
        self._provider = Provider(settings)
        self._admin = Admin(self._provider)
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._errands: asyncio.Task[None] | None = None

    @property
    def base(self) -> str:
        """The root URL without a trailing slash; the port is known after the start."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def url(self) -> str:
        """The base URL of API v2, as the official SDK expects it."""
        return self.base + "/v2"

    @property
    def settings(self) -> Settings:
        """The current settings."""
        return self._provider.settings

    async def start(self) -> None:
        """Start listening; raises ``OSError`` if the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self._handle, self._connections),
            self._host,
            self._port,
            backlog=4096,
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._errands = asyncio.create_task(self._provider.webhook_sender.run())

    async def stop(self) -> None:
        """Stop listening, cut every connection, and hold back the webhooks.

        Does nothing if it is not running.
        """
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        if self._errands is not None:
            self._errands.cancel()
            await asyncio.gather(self._errands, return_exceptions=True)
        connections = list(self._connections)
        for connection in connections:
            connection.abort()
        for connection in connections:
            await connection.lost.wait()
        await server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _handle(self, request: Request) -> HttpReply:
        if request.path.startswith("/_sim"):
            return self._admin.handle(request)
        return self._provider.handle(request)

    def report(self) -> dict[str, object]:
        """The content of ``GET /_sim/report``; callable from any thread."""
        return self._provider.report()

    def recipients(self) -> dict[str, int]:
        """The number of messages accepted for each recipient; callable from any thread."""
        return self._provider.recipients()

    def requests(self, after: int = 0) -> list[LoggedPost]:
        """The POSTs after the first ``after``, in order of arrival; callable from any thread."""
        return self._provider.requests(after)

    def arrivals(self, after: int = 0, limit: int = ARRIVALS_PAGE) -> list[Arrival]:
        """The accepted messages after the first ``after``, in order; callable from any thread."""
        return self._provider.arrivals(after, limit)

    def costs(self) -> CostSums:
        """What was billed in all, by sender, carrier and day."""
        return self._provider.costs()

    def webhooks(self) -> dict[str, int]:
        """The content of ``GET /_sim/webhooks``: counts of the events."""
        return self._provider.webhooks()

    @property
    def public_key(self) -> str:
        """The public key of the webhooks' signatures, in base64."""
        return self._provider.public_key

    def change(self, changes: Mapping[str, object]) -> None:
        """Change settings like ``POST /_sim/settings``; only on the simulator's own loop.

        Raises ``ValueError`` for an unknown name or a bad value.
        """
        self._provider.change(changed(self._provider.settings, changes))

    def reset(self) -> None:
        """Forget everything but the settings; only on the simulator's own loop."""
        self._provider.reset()


async def serve(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Run a simulator until SIGINT, SIGTERM or a cancellation; only in a main thread.

    Calls ``on_ready`` with its URL once it listens.
    """
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    async with Simulator(settings) as simulator:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        try:
            on_ready(simulator.url)
            await stopped.wait()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def run(settings: Settings, on_ready: Callable[[str], None]) -> None:
    """Run a simulator in the foreground; returns after SIGINT or SIGTERM."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(settings, on_ready))


@contextmanager
def simulator_in_thread(settings: Settings | None = None) -> Iterator[Simulator]:
    """Run a simulator in a thread, on its own loop, until the block ends."""
    started: Future[tuple[Simulator, Callable[[], object]]] = Future()

    async def body() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        async with Simulator(settings) as simulator:
            started.set_result((simulator, lambda: loop.call_soon_threadsafe(stopped.set)))
            await stopped.wait()

    def main() -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(body())
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=main, name="simulator", daemon=True)
    thread.start()
    simulator, stop = started.result()
    try:
        yield simulator
    finally:
        stop()
        thread.join()


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's event loop if it is installed, otherwise asyncio's."""
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()
