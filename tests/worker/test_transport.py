"""Both transports: connections, the gate, deadlines and odd answers; for faults see the next."""

import asyncio
import gzip
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from sluicegate.config import Account
from sluicegate_worker.provider.exchange import transport_of
from sluicegate_worker.transport import (
    MAX_ANSWER_BYTES,
    GateClosed,
    MaybeSent,
    NotSent,
    Reply,
    Transport,
    TransportError,
)
from sluicegate_worker.transport.aiohttp import tls_context
from support.faulty import ANSWER, Fault, Server, run, server_context, until

BODY = b'{"to":"+15551234567"}'
HEADERS = {"Authorization": "Bearer KEY", "Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _trusted(pems: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pems / "certificate.pem"))


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, pems: Path) -> ssl.SSLContext | None:
    """The server's side of TLS; None for plain connections."""
    return server_context(pems) if request.param == "tls" else None


@asynccontextmanager
async def paired(
    client: Literal["aiohttp", "httpx"],
    tls: ssl.SSLContext | None = None,
    connect: float = 10,
    read: float = 10,
    **fields: Any,
) -> AsyncIterator[tuple[Server, Transport]]:
    account = Account(
        connect_timeout_seconds=connect, read_timeout_seconds=read, transport=client, **fields
    )
    server, transport = Server(tls), transport_of(account)
    await server.start()
    try:
        yield server, transport
    finally:
        await transport.aclose()
        await server.stop()


Pair = Callable[..., AbstractAsyncContextManager[tuple[Server, Transport]]]


@pytest.fixture(params=["aiohttp", "httpx"])
def pair(request: pytest.FixtureRequest) -> Pair:
    """A server and a transport."""
    return partial(paired, request.param)


async def kind(posting: Coroutine[Any, Any, Reply]) -> str:
    """What became of a POST."""
    try:
        return f"HTTP {(await posting).status}"
    except TransportError as error:
        return type(error).__name__ if str(error) else "an error without words"


def connector(transport: Any) -> Any:
    """aiohttp's, which is below either."""
    if hasattr(transport, "_opened"):
        return transport._opened[0]
    return transport._inner.client.connector


def busy(transport: Transport) -> list[Any]:
    """The connections in use, as aiohttp keeps them."""
    return list(connector(transport)._acquired)


def idle(transport: Transport) -> list[Any]:
    """The connections kept for the next request."""
    return [protocol for kept in connector(transport)._conns.values() for protocol, _ in kept]


# -- connections that are reused


def test_a_request_on_a_connection_that_is_being_closed_is_received_once(
    tls: ssl.SSLContext | None, pair: Pair
) -> None:
    """The server reads the request, and closes: the client must not try again elsewhere."""

    async def body() -> None:
        async with pair(tls) as (server, transport):
            server.faults = [None, Fault("after the request", "closed")]
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "MaybeSent"
            assert (server.requests, server.connections) == (2, 1)

    run(body())


def test_a_connection_that_was_closed_while_idle_is_not_used(
    tls: ssl.SSLContext | None, pair: Pair
) -> None:
    async def body() -> None:
        async with pair(tls) as (server, transport):
            server.faults = [Fault("after the request", "closed")]
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "MaybeSent"
            for _ in range(3):
                assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            server.writers[-1].close()
            await until(lambda: not any(one.is_connected() for one in idle(transport)))
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert server.connections == 3

    run(body())


def test_an_answer_that_nobody_asked_for_is_nobodys(
    tls: ssl.SSLContext | None, pair: Pair
) -> None:
    """Taken for the next request's, it would say of a message what was never said."""

    async def body() -> None:
        async with pair(tls) as (server, transport):
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            server.writers[-1].write(ANSWER)
            await until(lambda: any(one.should_close for one in idle(transport)))
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "NotSent"
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert (server.requests, server.connections) == (2, 2)

    run(body())


# -- nothing was sent


def test_a_refused_connection_is_not_sent(pair: Pair) -> None:
    async def body() -> None:
        async with pair() as (server, transport):
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            await server.stop()
            await asyncio.gather(*(writer.wait_closed() for writer in server.writers))
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "NotSent"

    run(body())


def test_a_connection_that_is_never_taken_is_not_sent(pair: Pair) -> None:
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


def test_a_name_that_does_not_resolve_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, pair: Pair
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def body() -> None:
        async with pair() as (_, transport):
            monkeypatch.setattr(socket, "getaddrinfo", unknown)
            assert await kind(transport.post("http://nobody.test/", HEADERS, BODY)) == "NotSent"

    run(body())


