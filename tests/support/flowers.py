"""Flower with our pages: in this process, asked by tornado's own client, or by its command."""

import asyncio
import base64
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import flower.urls
from celery import Celery
from flower.app import Flower
from flower.options import default_options
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from sluicegate_ops.dashboard.accounts import OpenAccounts
from sluicegate_ops.dashboard.in_flower.install import install
from sluicegate_rigs.deployment import Process
from sluicegate_rigs.embedded import free_ports

LOGIN = "ada:secret"
COMMAND = [sys.executable, "-m", "celery", "-A", "sluicegate_worker.app", "flower"]
READY_SECONDS = 30


class Page(NamedTuple):
    """What came back."""

    status: int
    body: str
    headers: Any


class Asked(NamedTuple):
    """One request; ``login`` is name:password."""

    path: str
    method: str = "GET"
    body: str | None = None
    login: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@contextmanager
def installed(accounts: OpenAccounts | None = None, **options: Any) -> Iterator[None]:
    """Our pages in Flower, with these options of it, and none of both afterwards."""
    handlers, settings = list(flower.urls.handlers), dict(flower.urls.settings)
    before = {name: getattr(default_options, name) for name in (*options, "address")}
    opened = accounts or OpenAccounts()
    try:
        for name, value in options.items():
            setattr(default_options, name, value)
        install(opened)
        yield
    finally:
        opened.close()
        flower.urls.handlers[:] = handlers
        flower.urls.settings.clear()
        flower.urls.settings.update(settings)
        for name, value in before.items():
            setattr(default_options, name, value)


def asked(*requests: Asked | str) -> list[Page]:
    """The answers of one Flower, whose pages are installed, to these requests in turn."""
    return asyncio.run(_asked([r if isinstance(r, Asked) else Asked(r) for r in requests]))


async def _asked(requests: Sequence[Asked]) -> list[Page]:
    capp = Celery("pages", broker="memory://", set_as_current=False)
    application = Flower(capp=capp, options=default_options, **flower.urls.settings)
    server, client = HTTPServer(application), AsyncHTTPClient(force_instance=True)
    [sock] = bind_sockets(0, "127.0.0.1")
    server.add_socket(sock)
    host = f"127.0.0.1:{sock.getsockname()[1]}"
    try:
        return [await _one(client, host, request) for request in requests]
    finally:
        client.close()
        server.stop()
        await server.close_all_connections()
        application.executor.shutdown()


async def _one(client: AsyncHTTPClient, host: str, request: Asked) -> Page:
    headers = {name: value.replace("HOST", host) for name, value in request.headers}
    if request.login:
        headers["Authorization"] = f"Basic {base64.b64encode(request.login.encode()).decode()}"
    answer = await client.fetch(
        f"http://{host}{request.path}",
        method=request.method,
        body=request.body,
        headers=headers,
        raise_error=False,
        follow_redirects=False,
    )
    return Page(answer.code, answer.body.decode(), answer.headers)


@contextmanager
def running(environ: Mapping[str, str], folder: Path, *options: str) -> Iterator[str]:
    """Flower by the command people know, and where it listens."""
    [port] = free_ports(1)
    process = Process.launched("flower", [*COMMAND, f"--port={port}", *options], environ, folder)
    url, ends = f"http://127.0.0.1:{port}", time.monotonic() + READY_SECONDS
    try:
        while not _answers(f"{url}/healthcheck"):
            assert process.alive, process.log.read_text()
            assert time.monotonic() < ends, process.log.read_text()
            time.sleep(0.05)
        yield url
    finally:
        process.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
