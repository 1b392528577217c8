"""What became of each webhook: its tries, as the provider lists them."""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

import msgspec

from ..api.payload import ORGANIZATION, iso
from ..webhooks.sender import EndedEvent
from .pages import of_page

#: The latest deliveries that are kept.
KEPT = 200_000


class _Outcome(NamedTuple):
    """An ended event; times are Unix seconds."""

    body: bytes
    status: str
    tries: tuple[tuple[float, str, int], ...]


class WebhookDeliveries:
    """The latest webhooks that were taken or given up, the newest first."""

    def __init__(self) -> None:
        self._all: deque[_Outcome] = deque(maxlen=KEPT)

    def ended(self, event: EndedEvent) -> None:
        """Note one."""
        status = "delivered" if event.taken else "failed"
        self._all.append(_Outcome(event.body, status, event.tries))

    def page(self, options: Mapping[str, str]) -> bytes:
        """One page of the list; filters that are not known are ignored, as by the provider."""
        status = options.get("filter[status][eq]", "")
        kind = options.get("filter[event_type]", "")
        since = options.get("filter[started_at][gte]", "")
        until = options.get("filter[started_at][lte]", "")
        within = options.get("filter[webhook][contains]", "").encode()
        chosen = [
            one
            for one in reversed(self._all)
            if status in ("", one.status)
            and since <= iso(one.tries[0][0])
            and (not until or iso(one.tries[0][0]) <= until)
            and within in one.body
            and (not kind or f'"event_type":"{kind}"'.encode() in one.body)
        ]
        return of_page([_shown(one) for one in chosen], options)


def _shown(one: _Outcome) -> dict[str, object]:
    webhook = msgspec.json.decode(one.body)
    event = webhook.get("data", webhook) if isinstance(webhook, dict) else {}
    id = str(event.get("id", ""))
    return {
        "id": str(uuid5(NAMESPACE_URL, f"{id}{one.tries[0]}")),
        "user_id": ORGANIZATION,
        "record_type": "webhook_delivery",
        "status": one.status,
        "started_at": iso(one.tries[0][0]),
        "finished_at": iso(one.tries[-1][0]),
        "webhook": {"record_type": "event", **event},
        "attempts": [_attempt(*each) for each in reversed(one.tries)],
    }


def _attempt(at: float, url: str, status: int) -> dict[str, object]:
    taken = 200 <= status < 300
    return {
        "status": "delivered" if taken else "failed",
        "started_at": iso(at),
        "finished_at": iso(at),
        "http": {"request": {"url": url}, "response": {"status": status}},
        "errors": [] if taken else [75000 if status else 75010],
    }
