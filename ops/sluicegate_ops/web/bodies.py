"""Reading a request's body: never more of it than allowed, and not for ever."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from .problems import Problem

BODY_SECONDS: Final = 10.0
_CLOSE: Final = {"connection": "close"}  # what is left of the body is not read


async def body_of(request: Request, most_bytes: int, seconds: float = BODY_SECONDS) -> bytes:
    """The body; raises Problem where it is too large, too slow, or never complete."""
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
        raise Problem(408, "10008", "Request timeout", detail, headers=_CLOSE) from None
    except ClientDisconnect:
        raise Problem(400, "10015", "Bad Request", "The body is not complete.") from None
    return b"".join(chunks)


def _too_large(most_bytes: int) -> Problem:
    detail = f"The body is larger than {most_bytes:,} bytes."
    return Problem(413, "10015", "Bad Request", detail, headers=_CLOSE)