def test_a_resolver_that_hangs_is_not_sent(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
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


@pytest.mark.parametrize("url", ["http://[::1/", "http:///x", "ftp://127.0.0.1/", "http://a..b/"])
def test_a_url_that_makes_no_sense_is_not_sent(url: str, pair: Pair) -> None:
    async def body() -> None:
        async with pair() as (_, transport):
            assert await kind(transport.post(url, HEADERS, BODY)) == "NotSent"

    run(body())


@pytest.mark.parametrize("value", ["a\r\nb", "ключ"])
def test_a_header_that_cant_be_written_is_not_sent(value: str, pair: Pair) -> None:
    async def body() -> None:
        async with pair() as (server, transport):
            posting = transport.post(server.url, {"Authorization": value}, BODY)
            assert await kind(posting) in ("NotSent", "MaybeSent")
            assert server.read == 0

    run(body())


def test_after_closing_nothing_is_sent(pair: Pair) -> None:
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
    tls: ssl.SSLContext | None, reused: bool, pair: Pair
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
    tls: ssl.SSLContext | None, pair: Pair
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


def test_each_of_many_has_its_own_gate(tls: ssl.SSLContext | None, pair: Pair) -> None:
    async def body() -> None:
        async with pair(tls) as (server, transport):
            gates: list[Callable[[], bool]] = [lambda: True, lambda: False]
            found = await asyncio.gather(
                *(kind(transport.post(server.url, HEADERS, BODY, gates[n % 2])) for n in range(20))
            )
            assert found == ["HTTP 200", "GateClosed"] * 10
            assert server.requests == 10

    run(body())


def test_a_post_that_is_cancelled_closes_its_connection(
    tls: ssl.SSLContext | None, pair: Pair
) -> None:
    async def body() -> None:
        async with pair(tls) as (server, transport):
            server.faults = [Fault("after the request", "hung")]
            task = asyncio.create_task(transport.post(server.url, HEADERS, BODY))
            await until(lambda: server.requests)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert busy(transport) == []
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert server.connections == 2

    run(body())


def test_more_posts_than_the_worker_wants_do_not_wait_for_each_other(pair: Pair) -> None:
    """Who sends bounds how many; a queue in here would use up time that starts don't have."""

    async def body() -> None:
        async with pair(worker_concurrency=1) as (server, transport):
            server.faults = [Fault("after the request", "hung")]
            first = asyncio.create_task(kind(transport.post(server.url, HEADERS, BODY)))
            await until(lambda: server.requests)
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert not first.done()
            server.writers[0].close()
            assert await first == "MaybeSent"

    run(body())


# -- answers


def answered(pair: Pair, answer: bytes) -> Reply | str:
    """What comes of a request that is answered so; the server reads one request only."""
    result: list[Reply | str] = []

    async def body() -> None:
        async with pair() as (server, transport):
            server.answer = answer
            try:
                result.append(await transport.post(server.url, HEADERS, BODY))
            except TransportError as error:
                result.append(type(error).__name__)
            assert server.requests == 1

    run(body())
    return result[0]


def test_a_whole_answer(pair: Pair) -> None:
    reply = answered(pair, ANSWER)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (200, b"{}")
    named = {name.lower(): value for name, value in reply.headers.items()}
    assert named == {"content-length": "2", "x-one": "1"}
    assert [reply.headers.get(name) for name in ("x-one", "x-two")] == ["1", None]


def test_redirects_are_not_followed(pair: Pair) -> None:
    for status in (301, 302, 303, 307, 308):
        reply = answered(
            pair, f"HTTP/1.1 {status} X\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".encode()
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
def test_odd_answers(answer: bytes, expected: int | str, pair: Pair) -> None:
    reply = answered(pair, answer)
    assert (reply.status if isinstance(reply, Reply) else reply) == expected


def test_a_packed_answer_is_unpacked(pair: Pair) -> None:
    packed = gzip.compress(b'{"data":1}')
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    reply = answered(pair, head.encode() + packed)
    assert isinstance(reply, Reply)
    assert reply.body == b'{"data":1}'


def test_a_huge_answer_is_cut(pair: Pair) -> None:
    head = b"HTTP/1.1 400 Bad\r\nContent-Length: 5000000\r\n\r\n"
    reply = answered(pair, head + b"x" * 5_000_000)
    assert isinstance(reply, Reply)
    assert reply.body == b"x" * MAX_ANSWER_BYTES


def test_an_endless_answer_is_cut(pair: Pair) -> None:
    """More is promised than ever comes: what is needed was read long before."""
    head = b"HTTP/1.1 400 Bad\r\nContent-Length: 50000000\r\n\r\n"
    reply = answered(pair, head + b"x" * 3_000_000)
    assert isinstance(reply, Reply)
    assert len(reply.body) == MAX_ANSWER_BYTES


def test_an_answer_that_trickles_ends_at_the_deadline(pair: Pair) -> None:
    async def body() -> None:
        async with pair(connect=0.2, read=0.2) as (server, transport):
            server.trickle = True
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "MaybeSent"

    run(body())


def test_get_has_no_gate_and_the_same_words(pair: Pair) -> None:
    async def body() -> None:
        async with pair() as (server, transport):
            assert await kind(transport.get(server.url, HEADERS)) == "HTTP 200"
            server.answer = b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
            assert await kind(transport.get(server.url, HEADERS)) == "MaybeSent"
            await server.stop()
            assert await kind(transport.get(server.url, HEADERS)) == "NotSent"

    run(body())


def test_errors_are_one_family_and_say_what_happened(pair: Pair) -> None:
    assert all(issubclass(one, TransportError) for one in (GateClosed, NotSent, MaybeSent))

    async def body() -> None:
        async with pair() as (server, transport):
            server.faults = [Fault("after the request", "closed")]
            with pytest.raises(MaybeSent, match="disconnect"):
                await transport.post(server.url, HEADERS, BODY)
            await server.stop()
            with pytest.raises(NotSent, match=r"127\.0\.0\.1"):
                await transport.post(server.url, HEADERS, BODY)

    run(body())


# -- what is aiohttp's alone


@pytest.mark.parametrize("length", [b"Content-Length: 9999\r\n", b""])
def test_an_answer_whose_body_trickles_ends_at_the_deadline(length: bytes) -> None:
    """Each byte comes in good time, the whole answer never does; nor where its end is the end."""

    async def body() -> None:
        async with paired("aiohttp", read=0.3) as (server, transport):
            server.answer = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n"
            posting = asyncio.create_task(transport.post(server.url, HEADERS, BODY))
            await until(lambda: server.requests)
            while not posting.done():
                server.writers[-1].write(b"x")
                await asyncio.sleep(0.01)
            with pytest.raises(MaybeSent, match=r"no whole answer within 0\.3 s"):
                await posting
            assert busy(transport) == []

    run(body())


def test_each_has_its_own_deadline_though_one_timer_looks_after_all() -> None:
    async def body() -> None:
        async with paired("aiohttp", read=0.4) as (server, transport):
            server.faults = [Fault("after the request", "hung")]
            late = asyncio.create_task(kind(transport.post(server.url, HEADERS, BODY)))
            await until(lambda: server.requests)
            while not late.done():
                assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert await late == "MaybeSent"
            assert server.connections == 2

    run(body())


def test_the_exact_bytes_of_a_request() -> None:
    """No header that we did not name but Host and Content-Length: no encoding is asked for."""

    async def body() -> None:
        async with paired("aiohttp") as (server, transport):
            assert await kind(transport.post(server.url + "?q=1", HEADERS, BODY)) == "HTTP 200"
            assert server.heads == [
                b"POST /messages?q=1 HTTP/1.1\r\n"
                b"Host: %b\r\n"
                b"Authorization: Bearer KEY\r\n"
                b"Content-Type: application/json\r\n"
                b"Content-Length: 21\r\n\r\n" % server.base.removeprefix("http://").encode()
            ]

    run(body())


def test_a_proxy_of_the_environment_is_not_used(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def body() -> None:
        async with pair() as (server, transport):
            assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"

    run(body())


def test_a_cookie_is_not_kept(pair: Pair) -> None:
    async def body() -> None:
        async with pair() as (server, transport):
            server.answer = ANSWER.replace(b"X-One: 1", b"Set-Cookie: one=1")
            for _ in range(2):
                assert await kind(transport.post(server.url, HEADERS, BODY)) == "HTTP 200"
            assert b"cookie" not in server.heads[1].lower()

    run(body())


# -- which one


def test_an_account_has_the_transport_that_it_names() -> None:
    assert type(transport_of(Account())).__name__ == "AiohttpTransport"
    assert type(transport_of(Account(transport="httpx"))).__name__ == "HttpxTransport"


def test_httpx_is_not_imported_where_nobody_names_it() -> None:
    code = "import sluicegate_worker.engine, sys; print('httpx' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", None])
def test_both_trust_the_same_certificates(
    variable: str | None, pems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    if variable:
        file = pems / "certificate.pem"
        monkeypatch.setenv(variable, str(file if variable == "SSL_CERT_FILE" else pems))
    ours, theirs = tls_context(), httpx.create_ssl_context()
    assert ours.get_ca_certs() == theirs.get_ca_certs()
    for name in ("verify_mode", "check_hostname", "minimum_version", "options"):
        assert getattr(ours, name) == getattr(theirs, name)
