"""The transport against servers that break off at every point of an exchange.

What it must never do is call a request "not sent" of which a server read a byte, nor send one
twice by itself.
"""

import asyncio
import gzip
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from sluicegate.config import Account
from sluicegate_worker.transport import (
    MAX_ANSWER_BYTES,
    GateClosed,
    MaybeSent,
    NotSent,
    Reply,
    Transport,
    TransportError,
)

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
BODY = b'{"to":"+15551234567"}'
LARGE = b"x" * 900_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\n{}"
HEADERS = {"Authorization": "Bearer KEY", "Content-Type": "application/json"}

POINTS = {
    "before reading": b"",
    "within the request's body": b"",
    "after the request": b"",
    "within the status line": b"HTTP/1.1 20",
    "within the headers": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-On",
    "within the answer's body": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{",
    "within a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    "before the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
}
MANNERS = ("close", "reset", "hang")


class Fault(NamedTuple):
    point: str
    manner: str


class Server:
    """A server that answers request after request with the same bytes, or does as it is told."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.tls, self.answer, self.trickle = tls, ANSWER, False
        self.faults: list[Fault | None] = []
        self.connections = self.requests = self.read = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.url = ""
        self._over = asyncio.Event()
        self._handlers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        name = socket.create_server(("127.0.0.1", 0))
        name.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._server = await asyncio.start_server(self._serve, sock=name, ssl=self.tls)
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{name.getsockname()[1]}/messages"

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
        if manner == "hang":
            cast("asyncio.Transport", writer.transport).pause_reading()
        elif manner == "close":
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
            writer.write(ANSWER)
            return False
        if fault is None or fault.point != "before reading":
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            self.read += len(head)
            fault = self.faults.pop(0) if self.faults else None
            length = int((head.lower().partition(b"content-length:")[2] or b"0").split()[0])
            if fault is not None and fault.point == "within the request's body":
                length //= 2
            self.read += len(await reader.readexactly(length))
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


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pems")
    (folder / "key.pem").write_text(KEY)
    (folder / "certificate.pem").write_text(CERTIFICATE)
    return folder


@pytest.fixture(params=["plain", "tls"])
def tls(
    request: pytest.FixtureRequest, pems: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """The server's side of TLS, with a client that trusts it; None for plain connections."""
    if request.param == "plain":
        return None
    monkeypatch.setenv("SSL_CERT_FILE", str(pems / "certificate.pem"))
    return server_context(pems)


def server_context(pems: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pems / "certificate.pem", pems / "key.pem")
    return context


@asynccontextmanager
async def pair(
    tls: ssl.SSLContext | None = None, connect: float = 10, read: float = 10, **fields: Any
) -> AsyncIterator[tuple[Server, Transport]]:
    """A server and a transport; at the end no connection may be left open."""
    account = Account(connect_timeout_seconds=connect, read_timeout_seconds=read, **fields)
    server, transport = Server(tls), Transport(account)
    await server.start()
    try:
        yield server, transport
    finally:
        await transport.aclose()
        await server.stop()


def run(body: Coroutine[Any, Any, None]) -> None:
    """Run ``body``; whatever the loop had to complain of fails the test."""
    complaints: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, one: complaints.append(one))
        await body

    asyncio.run(main())
    assert not complaints


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.001)


async def kind(posting: Coroutine[Any, Any, Reply]) -> str:
    """What became of a POST."""
    try:
        return f"HTTP {(await posting).status}"
    except TransportError as error:
        return type(error).__name__ if str(error) else "an error without words"


def busy(transport: Transport) -> list[Any]:
    """The connections in use, as aiohttp keeps them."""
    client: Any = transport._inner.client
    return list(client.connector._acquired)


def idle(transport: Transport) -> list[Any]:
    """The connections kept for the next request."""
    client: Any = transport._inner.client
    return [protocol for kept in client.connector._conns.values() for protocol, _ in kept]


# -- the fault matrix


