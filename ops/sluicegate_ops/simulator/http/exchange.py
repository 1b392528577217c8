"""A request as it was read, and the reply that was decided for it."""

from collections.abc import Callable
from typing import Literal

#: ``answer`` in full; ``truncated`` half way; ``close`` without a word; ``hang``, then close.
How = Literal["answer", "truncated", "close", "hang"]

JSON = b"application/json; charset=utf-8"
HTML = b"text/html"


class Request:
    """One HTTP request; ``path`` is without its query, header values are as they came."""

    __slots__ = ("authorization", "body", "keys", "method", "path", "query", "secret")

    def __init__(self, method: str, path: str, query: str = "", body: bytes = b"") -> None:
        self.method, self.path, self.query, self.body = method, path, query, body
        #: None when the header is missing, which the provider answers otherwise than a wrong one.
        self.authorization: bytes | None = None
        #: X-Profile-Secret, by which API v1 knows its callers; None when it is missing.
        self.secret: bytes | None = None
        #: Every Idempotency-Key header: a second one makes the request malformed.
        self.keys: list[bytes] = []

    @property
    def v1(self) -> bool:
        """Whether it is for API v1, whose paths have no version."""
        return self.path.startswith("/messages")


class HttpReply:
    """One HTTP reply, and when and how it is given."""

    __slots__ = ("body", "content_type", "delay_seconds", "headers", "how", "on_end", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        *,
        headers: bytes = b"",
        content_type: bytes = JSON,
        delay_seconds: float = 0.0,
        how: How = "answer",
    ) -> None:
        self.status, self.body, self.content_type = status, body, content_type
        #: Further header lines, each with its line end.
        self.headers = headers
        self.delay_seconds, self.how = delay_seconds, how
        #: Called once, when the request is no longer in flight.
        self.on_end: Callable[[], None] | None = None
