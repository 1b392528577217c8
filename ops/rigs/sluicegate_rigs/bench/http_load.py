"""``python -m sluicegate_rigs.bench.http_load PORT COUNT MANY``: load a front door.

First MANY messages in one bulk request, then COUNT singly over ``CONNECTIONS`` connections, each
as soon as the one before it is answered, then COUNT at ``PACE`` a second. Prints
{"bulk_seconds": ..., "single": ..., "paced": ...}, of which the last two are
{"seconds": ..., "p50_ms": ..., "p99_ms": ...}. It spends little: a client in Python that did more
would be measured instead of the server.
"""

import asyncio
import json
import os
import re
import socket
import sys
import threading
import time
from typing import Any, Final

from .bodies import SENDER, number, text

CONNECTIONS: Final = 32
PACE: Final = 2_000
"""Requests a second that come whether or not those before them are answered."""

TOKEN_ENV: Final = "SLUICEGATE_TOKEN_BENCH"  # noqa: S105 - a variable's name
_LENGTH = re.compile(rb"content-length: ([0-9]+)", re.IGNORECASE)
_TAKEN = b'"status":200'


def _head(path: str, length: int, more: str = "") -> bytes:
    token = os.environ[TOKEN_ENV]
    lines = f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n{more}"
    return f"{lines}content-length: {length}\r\n\r\n".encode()


def _body(key: str, n: int) -> bytes:
    fields = {"from": SENDER, "to": number(n), "text": text(n), "idempotency_key": f"{key}{n}"}
    return json.dumps(fields, separators=(",", ":")).encode()


def bulk(port: int, count: int) -> float:
    """Seconds from the first byte to the last result; raises RuntimeError for a refusal."""
    lines = b"\n".join(_body("b", n) for n in range(count))
    taken = 0

    def read() -> None:
        nonlocal taken
        kept = b""
        while data := sock.recv(262_144):
            taken += (kept + data).count(_TAKEN)
            kept = data[-len(_TAKEN) + 1 :]

    with socket.create_connection(("127.0.0.1", port)) as sock:
        reading = threading.Thread(target=read)
        reading.start()
        began = time.perf_counter()
        sock.sendall(_head("/v2/messages/bulk", len(lines)) + lines)
        reading.join()
        took = time.perf_counter() - began
    if taken != count:
        raise RuntimeError(f"{taken} of {count} lines were taken")
    return took


class _One(asyncio.Protocol):
    """One connection: asks, and asks again once it is answered and the next request is due."""

    def __init__(self, load: "_Load") -> None:
        self._load, self._got, self._at = load, b"", 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a TCP connection
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        following = self._load.following()
        if following is None:
            self._transport.close()
            return
        self._at, request = following  # from when it is due: it may have waited for a connection
        if (early := self._at - time.perf_counter()) > 0:
            asyncio.get_running_loop().call_later(early, self._transport.write, request)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        self._load.answered(head, time.perf_counter() - self._at)
        self._got = b""
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.closed()


class _Load:
    """So many requests, and how long each took; ``pace`` a second, or 0: each once it can."""

    def __init__(self, key: str, count: int, pace: int) -> None:
        self._requests = iter([self._request(key, n) for n in range(count)])
        self._apart, self._due = (1 / pace, time.perf_counter()) if pace else (0.0, 0.0)
        self.waits = list[float]()
        self.done = asyncio.get_running_loop().create_future()
        self._open = CONNECTIONS

    @staticmethod
    def _request(key: str, n: int) -> bytes:
        fields = {"from": SENDER, "to": number(n), "text": text(n)}
        body = json.dumps(fields, separators=(",", ":")).encode()
        return _head("/v2/messages", len(body), f"idempotency-key: {key}{n}\r\n") + body

    def following(self) -> tuple[float, bytes] | None:
        """When the next one is due, and its bytes; None where there is no more."""
        request = next(self._requests, None)
        if request is None:
            return None
        self._due += self._apart
        return self._due or time.perf_counter(), request

    def answered(self, head: bytes, seconds: float) -> None:
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode(errors="replace"))
        self.waits.append(seconds)

    def closed(self) -> None:
        self._open -= 1
        if not self._open and not self.done.done():
            self.done.set_result(None)


async def single(port: int, key: str, count: int, pace: int = 0) -> dict[str, float]:
    """Seconds for all of them, and the milliseconds of the median and of the slowest 1 %."""
    load, loop = _Load(key, count, pace), asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _One(load), "127.0.0.1", port)
    await load.done
    took = time.perf_counter() - began
    if len(load.waits) != count:
        raise RuntimeError(f"{len(load.waits)} of {count} messages were answered")
    waits = sorted(load.waits)
    p50, p99 = (1000 * waits[int(share * (count - 1))] for share in (0.5, 0.99))
    return {"seconds": took, "p50_ms": p50, "p99_ms": p99}


def main() -> None:
    """Load the port that the arguments name."""
    port, count, many = map(int, sys.argv[1:])
    took: dict[str, Any] = {"bulk_seconds": bulk(port, many)}
    took["single"] = asyncio.run(single(port, "s", count))
    took["paced"] = asyncio.run(single(port, "p", count, PACE))
    sys.stdout.write(json.dumps(took) + "\n")


if __name__ == "__main__":
    main()