async def fault(
    tls: ssl.SSLContext | None, reused: bool, point: str, manner: str
) -> tuple[str, int]:
    """What became of a POST that met a fault, and how many bytes of it the server read."""
    timeouts = {"connect": 1.0, "read": 0.4} if manner == "hang" else {}
    async with pair(tls, **timeouts) as (server, transport):
        if reused:
            server.faults = [None]
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
        before = server.read, server.requests, server.connections
        asked: list[int] = []

        def gate() -> bool:
            asked.append(server.read - before[0])
            if reused and point == "before reading":
                server.cut(manner)  # while the connection, to the client, is still good
            return True

        server.faults = [Fault(point, manner)]
        body = LARGE if point == "within the request's body" else BODY
        found = await kind(transport.post(server.url, HEADERS, body, gate))
        assert asked in ([0], []), "the gate is asked once, before anything was read"
        assert asked or found == "NotSent"
        assert server.requests - before[1] <= 1, "nothing is ever sent twice"
        assert server.connections - before[2] == (0 if reused else 1), "nor tried twice"
        read = server.read - before[0]
        server.faults = []
        assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
        return found, read


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
def test_fault_matrix(tls: ssl.SSLContext | None, reused: bool) -> None:
    async def body() -> None:
        every = list(product(POINTS, MANNERS))
        found = await asyncio.gather(*(fault(tls, reused, *one) for one in every))
        assert {
            one: kind for one, (kind, _) in zip(every, found, strict=True) if kind != "MaybeSent"
        } == {}
        for (point, _), (_, read) in zip(every, found, strict=True):
            assert (read > 0) == (point != "before reading")

    run(body())


def test_a_request_on_a_connection_that_is_being_closed_is_received_once(
    tls: ssl.SSLContext | None,
) -> None:
    """The server reads the request, and closes: the client must not try again elsewhere."""

    async def body() -> None:
        async with pair(tls) as (server, transport):
            server.faults = [None, Fault("after the request", "close")]
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "MaybeSent"
            assert (server.requests, server.connections) == (2, 1)

    run(body())


def test_a_connection_that_was_closed_while_idle_is_not_used(tls: ssl.SSLContext | None) -> None:
    async def body() -> None:
        async with pair(tls) as (server, transport):
            server.faults = [Fault("after the request", "close")]
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "MaybeSent"
            for _ in range(3):
                assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            server.writers[-1].close()
            await until(lambda: not any(one.is_connected() for one in idle(transport)))
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert server.connections == 3

    run(body())


# -- nothing was sent


def test_a_refused_connection_is_not_sent() -> None:
    async def body() -> None:
        async with pair() as (server, transport):
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            await server.stop()
            await asyncio.gather(*(writer.wait_closed() for writer in server.writers))
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "NotSent"

    run(body())


def test_a_connection_that_is_never_taken_is_not_sent() -> None:
    async def body() -> None:
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            async with pair(connect=0.2) as (_, transport):
                url = f"http://127.0.0.1:{full.getsockname()[1]}/"
                assert await kind(transport.post(url, HEADERS, BODY)) == "NotSent"

    run(body())


def test_a_name_that_does_not_resolve_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def body() -> None:
        async with pair() as (_, transport):
            monkeypatch.setattr(socket, "getaddrinfo", unknown)
            assert await kind(transport.post("http://nobody.test/", HEADERS, BODY)) == "NotSent"

    run(body())


def test_a_resolver_that_hangs_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hanging(*_: Any, **__: Any) -> Any:
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Try again")

    async def body() -> None:
        async with pair(connect=0.2) as (_, transport):
            monkeypatch.setattr(socket, "getaddrinfo", hanging)
            found = await kind(transport.post("http://nobody.test/", HEADERS, BODY))
            over.set()
            assert found == "NotSent"

    run(body())


def test_a_certificate_that_is_not_trusted_is_not_sent(pems: Path) -> None:
    async def body() -> None:
        async with pair(server_context(pems)) as (server, transport):

            def gate() -> bool:
                raise AssertionError("there is no connection to write on")

            assert await kind(transport.post(server.url, HEADERS, BODY, gate)) == "NotSent"
            assert server.read == 0

    run(body())


