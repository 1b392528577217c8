"""One HTTP exchange, and the exact truth about how far it came when it failed.

Two transports keep this contract: ``aiohttp``, the default, and ``httpx``, for those who need it
on the wire. Neither repeats a request, follows a redirect, keeps a cookie or takes a proxy from
the environment.

    GateClosed   nothing was written, because the gate said no
    NotSent      nothing was written: no connection, no name, no TLS
    MaybeSent    something was written, and no whole answer came back
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

MAX_ANSWER_BYTES = 1_000_000


class TransportError(Exception):
    """An exchange that brought no answer."""


class GateClosed(TransportError):
    """Nothing was written, because the gate said no at the last moment."""


class NotSent(TransportError):
    """Nothing was written."""


class MaybeSent(TransportError):
    """Something was written, and no whole answer came back."""


class Reply(msgspec.Struct, frozen=True):
    """A whole answer, decompressed and cut at MAX_ANSWER_BYTES; look headers up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """A shared client for one account, bound to the event loop that first uses it."""

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        """POST ``body``; ``gate`` is asked just before the first byte is written.

        Raises GateClosed, NotSent or MaybeSent, with the cause in words.
        """
        ...

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """GET ``url``; raises NotSent or MaybeSent."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def failed(error: Exception, *, written: bool) -> TransportError:
    """What an exchange raises for ``error``, in the error's own words, on one line.

    Raise it outside of the ``except``: aiohttp's errors carry the request's headers, and with them
    the API key, so they must not be chained.
    """
    why = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")
    return MaybeSent(why) if written else NotSent(why)
