"""Reading a request's body, within a size and a time."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from .problems import HttpProblem

BODY_SECONDS: Final = 5.0
"""How long a body may take; the wall allows ten seconds for the whole exchange."""


async def body_of(request: Request, most_bytes: int, seconds: float = BODY_SECONDS) -> bytes:
    """The body; raises HttpProblem where it is too large, too slow, or incomplete."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    chunks, size = list[bytes](), 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most_bytes:
                    raise _too_large(most_bytes)
                chunks.append(chunk)
    except TimeoutError:
        detail = f"The body did not come within {seconds:g} s."
        raise HttpProblem(408, "10008", "Request timeout", detail) from None
    except ClientDisconnect:
        raise HttpProblem(400, "10015", "Bad Request", "The body is not complete.") from None
    return b"".join(chunks)


def _too_large(most_bytes: int) -> HttpProblem:
    detail = f"The body is larger than {most_bytes:,} bytes."
    return HttpProblem(413, "10015", "Bad Request", detail)
