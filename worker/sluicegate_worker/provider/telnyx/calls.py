"""Calls on Telnyx's account API: one at a time, paced, repeated while it is busy, and bounded."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx
import msgspec

from sluicegate.redaction import Redaction

from ..owned import Unread
from ..rate_headers import MAX_WAIT_SECONDS, parse_retry_after_ms

TRIES: Final = 5
PAUSE_SECONDS: Final = 1.0
SPACING_SECONDS: Final = 0.05
"""Between the starts of two calls: they use the quota that messages are sent with."""

MOST_PAGES: Final = 1_000
_SHOWN: Final = 300


class AccountCalls:
    """Calls with one key; ``ends_after_seconds`` bounds all of them together.

    Two calls begin ``spacing_seconds`` apart at least.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        secret: str,
        client: httpx.Client,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        ends_after_seconds: float = 300.0,
        spacing_seconds: float = SPACING_SECONDS,
    ) -> None:
        self._base, self._client = base_url.rstrip("/"), client
        self._headers = {"Accept": "application/json", "User-Agent": "sluicegate", **headers}
        self._redaction = Redaction([secret], "(API key)")
        self._sleep, self._monotonic = sleep, monotonic
        self._ends, self._next = monotonic() + ends_after_seconds, 0.0
        self._spacing = spacing_seconds

    def get(self, path: str, params: Mapping[str, str] = {}) -> Any:
        """The JSON of a GET; raises ``Unread``."""
        return self._json(self.content("GET", path, params=params), path)

    def patch(self, path: str, fields: Mapping[str, object]) -> Any:
        """The JSON of a PATCH, which may be repeated safely; raises ``Unread``."""
        return self._json(self.content("PATCH", path, body=fields), path)

    def pages(self, path: str, size: int = 250, **filters: str) -> Iterator[Mapping[str, Any]]:
        """The entries of one of v2's lists; raises ``Unread``."""
        before = b""
        for number in range(1, MOST_PAGES + 1):
            page = {"page[number]": str(number), "page[size]": str(size)}
            content = self.content("GET", path, params=page | filters)
            answer = self._json(content, path)
            data = _entries(answer, "data", path)
            if not data or content == before:
                return
            yield from data
            total = (answer.get("meta") or {}).get("total_pages")
            if isinstance(total, int) and number >= total:
                return
            before = content
        raise Unread(f"{path}: more than {MOST_PAGES} pages")

    def records(
        self, path: str, size_name: str, total_name: str, size: int = 100, **filters: str
    ) -> Iterator[Mapping[str, Any]]:
        """The entries of a list that counts its ``records``; raises ``Unread``."""
        read, before = 0, b""
        for number in range(1, MOST_PAGES + 1):
            content = self.content(
                "GET", path, params={"page": str(number), size_name: str(size)} | filters
            )
            answer = self._json(content, path)
            records = _entries(answer, "records", path)
            if not records or content == before:
                return
            yield from records
            read, total, before = read + len(records), answer.get(total_name), content
            if isinstance(total, int) and read >= total:
                return
        raise Unread(f"{path}: more than {MOST_PAGES} pages")

    def content(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] = {},
        body: Mapping[str, object] | None = None,
    ) -> bytes:
        """The body of the answer, asked for again while the provider is busy or fails."""
        request = self._client.build_request(
            method, self._base + path, params=params or None, json=body, headers=self._headers
        )
        why, status = "", 0
        for tries in range(TRIES):
            self._take_turn(path)
            wait = PAUSE_SECONDS * 2**tries
            try:
                answer = self._client.send(request)
            except httpx.HTTPError as error:
                # Only its kind: its text may repeat the request, and so the credential.
                why, status = type(error).__name__, 0
            else:
                if answer.is_success:
                    return answer.content
                why, status = self._told(answer), answer.status_code
                if status != 429 and status < 500:
                    raise Unread(f"{path}: {why}", status)
                asked_ms = parse_retry_after_ms(answer.headers)
                wait = min(asked_ms / 1000, MAX_WAIT_SECONDS) if asked_ms >= 0 else wait
            if self._monotonic() + wait > self._ends:
                break
            if tries + 1 < TRIES:
                self._sleep(wait)
        raise Unread(f"{path}: {why}, {tries + 1} times", status)

    def _take_turn(self, path: str) -> None:
        now = self._monotonic()
        if now > self._ends:
            raise Unread(f"{path}: all the time for it is used up")
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._spacing

    def _told(self, answer: httpx.Response) -> str:
        """An error as people see it: status, code, title and detail."""
        text = f"HTTP {answer.status_code}"
        try:
            errors = msgspec.json.decode(answer.content)["errors"]
            parts = [str(errors[0].get(name) or "") for name in ("code", "title", "detail")]
            text = " ".join(filter(None, [text, *parts]))
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError):
            pass
        return self._redaction.hide(text)[:_SHOWN]

    def _json(self, content: bytes, path: str) -> Any:
        try:
            answer = msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unread(f"{path}: the answer can't be read") from None
        if not isinstance(answer, dict):
            raise Unread(f"{path}: the answer is no JSON object")
        return answer


def _entries(answer: Mapping[str, Any], name: str, path: str) -> list[Mapping[str, Any]]:
    entries = answer.get(name)
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise Unread(f"{path}: the answer has no list of {name}")
    return entries
