"""The transport over httpx, on httpx-aiohttp: httpx's own pool collapses at a hundred requests.

httpx-aiohttp reports a connection that broke *after* the request was written as a connect timeout,
so its exceptions can't tell a refusal from a lost answer. We don't rely on them: our request class
notes the moment just before the first byte is written, and asks the gate there.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, cast

import aiohttp
import httpx
import httpx_aiohttp

from sluicegate.config import Account

from . import MAX_ANSWER_BYTES, GateClosed, Reply, failed


class _HttpxExchange:
    """How far one exchange came."""

    def __init__(self, gate: Callable[[], bool]) -> None:
        self.gate, self.written = gate, False


_exchange: ContextVar[_HttpxExchange | None] = ContextVar("exchange", default=None)


class _GatedRequest(aiohttp.ClientRequest):
    """aiohttp's request, stopping at the gate once it has its connection."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        exchange = _exchange.get()
        if conn.protocol.should_close:
            # Lost meanwhile, or it holds bytes that answer no request of ours.
            raise ConnectionError("the connection was not fit for a request")
        if exchange is not None:
            if not exchange.gate():
                # Nothing was written, so the next request can use it.
                conn.release()
                raise GateClosed("the gate closed before the request was written")
            exchange.written = True
        return await super().send(conn)


class HttpxTransport:
    """See ``transport.Transport``."""

    def __init__(self, account: Account) -> None:
        self._timeout = {
            "connect": account.connect_timeout_seconds,
            "read": account.read_timeout_seconds,
            "pool": account.connect_timeout_seconds,  # aiohttp's whole way to a connection
        }
        # A server that trickles bytes never trips a read timeout; this bounds the whole exchange.
        self._deadline_seconds = account.connect_timeout_seconds + 2 * account.read_timeout_seconds
        self._inner = httpx_aiohttp.AiohttpTransport(client=self._session)

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        """See ``transport.Transport``."""
        return await self._exchange("POST", url, headers, body, gate)

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """See ``transport.Transport``."""
        return await self._exchange("GET", url, headers, b"", lambda: True)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool],
    ) -> Reply:
        exchange = _HttpxExchange(gate)
        token = _exchange.set(exchange)
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._reply(
                    httpx.Request(
                        method,
                        url,
                        headers=headers,
                        content=body,
                        extensions={"timeout": self._timeout},
                    )
                )
        except GateClosed:
            raise
        except Exception as error:  # httpx, aiohttp, ssl and the resolver have no common root
            failure = failed(error, written=exchange.written)
        finally:
            _exchange.reset(token)
        raise failure

    async def _reply(self, request: httpx.Request) -> Reply:
        response = await self._inner.handle_async_request(request)
        body = bytearray()
        try:
            unpacked = cast("AsyncGenerator[bytes, None]", response.aiter_bytes())
            async with aclosing(unpacked) as chunks:
                async for chunk in chunks:
                    body += chunk
                    if len(body) >= MAX_ANSWER_BYTES:
                        break
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, bytes(body[:MAX_ANSWER_BYTES]))

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            # No limit: the drain bounds POSTs, and a request queued here would outlive its start.
            connector=aiohttp.TCPConnector(limit=0, ssl=self._inner.ssl_context),
            request_class=_GatedRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
