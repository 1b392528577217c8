"""Media of an MMS, asked for without fetching them: whether they are there, and how big."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from .failures import BAD_INPUT, fail, say

if TYPE_CHECKING:
    import httpx

MOST_BYTES: Final = 1_000_000
"""Telnyx takes less than 1 MB in all."""

SAFE_BYTES: Final = 600_000
"""What every carrier takes; a larger one may be shrunk or refused on the way."""

_SECONDS = 10.0


class MediaSize(msgspec.Struct, frozen=True):
    """One medium: its size, None where its server doesn't say, and what is wrong with it."""

    url: str
    size: int | None
    problem: str = ""


def check_media(urls: Sequence[str]) -> None:
    """End the command where the provider would refuse the media; warn where a carrier may."""
    sizes = media_sizes(urls)
    if fault := media_fault(sizes):
        fail(f"--media: {fault}; nothing was enqueued", BAD_INPUT)
    if warning := media_warning(sizes):
        say(f"warning: {warning}")


def media_sizes(urls: Sequence[str]) -> list[MediaSize]:
    """Ask each server with a HEAD; redirections are followed, as the provider does."""
    import httpx  # heavy, and few commands need it

    with httpx.Client(timeout=_SECONDS, follow_redirects=True, trust_env=False) as browser:
        return [_asked(browser, url) for url in urls]


def media_fault(sizes: Sequence[MediaSize]) -> str:
    """Why the provider would refuse these media; "" if nothing speaks against them."""
    for number, one in enumerate(sizes, 1):
        if one.problem:
            return f"medium {number} can't be fetched: {one.problem}"
    total = sum(one.size or 0 for one in sizes)
    if total >= MOST_BYTES:
        return f"the media have {total:,} bytes, and less than {MOST_BYTES:,} are taken"
    return ""


def media_warning(sizes: Sequence[MediaSize]) -> str:
    """What may go wrong with media that the provider takes; "" for nothing."""
    total = sum(one.size or 0 for one in sizes)
    if total > SAFE_BYTES:
        return f"the media have {total:,} bytes; some carriers take {SAFE_BYTES:,}"
    if any(one.size is None for one in sizes):
        return "a server does not say how big its medium is"
    return ""


def _asked(browser: "httpx.Client", url: str) -> MediaSize:
    import httpx

    try:
        answer = browser.head(url)
    except httpx.HTTPError as error:
        return MediaSize(url, None, type(error).__name__)
    if not answer.is_success:
        return MediaSize(url, None, f"HTTP {answer.status_code}")
    length = answer.headers.get("content-length", "")
    return MediaSize(url, int(length) if length.isdecimal() else None)
