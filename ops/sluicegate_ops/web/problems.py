"""How a refused request is answered: with errors in the provider's own shape.

The handlers are asynchronous because Starlette runs others in threads, of which it has forty.
"""

from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response


class HttpProblem(Exception):
    """A refusal: an HTTP status, one of the provider's error codes, and our own words.

    ``pointer`` names the part of the request at fault. No value of the request is repeated.
    ``cause`` is what is counted for an app: one of ``counts.ANSWERS``, or empty.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        pointer: str = "",
        headers: Mapping[str, str] = {},
        meta: Mapping[str, str] = {},
        cause: str = "",
    ) -> None:
        super().__init__(f"{status} {code} {title}")
        self.status, self.headers, self.cause = status, dict(headers), cause
        source = {"pointer": pointer} if pointer else {}
        self.error = {
            "code": code,
            "title": title,
            "detail": detail,
            "source": source,
            "meta": dict(meta),
        }

    def response(self) -> Response:
        body = msgspec.json.encode({"errors": [self.error]})
        return Response(body, self.status, self.headers, "application/json")


async def refuse(request: Request, error: Exception) -> Response:
    """The answer to a ``HttpProblem``."""
    assert isinstance(error, HttpProblem)  # noqa: S101 - it is registered for no other
    return error.response()


async def refuse_route(request: Request, error: Exception) -> Response:
    """The answer to a request that matches no route."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    if error.status_code == 405:
        method = HttpProblem(405, "10030", "Method not allowed", "This URL takes another method.")
        method.headers.update(error.headers or {})
        return method.response()
    return not_found("There is nothing at this URL.").response()


async def refuse_fault(request: Request, error: Exception) -> Response:
    """The answer to a fault of our own; the server logs the error itself."""
    detail, closed = "Something broke on our side.", {"connection": "close"}
    return HttpProblem(500, "10007", "Unexpected error", detail, headers=closed).response()


def not_found(detail: str) -> HttpProblem:
    return HttpProblem(404, "10005", "Resource not found", detail)


def unavailable(
    detail: str, seconds: int, headers: Mapping[str, str] = {}, id: str = ""
) -> HttpProblem:
    """The answer where Redis could not take it; ``id`` is the message concerned, if any."""
    headers = {"retry-after": str(seconds), **headers}
    meta = {"id": id} if id else {}
    return HttpProblem(503, "10037", "Service unavailable", detail, headers=headers, meta=meta)
