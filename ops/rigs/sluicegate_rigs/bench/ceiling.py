"""The stub's ceiling: the rate that a client reaches if it ignores the answers."""

import asyncio
import json
import ssl
import sys
import time
from urllib.parse import urlsplit

import msgspec
import uvloop

from . import machine
from .environment import Environment
from .peers.task import tls as peer_tls
from .stub import Endpoint

CONNECTIONS = 100
_BODY = b'{"from":"+15557654321","to":"+12125550123","text":"your code is 1234"}'
_REQUEST = (
    b"POST /v2/messages HTTP/1.1\r\nhost: stub\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)
_ANSWER_ENDS = b'"errors":[]}}'


class _StubClient(asyncio.Protocol):
    """Sends one request after another on one connection."""

    left = 0
    done: asyncio.Future[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._write()

    def data_received(self, data: bytes) -> None:
        if data.endswith(_ANSWER_ENDS):
            self._write()

    def _write(self) -> None:
        cls = type(self)
        if cls.left > 0:
            cls.left -= 1
            self._transport.write(_REQUEST)  # type: ignore[attr-defined] # a transport of asyncio's
        elif not cls.done.done():
            cls.done.set_result(None)


async def _hammer(port: int, count: int, tls: ssl.SSLContext | None) -> float:
    loop = asyncio.get_running_loop()
    _StubClient.left, _StubClient.done = count, loop.create_future()
    began = time.perf_counter()
    for _ in range(min(CONNECTIONS, count)):
        await loop.create_connection(_StubClient, "127.0.0.1", port, ssl=tls)
    await _StubClient.done
    return time.perf_counter() - began


class Ceiling(msgspec.Struct, frozen=True):
    """The stub's highest rate at an endpoint, and the CPU that it needs for it."""

    tls: bool
    per_second: float
    stub_cpu_s_per_1k: float


def ceiling(environment: Environment, endpoint: Endpoint, count: int) -> Ceiling:
    """Send ``count`` requests to an endpoint without latency."""
    environment.clear()
    before = machine.cpu_seconds([environment.stub.pid])
    command = [
        sys.executable,
        "-m",
        "sluicegate_rigs.bench.ceiling",
        environment.stub.url(endpoint),
        str(count),
    ]
    seconds = json.loads(environment.run(command, environment.environ(endpoint)))
    used = machine.cpu_seconds([environment.stub.pid]) - before
    return Ceiling(endpoint.tls, count / seconds, 1000 * used / count)


def main() -> None:
    """Send the requests, and print the seconds that they took."""
    url = urlsplit(sys.argv[1])
    tls = peer_tls() if url.scheme == "https" else None
    took = uvloop.run(_hammer(url.port or 0, int(sys.argv[2]), tls))
    sys.stdout.write(json.dumps(took) + "\n")


if __name__ == "__main__":
    main()
