"""An HTTP/1.1 client that posts to webhook URLs over persistent connections."""

import asyncio
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools

#: The errors of a wrong address, an unreachable server, or a server that speaks no HTTP.
_FAILURES = (OSError, TimeoutError, ValueError, httptools.HttpParserError)


class _Connection(asyncio.Protocol):
    """One connection, with at most one request in flight."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[int] | None = None
        self.usable, self._status = True, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, since uvloop's transports are not subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._status:  # an answer without a length ends with the connection
            self._finish()
        else:
            self._fail(ConnectionResetError("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(error)

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        if self._status >= 200:  # otherwise it was a 100, and the answer comes later
            self.usable = self.usable and self._parser.should_keep_alive()
            self._finish()

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._status)

    def _fail(self, error: Exception) -> None:
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    async def ask(self, request: bytes) -> int:
        """Send a request; return the answer's status."""
        self._status = 0
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.usable = False
        self._transport.abort()


class Outgoing:
    """Posts to plain http URLs; keeps idle connections for later requests."""

    def __init__(self) -> None:
        self._free: dict[tuple[str, int], list[_Connection]] = {}

    async def post(self, url: str, headers: bytes, body: bytes, timeout_seconds: float) -> int:
        """Post; return the answer's status, or 0 if none came in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._post(urlsplit(url), headers, body)
        except _FAILURES:
            return 0

    def close(self) -> None:
        """Close the idle connections."""
        for connections in self._free.values():
            for connection in connections:
                connection.close()
        self._free.clear()

    async def _post(self, url: SplitResult, headers: bytes, body: bytes) -> int:
        if url.scheme != "http" or not url.hostname:
            raise ValueError("only plain http URLs are supported")
        address = (url.hostname, url.port or 80)
        request = _request(url, headers, body)
        while kept := self._kept(address):
            try:
                return await self._ask(kept, address, request)
            except ConnectionResetError:  # the server closed it while it was idle
                continue
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, *address)
        return await self._ask(connection, address, request)

    def _kept(self, address: tuple[str, int]) -> _Connection | None:
        free = self._free.get(address, [])
        while free:
            if (connection := free.pop()).usable:
                return connection
        return None

    async def _ask(self, connection: _Connection, address: tuple[str, int], request: bytes) -> int:
        try:
            status = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        if connection.usable:
            self._free.setdefault(address, []).append(connection)
        else:
            connection.close()
        return status


def _request(url: SplitResult, headers: bytes, body: bytes) -> bytes:
    target = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
    head = (
        f"POST {target} HTTP/1.1\r\nhost: {url.netloc.rpartition('@')[2]}\r\n"
        f"user-agent: telnyx-webhooks\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
    )
    return b"".join((head.encode(), headers, b"\r\n", body))
