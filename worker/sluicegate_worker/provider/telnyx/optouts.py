"""Telnyx's list of opt-outs: ``GET /messaging_optouts``, page by page."""

import math
from collections.abc import Callable, Iterator
from typing import Final

import httpx
import msgspec

from sluicegate.config import Account
from sluicegate.rules import E164

from ..optouts import ListedOptOut, ListRefused, OptOutPage
from ..owned import Unread
from .calls import AccountCalls

PAGE: Final = 250
"""Entries of a page, the most that Telnyx gives."""


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
    calls = AccountCalls(
        account.base_url,
        {"Authorization": f"Bearer {key}"},
        key,
        client,
        sleep,
        ends_after_seconds=math.inf,  # a list may be as long as it is
    )
    number, before = 1, b""
    while True:
        page_of = {"page[number]": str(number), "page[size]": str(PAGE)}
        asked = page_of | {"redaction_enabled": "false"}
        try:
            content = calls.content("GET", "/messaging_optouts", params=asked)
        except Unread as error:
            raise ListRefused(str(error)) from None
        try:
            page = msgspec.json.decode(content, type=_List)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ListRefused(f"page {number} of the list can't be read") from None
        if content == before:
            raise ListRefused(f"page {number} of the list is the one before it")
        yield _page(page)
        # It may not say how many there are: then the one after the last is empty.
        if not page.data or 0 < page.meta.total_pages <= number:
            return
        number, before = number + 1, content


def _page(page: _List) -> OptOutPage:
    optouts = [
        ListedOptOut(entry.to, entry.messaging_profile_id or "")
        for entry in page.data
        if entry.to and E164.match(entry.to)
    ]
    return OptOutPage(optouts, page.meta.total_results, len(page.data) - len(optouts))
