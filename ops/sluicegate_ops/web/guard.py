"""Where webhooks are passed on to: permitted addresses alone, and no name is looked up twice.

An app chooses the URL that its webhooks are passed on to, and the request comes from inside. So a
name is resolved once, each address is judged, and the connection goes to one that was found good:
whatever the name resolves to a moment later, and however an address is written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address, ip_network
from socket import SOCK_STREAM, getaddrinfo
from typing import Final

import httpx

from sluicegate.addresses import IpAddress, IpNetwork, is_permitted, is_public

EVERYWHERE: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""For a URL that the configuration names as private."""

CONNECTIONS: Final = 200
LOOK_UPS: Final = 8
_PORTS: Final = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Awaitable[Sequence[IpAddress]]]


class NotPermitted(httpx.RequestError):
    """A URL leads only to addresses that webhooks are not passed on to."""


class Resolver:
    """Looks names up, in threads of its own: slow names must keep nobody else waiting."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="relay-names")

    async def __call__(self, host: str, port: int) -> Sequence[IpAddress]:
        """The addresses of a host; raises httpx.ConnectError where it has none."""
        look_up = partial(getaddrinfo, host, port, type=SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} has no address") from error
        return list(dict.fromkeys(ip_address(where[0]) for *_, where in found))

    def close(self) -> None:
        """Wait for nobody: a look-up that is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx's transport to permitted addresses: the internet's, and those in ``networks``.

    Plain http goes only to what is not the internet. ``resolve`` looks a name up.
    """

    def __init__(
        self,
        networks: Sequence[IpNetwork],
        resolve: Resolve,
        inner: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._networks, self._resolve = networks, resolve
        # No connection is kept: one to the same address may have been checked for another name.
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=0)
        self._inner = inner or httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to one of its host's addresses; raises NotPermitted where none is."""
        url = request.url
        found = await self._resolve(url.host, url.port or _PORTS.get(url.scheme, 443))
        permitted = [address for address in found if self._may_go(url.scheme, address)]
        if not permitted:
            shown = ", ".join(map(str, found[:3]))
            raise NotPermitted(f"{url.host} leads to {shown}, which is not permitted")
        for address in permitted[:-1]:
            try:
                return await self._inner.handle_async_request(_placed(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_placed(request, permitted[-1]))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    def _may_go(self, scheme: str, address: IpAddress) -> bool:
        plain_on_the_internet = scheme != "https" and is_public(address)
        return is_permitted(address, self._networks) and not plain_on_the_internet


def _placed(request: httpx.Request, address: IpAddress) -> httpx.Request:
    """The same request to an address; its certificate is still checked for the host's name."""
    url = request.url.copy_with(host=str(address))
    extensions = {**request.extensions, "sni_hostname": request.url.host}
    return httpx.Request(
        request.method, url, headers=request.headers, stream=request.stream, extensions=extensions
    )
