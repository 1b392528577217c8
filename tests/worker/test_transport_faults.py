"""Every way in which an exchange over TLS can break off, what we make of it, and what was seen.

What must never be is a request called "not sent" of which the server saw a byte, nor one that the
server saw twice. The table that is found here is the one in ``docs/TRANSPORT.md``.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

from sluicegate.config import Account
from sluicegate_worker.provider.exchange import transport_of
from sluicegate_worker.provider.outcome import Accepted, Doubt, Retry
from sluicegate_worker.provider.telnyx.v2 import TelnyxV2
from sluicegate_worker.transport import Reply, Transport, TransportError
from support.faulty import (
    LARGE,
    POINTS,
    READ_BYTES,
    Fault,
    Server,
    run,
    server_context,
)

PAGE = Path(__file__).parents[2] / "docs" / "TRANSPORT.md"
BODY = b'{"to":"+15551234567"}'
ACCEPTED = b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"data":{"id":"x"}}'
HANDSHAKE = "in the handshake"
MANNERS = ("refused", "reset", "closed", "hung")
Client = Literal["aiohttp", "httpx"]
CLIENTS: tuple[Client, ...] = ("aiohttp", "httpx")


class Cell(NamedTuple):
    """A place in the table."""

    point: str
    connection: Literal["new", "reused"]
    manner: str


class Found(NamedTuple):
    """What was raised, what became of the message, and what the server saw."""

    raised: str
    outcome: str
    requests: int

    def __str__(self) -> str:
        return f"{self.raised}, {self.requests}"


CELLS = [
    Cell("connecting", "new", "refused"),
    Cell("connecting", "new", "hung"),
    *(Cell(HANDSHAKE, "new", manner) for manner in MANNERS[1:]),
    Cell("in the handshake: not TLS", "new", "refused"),
    Cell("in the handshake: certificate not trusted", "new", "refused"),
    Cell("in the handshake: certificate of another name", "new", "refused"),
    *(Cell(p, "new", m) for p in POINTS for m in MANNERS[1:]),
    *(Cell(p, "reused", m) for p in POINTS for m in MANNERS[1:]),
]


class Noting:
    """A transport, and what its POSTs raised."""

    def __init__(self, inner: Transport) -> None:
        self._inner, self.raised = inner, list[str]()
        self.get, self.aclose = inner.get, inner.aclose

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        try:
            return await self._inner.post(url, headers, body, gate)
        except TransportError as error:
            self.raised.append(type(error).__name__)
            raise


@asynccontextmanager
async def server_of(cell: Cell, tls: ssl.SSLContext) -> AsyncIterator[Server]:
    """The other side; who can't even be connected to is a server that never sees anything."""
    name = "127.0.0.2" if cell.point.endswith("of another name") else "127.0.0.1"
    # Who breaks a handshake off, or answers it with something else, need not know how it goes.
    server = Server(None if fault_of(cell).point == HANDSHAKE else tls, name)
    server.answer = ACCEPTED
    if cell.point == "connecting":
        with unreachable(cell.manner) as port:
            server.base = f"https://127.0.0.1:{port}"
            yield server
        return
    await server.start()
    server.base = server.base.replace("http:", "https:")
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def unreachable(manner: str) -> Iterator[int]:
    """A port at which nobody listens, or one at which nobody is ever let in."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        if manner == "hung":
            full.listen(0)
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def timeouts(cell: Cell) -> tuple[float, float]:
    """To connect, to answer: short where one ends the exchange, endless where it must not."""
    if cell.manner != "hung":
        return 60, 60
    return (0.5, 60) if cell.point in ("connecting", HANDSHAKE) else (60, 1)


def transport_for(cell: Cell, client: Client, server: Server) -> Noting:
    connect, read = timeouts(cell)
    account = Account(
        base_url=server.base,
        transport=client,
        connect_timeout_seconds=connect,
        read_timeout_seconds=read,
    )
    with pytest.MonkeyPatch.context() as patch:
        if cell.point.endswith("not trusted"):
            patch.delenv("SSL_CERT_FILE")
        return Noting(transport_of(account))


class Turns:
    """Lets few exchanges at once share the loop, and none before every transport is made.

    A transport reads a file of certificates, which holds up the loop for a while: an exchange
    that may last a second only would not survive many of those, nor a crowd of handshakes.
    """

    AT_ONCE = 16

    def __init__(self, exchanges: int) -> None:
        self._all_made, self._turn = asyncio.Barrier(exchanges), asyncio.Semaphore(self.AT_ONCE)

    @asynccontextmanager
    async def mine(self) -> AsyncIterator[None]:
        await self._all_made.wait()
        async with self._turn:
            yield


async def found(cell: Cell, client: Client, tls: ssl.SSLContext, turns: Turns) -> Found:
    async with server_of(cell, tls) as server:
        transport = transport_for(cell, client, server)
        gateway = TelnyxV2(Account(base_url=server.base), "KEY", transport)
        try:
            async with turns.mine():
                return await exchanged(cell, gateway, transport, server)
        finally:
            await gateway.aclose()


async def exchanged(cell: Cell, gateway: TelnyxV2, transport: Noting, server: Server) -> Found:
    if cell.connection == "reused":
        assert isinstance((await gateway.send(BODY, "key0")).outcome, Accepted)
    broken = await broken_off(cell, gateway, transport, server)
    if cell.point in POINTS:  # what broke is not in the way of the next message
        assert isinstance((await gateway.send(BODY, "key2")).outcome, Accepted)
    return broken


async def broken_off(cell: Cell, gateway: TelnyxV2, transport: Noting, server: Server) -> Found:
    """Send a message that meets the fault, and look at it from both sides."""
    read, requests, connections = server.read, server.requests, server.connections
    asked: list[int] = []

    def gate() -> bool:
        asked.append(server.read - read)
        server.asked.set()
        if cell.connection == "reused" and cell.point == "before the request":
            server.cut(cell.manner)  # while the connection, to the client, is still good
        return True

    server.faults = [fault_of(cell)]
    large = cell.point == "within the request"
    outcome = (await gateway.send(LARGE if large else BODY, "key1", gate)).outcome
    server.faults = []
    assert isinstance(outcome, Doubt | Retry)
    [raised] = transport.raised
    seen = server.read - read
    assert asked == [0] * (raised == "MaybeSent"), "asked once, before anything was written"
    assert not seen or raised == "MaybeSent"
    assert READ_BYTES < seen < 2 * READ_BYTES if large else seen < 2 * READ_BYTES
    assert server.connections - connections <= (cell.connection == "new"), "tried once"
    return Found(raised, f"{type(outcome).__name__} {outcome.code}", server.requests - requests)


def fault_of(cell: Cell) -> Fault:
    """What the server does; about a certificate it does nothing: we break that off."""
    point, _, what = cell.point.partition(": ")
    if what == "not TLS":
        return Fault(HANDSHAKE, "garbage")
    return Fault(cell.point if what else point, cell.manner)


@pytest.fixture(scope="module")
def documented() -> dict[Cell, str]:
    """The page's table; a cell that can't be is a dash."""
    table: dict[Cell, str] = {}
    text = PAGE.read_text(encoding="utf-8").partition("| Where it breaks off |")[2]
    for line in text.splitlines()[2:]:
        if not line.startswith("|"):
            break
        point, connection, *manners = [part.strip(" `") for part in line.strip("|").split("|")]
        for manner, said in zip(MANNERS, manners, strict=True):
            assert connection in ("new", "reused")
            table[Cell(point, "new" if connection == "new" else "reused", manner)] = said
    return table


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_the_table_of_faults(
    loop: str, pems: Path, monkeypatch: pytest.MonkeyPatch, documented: dict[Cell, str]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pems / "certificate.pem"))
    each = list(product(CELLS, CLIENTS))
    every: list[Found] = []

    async def body() -> None:
        tls, turns = server_context(pems), Turns(len(each))
        every.extend(await asyncio.gather(*(found(*one, tls, turns) for one in each)))

    transport_of(Account(transport="httpx"))  # imported here: it holds up the loop for a while
    run(body(), loop)
    assert {(one.raised, one.outcome) for one in every} == {
        ("NotSent", "Retry not_sent"),
        ("MaybeSent", "Doubt no_answer"),
    }
    assert max(one.requests for one in every) == 1, "nothing is sent twice"
    said = {cell: said for cell, said in documented.items() if said != "-"}
    for client in CLIENTS:
        pairs = zip(each, every, strict=True)
        assert {cell: str(one) for (cell, by), one in pairs if by == client} == said
