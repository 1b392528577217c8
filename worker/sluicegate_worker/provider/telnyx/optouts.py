"""Telnyx's list of opt-outs: ``GET /messaging_optouts``, page by page."""

from collections.abc import Callable, Iterator
from typing import Final

import httpx
import msgspec

from sluicegate.config import Account
from sluicegate.rules import E164

from ..optouts import ListedOptOut, ListRefused, OptOutPage
from ..rate_headers import MAX_WAIT_SECONDS, parse_retry_after_ms

PAGE: Final = 250
"""Entries of a page, the most that Telnyx gives."""

TRIES: Final = 5
PAUSE_SECONDS: Final = 1.0


class _Entry(msgspec.Struct):
    to: str | None = None
    messaging_profile_id: str | None = None


class _ListMeta(msgspec.Struct):
    total_pages: int = 0
    total_results: int = 0


class _List(msgspec.Struct):
    data: list[_Entry]
    meta: _ListMeta = msgspec.field(default_factory=_ListMeta)


def optout_pages(
    account: Account, key: str, client: httpx.Client, sleep: Callable[[float], object]
) -> Iterator[OptOutPage]:
    """See ``optouts.OptOutPages``; numbers are asked for whole."""
    url = account.base_url.rstrip("/") + "/messaging_optouts"
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json"}
    number, before = 1, b""
    while True:
        page_of = {"page[number]": str(number), "page[size]": str(PAGE)}
        asked = page_of | {"redaction_enabled": "false"}
        request = client.build_request("GET", url, params=asked, headers=headers)
        answer = _answered(client, request, sleep)
        try:
            page = msgspec.json.decode(answer.content, type=_List)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ListRefused(f"page {number} of the list can't be read") from None
        if answer.content == before:
            raise ListRefused(f"page {number} of the list is the one before it")
        yield _page(page)
        # It may not say how many there are: then the one after the last is empty.
        if not page.data or 0 < page.meta.total_pages <= number:
            return
        number, before = number + 1, answer.content


def _page(page: _List) -> OptOutPage:
    optouts = [
        ListedOptOut(entry.to, entry.messaging_profile_id or "")
        for entry in page.data
        if entry.to and E164.match(entry.to)
    ]
    return OptOutPage(optouts, page.meta.total_results, len(page.data) - len(optouts))


def _answered(
    client: httpx.Client, request: httpx.Request, sleep: Callable[[float], object]
) -> httpx.Response:
    """The answer to a GET; while the provider is busy or fails, it is asked a few times more."""
    why = ""
    for tries in range(TRIES):
        wait = PAUSE_SECONDS * 2**tries
        try:
            answer = client.send(request)
        except httpx.HTTPError as error:
            why = type(error).__name__  # its text may repeat the request, and so the credential
        else:
            if answer.is_success:
                return answer
            why = f"HTTP {answer.status_code}"
            if answer.status_code != 429 and answer.status_code < 500:
                raise ListRefused(why)
            asked_ms = parse_retry_after_ms(answer.headers)
            wait = min(asked_ms / 1000, MAX_WAIT_SECONDS) if asked_ms >= 0 else wait
        if tries + 1 < TRIES:
            sleep(wait)
    raise ListRefused(f"{why}, {TRIES} times")
