"""What a provider's API offers the drain: bytes for a message, an outcome for an attempt."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Protocol

import msgspec

from sluicegate.message import Message

from .outcome import Outcome
from .rate_headers import NO_RATE_HEADERS, RateHeaders


class Attempt(msgspec.Struct, frozen=True):
    """One POST and what it meant.

    ``outcome`` is None where the gate closed and nothing was written. ``heard`` is False where no
    answer came, and ``failing`` True where the provider or the way to it failed. ``answer`` is the
    status and the body, for people, cut to 500 characters. ``status`` is that of HTTP, 0 for none.
    """

    outcome: Outcome | None
    rate: RateHeaders = NO_RATE_HEADERS
    took_ms: float = 0.0
    heard: bool = False
    answer: str = ""
    failing: bool = False
    status: int = 0


class Gateway(Protocol):
    """One provider API on one account; it knows HTTP and nothing of Redis."""

    def request(self, message: Message) -> bytes:
        """The exact bytes to POST: a pure function of the message.

        Raises InvalidMessage for one that this API can't send.
        """
        ...

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool], trace: Mapping[str, str] = {}
    ) -> Attempt:
        """POST ``request``, under idempotency ``key`` where the API has any.

        ``trace`` are headers that say of which trace it is, to be sent as they are.
        Never raises for what the provider does.
        """
        ...

    async def probe(self) -> bool:
        """Whether the provider answers at all; asking sends nothing and costs nothing."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def idempotency_key(deployment: str, account: str, id: str, generation: int) -> str:
    """The key of a message's generation: 27 characters of ``A-Za-z0-9_-``.

    A hash reveals nothing, and two deployments of one organisation never collide.
    """
    name = "\n".join((deployment, account, id, str(generation)))
    return urlsafe_b64encode(blake2b(name.encode(), digest_size=20).digest()).decode().rstrip("=")