def test_a_certificate_for_another_name_is_not_sent(
    pems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(pems / "certificate.pem"))
        async with pair(server_context(pems)) as (server, transport):
            url = server.url.replace("127.0.0.1", "127.0.0.2")
            await server.stop()
            server._over.clear()
            other = socket.create_server(("127.0.0.2", int(url.split(":")[2].split("/")[0])))
            server._server = await asyncio.start_server(server._serve, sock=other, ssl=server.tls)
            assert await kind(transport.post(url, HEADERS, BODY)) == "NotSent"
            assert server.read == 0

    run(body())


@pytest.mark.parametrize("manner", ["close", "reset", "garbage", "hang"])
def test_a_handshake_that_fails_is_not_sent(manner: str) -> None:
    async def body() -> None:
        connect = 0.3 if manner == "hang" else 10
        async with pair(connect=connect) as (server, transport):
            server.faults = [Fault("before reading", manner)]
            url = server.url.replace("http:", "https:")
            if manner == "garbage":
                server.faults = [Fault("in the handshake", manner)]
            assert await kind(transport.post(url, HEADERS, BODY)) == "NotSent"

    run(body())


@pytest.mark.parametrize("url", ["http://[::1/", "http:///x", "ftp://127.0.0.1/", "http://a..b/"])
def test_a_url_that_makes_no_sense_is_not_sent(url: str) -> None:
    async def body() -> None:
        async with pair() as (_, transport):
            assert await kind(transport.post(url, HEADERS, BODY)) == "NotSent"

    run(body())


@pytest.mark.parametrize("value", ["a\r\nb", "ключ"])
def test_a_header_that_cant_be_written_is_not_sent(value: str) -> None:
    async def body() -> None:
        async with pair() as (server, transport):
            posting = transport.post(server.url, {"Authorization": value}, BODY)
            assert await kind(posting) in ("NotSent", "MaybeSent")
            assert server.read == 0

    run(body())


def test_after_closing_nothing_is_sent() -> None:
    async def body() -> None:
        async with pair() as (server, transport):
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            await transport.aclose()
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "NotSent"
            assert server.requests == 1

    run(body())


# -- the gate


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
def test_a_closed_gate_writes_nothing_and_keeps_the_connection(
    tls: ssl.SSLContext | None, reused: bool
) -> None:
    """A connection may take longer to open than a start is good for: it must serve the next."""

    async def body() -> None:
        async with pair(tls) as (server, transport):
            if reused:
                assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            before = server.read
            for _ in range(3):
                posting = transport.post(server.url, HEADERS, BODY, lambda: False)
                assert await kind(posting) == "GateClosed"
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert server.connections == 1
            assert server.requests == 1 + reused
            assert server.read == before * 2 if reused else server.read > 0

    run(body())


def test_the_gate_is_asked_once_and_only_once_there_is_a_connection(
    tls: ssl.SSLContext | None,
) -> None:
    async def body() -> None:
        async with pair(tls) as (server, transport):
            asked: list[tuple[int, int]] = []

            def gate() -> bool:
                asked.append((len(busy(transport)), server.read))
                return True

            assert await kind(transport.post(server.url, HEADERS, BODY, gate)) == "HTTP 200"
            assert asked == [(1, 0)]

    run(body())


def test_each_of_many_has_its_own_gate(tls: ssl.SSLContext | None) -> None:
    async def body() -> None:
        async with pair(tls) as (server, transport):
            gates: list[Callable[[], bool]] = [lambda: True, lambda: False]
            found = await asyncio.gather(
                *(kind(transport.post(server.url, HEADERS, BODY, gates[n % 2])) for n in range(20))
            )
            assert found == ["HTTP 200", "GateClosed"] * 10
            assert server.requests == 10

    run(body())


def test_a_post_that_is_cancelled_closes_its_connection(tls: ssl.SSLContext | None) -> None:
    async def body() -> None:
        async with pair(tls) as (server, transport):
            server.faults = [Fault("after the request", "hang")]
            task = asyncio.create_task(transport.post(server.url, HEADERS, BODY))
            await until(lambda: server.requests)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert busy(transport) == []
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert server.connections == 2

    run(body())


