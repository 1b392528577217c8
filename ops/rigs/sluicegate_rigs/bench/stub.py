"""The stub: a provider that accepts everything after a fixed latency, and uses little CPU.

It parses no JSON and keeps no message; it only remembers when each request came. Its process
writes that into shared memory, so that reading it costs nothing.
"""

import asyncio
import contextlib
import gc
import multiprocessing
import os
import re
import ssl
import time
from collections import deque
from collections.abc import Iterator
from ctypes import Array, c_double, c_int64
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import uvloop

NEVER = 1_000_000
"""A limit per second that is never reached."""

READY_SECONDS = 30.0
KNOWN = 2_000_000  # arrivals whose time is remembered
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-ratelimit-limit: %d\r\n"
    b"x-ratelimit-remaining: %d\r\nx-ratelimit-reset: 1\r\ncontent-length: %d\r\n\r\n"
)
_BODY = (
    b'{"data":{"record_type":"message","direction":"outbound",'
    b'"id":"403180de-be5a-4f28-8d4b-%012x","type":"SMS","messaging_profile_id":'
    b'"4001778c-2ff0-4f0b-9d7d-3b1b1a9e2a11","organization_id":'
    b'"b448f9cc-a842-4784-98e9-03c1a5872950","from":{"phone_number":"+15557654321",'
    b'"carrier":"Telnyx","line_type":"VoIP"},"to":[{"phone_number":"+12025550100",'
    b'"status":"queued","carrier":"T-MOBILE USA, INC.","line_type":"Wireless"}],'
    b'"text":"Hi","media":[],"webhook_url":"","webhook_failover_url":"","encoding":"GSM-7",'
    b'"parts":1,"tags":[],"cost":null,"received_at":"2026-01-01T00:00:00.000+00:00",'
    b'"sent_at":null,"completed_at":null,"valid_until":"2026-01-01T01:00:00.000+00:00","errors":[]}}'
)
_BODY_BYTES = len(_BODY % 0)


class Endpoint(msgspec.Struct, frozen=True):
    """A port of the stub: its latency, whether it uses TLS, and the limit in its headers."""

    latency_ms: int = 0
    tls: bool = False
    limit: int = NEVER

    def __str__(self) -> str:
        return f"{self.latency_ms} ms" + ", TLS" * self.tls


ENDPOINTS = (Endpoint(), Endpoint(50), Endpoint(0, True), Endpoint(50, True))
"""The endpoints at which all contenders are compared."""

HOLDING = Endpoint(500, tls=True)
"""Answers so late that a worker opens every connection that it may have."""

EVERY_ENDPOINT = (*ENDPOINTS, HOLDING, Endpoint(limit=50))


class Shared(NamedTuple):
    """What the stub's process writes and the bench reads.

    ``counts`` holds the requests received, the requests waiting for an answer, the most that ever
    waited, and the open connections. ``times`` holds the monotonic seconds of each arrival.
    """

    counts: "Array[c_int64]"
    times: "Array[c_double]"


class Stub:
    """A running stub, as the bench sees it."""

    def __init__(self, pid: int, ports: dict[Endpoint, int], shared: Shared) -> None:
        self.pid, self._ports, self._shared = pid, ports, shared

    def url(self, endpoint: Endpoint) -> str:
        """An endpoint's base URL for API v2."""
        return f"http{'s' * endpoint.tls}://127.0.0.1:{self._ports[endpoint]}/v2"

    @property
    def count(self) -> int:
        """Requests received since ``reset``."""
        return int(self._shared.counts[0])

    @property
    def most_under_way(self) -> int:
        return int(self._shared.counts[2])

    @property
    def connections(self) -> int:
        """Open connections."""
        return int(self._shared.counts[3])

    def time(self, number: int) -> float:
        """When request ``number``, counted from 0, arrived, in monotonic seconds."""
        return float(self._shared.times[number])

    def reset(self) -> None:
        """Forget all requests; only while nobody sends."""
        self._shared.counts[:3] = [0, 0, 0]


@contextlib.contextmanager
def stub(certificate: Path) -> Iterator[Stub]:
    """Run a stub in its own process; ``certificate`` is a PEM file with the key in it."""
    spawning = multiprocessing.get_context("spawn")
    shared = Shared(spawning.RawArray(c_int64, 4), spawning.RawArray(c_double, KNOWN))
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(shared, certificate, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(READY_SECONDS):
            raise TimeoutError("the stub did not start")
        yield Stub(process.pid or 0, dict(zip(EVERY_ENDPOINT, ours.recv(), strict=True)), shared)
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()


def _serve(shared: Shared, certificate: Path, ready: Connection) -> None:
    os.setsid()  # the terminal's Ctrl-C is for the bench to handle
    gc.freeze()
    uvloop.run(_listen(shared, certificate, ready))


async def _listen(shared: Shared, certificate: Path, ready: Connection) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    loop, ports = asyncio.get_running_loop(), []
    for endpoint in EVERY_ENDPOINT:
        service = _Service(endpoint, shared)
        server = await loop.create_server(
            lambda service=service: _Wire(service),
            "127.0.0.1",
            0,
            backlog=4096,
            ssl=context if endpoint.tls else None,
        )
        ports.append(server.sockets[0].getsockname()[1])
    ready.send(ports)
    over = asyncio.Event()
    loop.add_reader(
        ready.fileno(), over.set
    )  # nobody writes: this is the end of the process that started us
    await over.wait()


class _Service:
    """The server side of an endpoint: notes each arrival, and answers in order when due."""

    def __init__(self, endpoint: Endpoint, shared: Shared) -> None:
        self._seconds, self._limit = endpoint.latency_ms / 1000, endpoint.limit
        self.counts, self._times = shared
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, asyncio.Transport, bytes]] = deque()
        self._second, self._in_second = 0, 0

    def arrived(self, transport: asyncio.Transport) -> None:
        now = time.monotonic()
        number = self.counts[0]
        if number < KNOWN:
            self._times[number] = now
        self.counts[0] = number + 1
        answer = self._answer(number, int(now))
        if not self._seconds:
            transport.write(answer)
            return
        self.counts[1] += 1
        self.counts[2] = max(self.counts[1], self.counts[2])
        if not self._waiting:
            self._loop.call_later(self._seconds, self._due)
        self._waiting.append((now + self._seconds, transport, answer))

    def _answer(self, number: int, second: int) -> bytes:
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        remaining = max(0, self._limit - self._in_second)
        return _HEAD % (self._limit, remaining, _BODY_BYTES) + _BODY % number

    def _due(self) -> None:
        waiting, now = self._waiting, time.monotonic() + 0.0005  # its timers count whole ms
        while waiting and waiting[0][0] <= now:
            _, transport, answer = waiting.popleft()
            self.counts[1] -= 1
            transport.write(answer)
        if waiting:
            self._loop.call_later(waiting[0][0] - now, self._due)


class _Wire(asyncio.Protocol):
    """One connection; only finds where each request ends."""

    def __init__(self, service: _Service) -> None:
        self._service, self._rest = service, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's class is no subclass of asyncio's
        self._service.counts[3] += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._service.counts[3] -= 1

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        while (head := data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(data, 0, head + 2)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(data) < end:
                break
            data = data[end:]
            self._service.arrived(self._transport)
        self._rest = data
