"""The stub's ceiling: what a client that does nothing with its answers gets out of it."""

import asyncio
import json
import sys
import time

import uvloop

from . import machine
from .bed import Bed
from .stub import Door

CONNECTIONS = 100
_BODY = b'{"from":"+15557654321","to":"+12125550123","text":"your code is 1234"}'
_REQUEST = (
    b"POST /v2/messages HTTP/1.1\r\nhost: stub\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)
_ANSWER_ENDS = b'"errors":[]}}'


class _Client(asyncio.Protocol):
    """One request after the other on one connection."""

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
            self._transport.write(_REQUEST)  # type: ignore[attr-defined]
        elif not cls.done.done():
            cls.done.set_result(None)


async def _hammer(port: int, count: int) -> float:
    loop = asyncio.get_running_loop()
    _Client.left, _Client.done = count, loop.create_future()
    began = time.perf_counter()
    for _ in range(min(CONNECTIONS, count)):
        await loop.create_connection(_Client, "127.0.0.1", port)
    await _Client.done
    return time.perf_counter() - began


def ceiling(bed: Bed, count: int) -> dict[str, float]:
    """Requests per second, and the stub's CPU seconds per 1,000."""
    bed.clear()
    port = bed.stub.url(Door()).removesuffix("/v2").rpartition(":")[2]
    before = machine.cpu_seconds([bed.stub.pid])
    command = [sys.executable, "-m", "sluicegate_ops.bench.ceiling", port, str(count)]
    seconds = json.loads(bed.run(command, bed.environ(Door())))
    used = machine.cpu_seconds([bed.stub.pid]) - before
    return {"per_second": count / seconds, "stub_cpu_s_per_1k": 1000 * used / count}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(_hammer(int(sys.argv[1]), int(sys.argv[2])))))