def test_more_posts_than_the_worker_wants_do_not_wait_for_each_other() -> None:
    """Who sends bounds how many; a queue in here would use up time that starts don't have."""

    async def body() -> None:
        async with pair(worker_concurrency=1) as (server, transport):
            server.faults = [Fault("after the request", "hang")]
            first = asyncio.create_task(kind(transport.post(server.url, HEADERS, BODY)))
            await until(lambda: server.requests)
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert not first.done()
            server.cut("close")
            server.writers[0].close()
            assert await first == "MaybeSent"

    run(body())


# -- answers


def answered(answer: bytes, method: str = "post", **fields: Any) -> Reply | str:
    """What comes of a request that is answered so; the server reads one request only."""
    result: list[Reply | str] = []

    async def body() -> None:
        async with pair(**fields) as (server, transport):
            server.answer = answer
            try:
                result.append(await transport.post(server.url, HEADERS, BODY))
            except TransportError as error:
                result.append(type(error).__name__)
            assert server.requests == 1

    run(body())
    return result[0]


def test_a_whole_answer() -> None:
    assert answered(ANSWER) == Reply(200, {"content-length": "2", "x-one": "1"}, b"{}")


def test_redirects_are_not_followed() -> None:
    for status in (301, 302, 303, 307, 308):
        reply = answered(
            f"HTTP/1.1 {status} X\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert isinstance(reply, Reply)
        assert reply.status == status


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER, 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "MaybeSent"),
        (b"\x16\x03\x01\x00\xa5" * 20 + b"\r\n\r\n", "MaybeSent"),
        (b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", 999),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "MaybeSent"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "MaybeSent"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", "MaybeSent"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
            "MaybeSent",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "MaybeSent"),
    ],
)
def test_odd_answers(answer: bytes, expected: int | str) -> None:
    reply = answered(answer)
    assert (reply.status if isinstance(reply, Reply) else reply) == expected


def test_a_packed_answer_is_unpacked() -> None:
    packed = gzip.compress(b'{"data":1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    reply = answered(head.encode() + packed)
    assert isinstance(reply, Reply)
    assert reply.body == b'{"data":1}'


def test_a_huge_answer_is_cut() -> None:
    head = b"HTTP/1.1 400 Bad\r\nContent-Length: 5000000\r\n\r\n"
    reply = answered(head + b"x" * 5_000_000)
    assert isinstance(reply, Reply)
    assert reply.body == b"x" * MAX_ANSWER_BYTES


def test_an_endless_answer_is_cut() -> None:
    """More is promised than ever comes: what is needed was read long before."""
    head = b"HTTP/1.1 400 Bad\r\nContent-Length: 50000000\r\n\r\n"
    reply = answered(head + b"x" * 3_000_000)
    assert isinstance(reply, Reply)
    assert len(reply.body) == MAX_ANSWER_BYTES


def test_an_answer_that_trickles_ends_at_the_deadline() -> None:
    async def body() -> None:
        async with pair(connect=0.2, read=0.2) as (server, transport):
            server.trickle = True
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "MaybeSent"

    run(body())


def test_get_has_no_gate_and_the_same_words() -> None:
    async def body() -> None:
        async with pair() as (server, transport):
            assert await kind(transport.get(server.url, HEADERS)) == "HTTP 200"
            server.answer = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
            assert await kind(transport.get(server.url, HEADERS)) == "MaybeSent"
            await server.stop()
            assert await kind(transport.get(server.url, HEADERS)) == "NotSent"

    run(body())


def test_errors_are_one_family_and_say_what_happened() -> None:
    assert all(issubclass(one, TransportError) for one in (GateClosed, NotSent, MaybeSent))

    async def body() -> None:
        async with pair() as (server, transport):
            server.faults = [Fault("after the request", "close")]
            with pytest.raises(MaybeSent, match="disconnect"):
                await transport.post(server.url, HEADERS, BODY)
            await server.stop()
            with pytest.raises(NotSent, match=r"127\.0\.0\.1"):
                await transport.post(server.url, HEADERS, BODY)

    run(body())
