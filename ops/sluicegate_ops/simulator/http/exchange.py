"""An HTTP request, and the reply to it."""

from collections.abc import Callable
from typing import Literal

#: ``answer`` in full, ``truncated`` half way, ``close`` without an answer, or ``hang`` and close.
How = Literal["answer", "truncated", "close", "hang"]

JSON = b"application/json; charset=utf-8"
HTML = b"text/html"


class Request:
    """One HTTP request; ``path`` excludes the query, header values are unchanged."""

    __slots__ = (
        "authorization", "body", "keys", "method", "path", "query", "secret", "traceparent",
    )  # fmt: skip

    def __init__(self, method: str, path: str, query: str = "", body: bytes = b"") -> None:
        self.method, self.path, self.query, self.body = method, path, query, body
        #: None if the header is missing; the provider answers that differently from a wrong one.
        self.authorization: bytes | None = None
        #: X-Profile-Secret, the credential of API v1; None if the header is missing.
        self.secret: bytes | None = None
        #: Every Idempotency-Key header; more than one makes the request malformed.
        self.keys: list[bytes] = []
        #: W3C Trace Context; empty if the header is missing.
        self.traceparent = b""

    @property
    def v1(self) -> bool:
        """Whether it is a request to API v1, whose paths have no version."""
        return self.path.startswith("/messages")


class HttpReply:
    """One HTTP reply, and when and how it is sent."""

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
        #: Called once, when the request has ended.
        self.on_end: Callable[[], None] | None = None
