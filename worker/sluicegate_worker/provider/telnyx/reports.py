"""Telnyx's own books: detail records and webhook deliveries, and v1's message detail records."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from sluicegate.config import Account

from ..owned import Unread
from ..reports import LostWebhook, ProviderRecord, RecordPage, WebhookPage, whole
from ..webhooks import WebhookEvent
from .bills import record_bill, v1_bill
from .calls import PAUSE_SECONDS, AccountCalls
from .events import DELIVERY_OF, parse_v2_event

PAGE: Final = 50
"""Detail records of a page, the most that Telnyx gives."""

WEBHOOKS_PAGE: Final = 250
GARBLED_TRIES: Final = 3
"""How often a page is asked for whose answer can't be read."""

_UNDER_WAY: Final = frozenset(
    {"", "queued", "sending", "sent", "scheduled", "received", "accepted"}
)
_V1_LISTS: Final = "API v1 tells of one message at a time: it has no list of them"


class TelnyxReports:
    """API v2's; see ``reports.Reports``."""

    lists, page_size = True, PAGE

    def __init__(
        self,
        account: Account,
        key: str,
        client: httpx.Client,
        sleep: Callable[[float], object],
        spacing_seconds: float,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._sleep = sleep
        self._calls = AccountCalls(
            account.base_url, headers, key, client, sleep,
            ends_after_seconds=math.inf, spacing_seconds=spacing_seconds,
        )  # fmt: skip

    def records(self, since_ms: int, until_ms: int, page: int, to: str = "") -> RecordPage:
        filters = {
            "filter[record_type]": "messaging",
            "filter[created_at][gte]": _iso(since_ms),
            "filter[created_at][lt]": _iso(until_ms),
            "sort": "created_at",
            **({"filter[cld]": to} if to else {}),
        }
        data, meta = self._page("/detail_records", page, PAGE, filters)
        records = [_record(entry) for entry in data]
        readable = [record for record in records if record is not None]
        return RecordPage(
            records=readable,
            unreadable=len(records) - len(readable),
            total=whole(meta.get("total_results")),
            last=_is_last(meta, page, len(data), PAGE),
        )

    def record(self, id: str) -> ProviderRecord | None:
        answer = _one(self._calls, f"/messages/{quote(id, safe='')}")
        data = answer.get("data") if answer else None
        return _of_message(data) if isinstance(data, dict) else None

    def lost_webhooks(self, since_ms: int, until_ms: int, page: int) -> WebhookPage:
        filters = {
            "filter[status][eq]": "failed",
            "filter[started_at][gte]": _iso(since_ms),
            "filter[started_at][lte]": _iso(until_ms),
        }
        data, meta = self._page("/webhook_deliveries", page, WEBHOOKS_PAGE, filters)
        webhooks = [_lost(entry) for entry in data if entry.get("status") == "failed"]
        readable = [webhook for webhook in webhooks if webhook is not None]
        return WebhookPage(
            webhooks=readable,
            unreadable=len(webhooks) - len(readable),
            last=_is_last(meta, page, len(data), WEBHOOKS_PAGE),
        )

    def _page(
        self, path: str, page: int, size: int, filters: Mapping[str, str]
    ) -> tuple[list[Any], Mapping[str, Any]]:
        """The entries of a page, and what it says of itself; asked for again if unreadable."""
        params = {"page[number]": str(page), "page[size]": str(size), **filters}
        for tries in range(GARBLED_TRIES):
            try:
                answer = self._calls.get(path, params)
            except Unread as error:
                if error.status or tries + 1 == GARBLED_TRIES:
                    raise
            else:
                data, meta = answer.get("data"), answer.get("meta")
                if isinstance(data, list):
                    entries = [entry if isinstance(entry, dict) else {} for entry in data]
                    return entries, meta if isinstance(meta, dict) else {}
            self._sleep(PAUSE_SECONDS * 2**tries)
        raise Unread(f"{path}: page {page} has no list of entries, {GARBLED_TRIES} times")


class TelnyxV1Reports:
    """API v1's, which tells of one message at a time; see ``reports.Reports``."""

    lists, page_size = False, 1

    def __init__(
        self,
        account: Account,
        key: str,
        client: httpx.Client,
        sleep: Callable[[float], object],
        spacing_seconds: float,
    ) -> None:
        self._calls = AccountCalls(
            account.base_url, {"X-Profile-Secret": key}, key, client, sleep,
            ends_after_seconds=math.inf, spacing_seconds=spacing_seconds,
        )  # fmt: skip

    def records(self, since_ms: int, until_ms: int, page: int, to: str = "") -> RecordPage:
        raise Unread(_V1_LISTS)

    def record(self, id: str) -> ProviderRecord | None:
        answer = _one(self._calls, f"/messages/{quote(id, safe='')}")
        return _of_v1(answer) if answer else None

    def lost_webhooks(self, since_ms: int, until_ms: int, page: int) -> WebhookPage:
        raise Unread(_V1_LISTS)


def _one(calls: AccountCalls, path: str) -> Mapping[str, Any] | None:
    try:
        answer: Mapping[str, Any] = calls.get(path)
    except Unread as error:
        if error.status == 404:
            return None
        raise
    return answer


def _is_last(meta: Mapping[str, Any], page: int, count: int, size: int) -> bool:
    """Whether no page follows: by the provider's word, or else by a page that is not full."""
    pages = whole(meta.get("total_pages"))
    return not count or (page >= pages if pages is not None else count < size)


def _record(entry: Mapping[str, Any]) -> ProviderRecord | None:
    """A detail record; None where it names no message."""
    id = _text(entry.get("uuid")) or _text(entry.get("id"))
    if not id:
        return None
    status = _text(entry.get("status")).lower()
    created_ms = _ms(entry.get("created_at"))
    told = (_ms(entry.get(name)) for name in ("completed_at", "updated_at", "sent_at"))
    return ProviderRecord(
        id=id,
        to=_number(entry.get("cld")),
        sender=_text(entry.get("cli")),
        profile=_text(entry.get("profile_id")),
        inbound=entry.get("direction") == "inbound",
        type=_text(entry.get("message_type")).upper(),
        created_ms=created_ms,
        told_ms=next(filter(None, told), created_ms),
        status=status,
        delivery=DELIVERY_OF.get(status, "sent" if status == "sent" else ""),
        known=status in DELIVERY_OF or status in _UNDER_WAY,
        code=_first_code(entry.get("errors")),
        bill=record_bill(entry),
        urls=_urls(entry, "delivery_status_webhook_url", "delivery_status_failover_url"),
    )


def _of_message(data: Mapping[str, Any]) -> ProviderRecord | None:
    """A message as v2 retrieves it: what its final webhook would have told."""
    webhook = {"data": {"event_type": "message.finalized", "payload": data}}
    created_ms = _ms(data.get("received_at"))
    event = parse_v2_event(msgspec.json.encode(webhook), "", created_ms)
    id = _text(data.get("id"))
    if not id:
        return None
    told = (_ms(data.get(name)) for name in ("completed_at", "sent_at"))
    return ProviderRecord(
        id=id,
        created_ms=created_ms,
        told_ms=next(filter(None, told), created_ms),
        delivery=getattr(event, "delivery", ""),
        code=getattr(event, "code", ""),
        bill=event.bill if hasattr(event, "bill") else record_bill({}),
        urls=_urls(data, "webhook_url", "webhook_failover_url"),
    )


def _of_v1(entry: Mapping[str, Any]) -> ProviderRecord | None:
    """A v1 message detail record."""
    id = next(filter(None, map(_text, map(entry.get, ("sms_id", "sms_gw_id", "gw_sms_id")))), "")
    if not id:
        return None
    status = _text(entry.get("status")).lower()
    delivery_status = _text(entry.get("delivery_status")).lower()
    created_ms, updated_ms = (whole(entry.get(name)) or 0 for name in ("created", "updated"))
    return ProviderRecord(
        id=id,
        to=_number(entry.get("to")),
        sender=_text(entry.get("from")),
        profile=_text(entry.get("profile_id")),
        inbound=entry.get("direction") == "inbound",
        type=_text(entry.get("type")).upper(),
        created_ms=created_ms,
        told_ms=updated_ms or created_ms,
        status=status,
        delivery=DELIVERY_OF.get(
            status, DELIVERY_OF.get(delivery_status, "sent" if status == "sent" else "")
        ),
        known=status in DELIVERY_OF or status in _UNDER_WAY,
        code=_first_code(entry.get("errors")),
        bill=v1_bill(entry),
    )


def _lost(entry: Mapping[str, Any]) -> LostWebhook | None:
    """A delivery that failed; None where it doesn't hold its webhook."""
    event, attempts = entry.get("webhook"), entry.get("attempts")
    if not isinstance(event, dict):
        return None
    tried = attempts if isinstance(attempts, list) else []
    urls = [_url_of(attempt) for attempt in tried if isinstance(attempt, dict)]
    started_ms = _ms(entry.get("started_at"))
    raw = msgspec.json.encode({"data": event})
    return LostWebhook(
        urls=list(dict.fromkeys(filter(None, urls))),
        started_ms=started_ms,
        read=partial(_event, raw, started_ms),
    )


def _event(raw: bytes, started_ms: int, id: str) -> WebhookEvent:
    return parse_v2_event(raw, id, started_ms)


def _url_of(attempt: Mapping[str, Any]) -> str:
    http = attempt.get("http")
    request = http.get("request") if isinstance(http, dict) else None
    return _text(request.get("url")) if isinstance(request, dict) else ""


def _urls(entry: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(filter(None, (_text(entry.get(name)) for name in names)))


def _first_code(errors: object) -> str:
    """The first code of a list of them, or of errors in full; empty where there is none."""
    error = errors[0] if isinstance(errors, list) and errors else None
    value = error.get("code") if isinstance(error, dict) else error
    return str(value) if type(value) in (str, int) else ""


def _number(value: object) -> str:
    text = _text(value)
    return f"+{text}" if text.isdecimal() and len(text) > 6 else text


def _iso(wall_ms: int) -> str:
    moment = datetime.fromtimestamp(wall_ms / 1000, UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _ms(value: object) -> int:
    """A time in wall milliseconds, 0 where there is none; without a zone it is in UTC."""
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, round(moment.timestamp() * 1000))


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) and value.isascii() else ""
