"""A server that breaks off an exchange wherever it is told to, and counts what it saw of it."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple, cast

import uvloop

# A key and a self-made certificate for localhost and 127.0.0.1, valid from 2020 to 2120.
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOtb0C2kTRUl/PthT
+q7/78ki7YrJACHUJGYOsojtsWChRANCAASgsBT3ZLAN8QPNNEggcPkJTfNrUoUR
4zrJd2I0SyyjiWGRy87vhlBINHUKceiaLDX8H2s9xZa2YheytID6qNen
-----END PRIVATE KEY-----
"""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBdjCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKCwFPdksA3xA800
SCBw+QlN82tShRHjOsl3YjRLLKOJYZHLzu+GUEg0dQpx6JosNfwfaz3FlrZiF7K0
gPqo16ejXjBcMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAPBgNVHRMBAf8E
BTADAQH/MB0GA1UdDgQWBBToydITc//YTnnhIv7FYNk35l2ITzAOBgNVHQ8BAf8E
BAMCAoQwCgYIKoZIzj0EAwIDRwAwRAIgeMyH85qoaueWkhun9MClBokNSsI5ICLS
RDaK7LjKe3YCICydYyK9huPtVn769DUN0hjkzVuiE0zvlZZtUIMsNQR0
-----END CERTIFICATE-----
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\n{}"

POINTS = {
    "before the request": b"",
    "within the request": b"",
    "after the request": b"",
    "within the status line": b"HTTP/1.1 20",
    "within the answer's head": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-On",
    "within the answer's body": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{",
    "within a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    "before the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
}
"""Where an exchange can break off, and what was answered by then."""

READ_BYTES = 8_192
"""How much of a body is read by a server that breaks off within the request."""

LARGE = b"x" * 1_000_000
"""A body that is far from whole once that much of it was read."""


class Fault(NamedTuple):
    """``manner``: refused (there is no server), reset (RST), closed (FIN) or hung."""

    point: str
    manner: str


class Server:
    """A server that answers request after request with the same bytes, or does as it is told."""

    def __init__(self, tls: ssl.SSLContext | None, host: str = "127.0.0.1") -> None:
        self.tls, self.host, self.answer, self.trickle = tls, host, ANSWER, False
        self.faults: list[Fault | None] = []
        self.connections = self.requests = self.read = 0
        self.heads: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.base = ""
        self.asked = asyncio.Event()
        """To be set by the gate: who breaks off before the request waits for it."""
        self._over = asyncio.Event()
        self._handlers: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        return self.base + "/messages"

    async def start(self) -> None:
        name = socket.create_server((self.host, 0))
        name.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        self._server = await asyncio.start_server(self._serve, sock=name, ssl=self.tls)
        self.base = f"http{'s' if self.tls else ''}://{self.host}:{name.getsockname()[1]}"

    async def stop(self) -> None:
        self._over.set()
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.gather(*self._handlers)
        await self._server.wait_closed()

    def cut(self, manner: str) -> None:
        """Break the newest connection off, now; one that hangs is read no more."""
        writer = self.writers[-1]
        if manner == "hung":
            cast("asyncio.Transport", writer.transport).pause_reading()
        elif manner == "closed":
            writer.close()
        elif manner == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.append(task)
        self.connections += 1
        self.writers.append(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        fault = self.faults[0] if self.faults else None
        if fault is not None and fault.point == "in the handshake":
            await reader.read(1)
            writer.write(ANSWER if fault.manner == "garbage" else b"")
            self.cut(fault.manner)
            await (self._over.wait() if fault.manner == "hung" else writer.drain())
            return False
        if fault is None or fault.point != "before the request":
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            self.heads.append(head)
            self.read += len(head)
            fault = self.faults.pop(0) if self.faults else None
            length = int((head.lower().partition(b"content-length:")[2] or b"0").split()[0])
            if fault is not None and fault.point == "within the request":
                length = min(length, READ_BYTES)
            self.read += len(await reader.readexactly(length))
        else:
            await self.asked.wait()
        while self.trickle:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
        if fault is None:
            writer.write(self.answer)
            await writer.drain()
            return True
        writer.write(POINTS[fault.point])
        await writer.drain()
        self.cut(fault.manner)
        await self._over.wait()
        return False


def write_pems(folder: Path) -> None:
    """Write the certificate and its key."""
    (folder / "key.pem").write_text(KEY)
    (folder / "certificate.pem").write_text(CERTIFICATE)


def server_context(pems: Path) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pems / "certificate.pem", pems / "key.pem")
    return context


def run(body: Coroutine[Any, Any, None], loop: str = "asyncio") -> None:
    """Run ``body``; whatever the loop had to complain of fails the test."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, one: complaints.append(one))
        await body

    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
    assert not complaints


async def until(condition: Callable[[], object]) -> None:
    """Wait for what has no event."""
    while not condition():  # noqa: ASYNC110 - any condition
        await asyncio.sleep(0.001)
