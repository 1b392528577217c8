"""Telnyx API v2: one POST /messages per message, under an idempotency key."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from sluicegate.config import Account
from sluicegate.message import Message

from .bucket import evidence, retry_after_ms
from .gateway import Attempt
from .outcome import Accepted, Answer, Doubt, Outcome, decided, maybe_sent, not_sent
from .transport import GateClosed, MaybeSent, NotSent, Reply, Transport

_SHOWN, _CODE_SHOWN = 500, 40


class _Data(msgspec.Struct):
    id: str = ""


class _Success(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_success = msgspec.json.Decoder(_Success)
_HIDDEN = "(API key)"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class TelnyxV2:
    """The v2 gateway of one account; ``now`` is for tests."""

    def __init__(
        self,
        account: Account,
        api_key: str,
        transport: Transport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = account.base_url.rstrip("/") + "/messages"
        self._transport = transport or Transport(account)
        self._now, self._api_key = now, api_key
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "sluicegate",
        }

    def request(self, message: Message) -> bytes:
        """The body of POST /messages; fields that the message leaves open stay out of it."""
        fields = {
            "from": message.sender,
            "messaging_profile_id": message.messaging_profile_id,
            "to": message.to,
            "text": message.text,
            "subject": message.subject,
            "media_urls": list(message.media_urls) or None,
            "type": message.type,
            "encoding": None if message.encoding == "auto" else message.encoding,
            "webhook_url": message.webhook_url,
            "webhook_failover_url": message.webhook_failover_url,
            "use_profile_webhooks": message.use_profile_webhooks,
            "auto_detect": message.auto_detect,
        }
        return msgspec.json.encode({k: v for k, v in fields.items() if v is not None})

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool] = lambda: True
    ) -> Attempt:
        """POST ``request`` under ``key`` and say what came of it; see ``gateway.Gateway``."""
        headers = {**self._headers, "Idempotency-Key": key}
        began = time.monotonic()
        try:
            reply = await self._transport.post(self._url, headers, request, gate)
        except GateClosed:
            return Attempt(None)
        except NotSent as error:
            return Attempt(not_sent(self._without_key(error)), took_ms=_ms_since(began))
        except MaybeSent as error:
            return Attempt(maybe_sent(self._without_key(error)), took_ms=_ms_since(began))
        body = reply.body.replace(self._api_key.encode(), _HIDDEN.encode())
        reply = msgspec.structs.replace(reply, body=body)
        outcome = understood(reply, self._now())
        accepted = isinstance(outcome, Accepted)
        return Attempt(
            outcome,
            evidence(reply.headers),
            _ms_since(began),
            heard=True,
            answer="" if accepted else _shown(reply),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def _without_key(self, error: Exception) -> str:
        """What went wrong; a server that repeats our request in its answer repeats the key."""
        return str(error).replace(self._api_key, _HIDDEN)


def understood(reply: Reply, now: datetime) -> Outcome:
    """The outcome of an answer, whatever it looks like; never raises."""
    if 200 <= reply.status < 300:
        return _accepted(reply)
    return decided(_answer(reply), now)


def _accepted(reply: Reply) -> Outcome:
    try:
        provider_id = _success.decode(reply.body).data.id
    except _UNREADABLE:
        provider_id = ""
    if not provider_id:
        return Doubt(f"HTTP {reply.status} with an answer that can't be read", "unreadable")
    replayed = reply.headers.get("idempotent-replayed", "").lower() == "true"
    return Accepted(provider_id, replayed)


def _answer(reply: Reply) -> Answer:
    """What an error says, wherever it says it: only the status is sure to be there."""
    try:
        body = msgspec.json.decode(reply.body)
    except _UNREADABLE:
        body = None
    errors = body.get("errors") if isinstance(body, dict) else None
    listed = errors if isinstance(errors, list) else [errors]
    first = next((error for error in listed if isinstance(error, dict)), {})
    return Answer(
        reply.status,
        _text(first.get("code"))[:_CODE_SHOWN],
        _text(first.get("title")),
        _text(first.get("detail")),
        max(0.0, retry_after_ms(reply.headers) / 1000),
    )


def _text(value: object) -> str:
    """A code is published as a string and seen as a number."""
    return str(value).strip() if type(value) in (str, int) else ""


def _shown(reply: Reply) -> str:
    return f"HTTP {reply.status} {reply.body.decode('utf-8', 'replace')}"[:_SHOWN]


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000
