"""Telnyx API v2: one POST /messages per message, under an idempotency key."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from sluicegate.config import Account
from sluicegate.message import Message

from .bucket import evidence
from .gateway import Attempt
from .outcome import Accepted, Answer, Doubt, Outcome, decided, maybe_sent, not_sent
from .transport import GateClosed, MaybeSent, NotSent, Reply, Transport

_SHOWN = 500


class _Data(msgspec.Struct):
    id: str = ""


class _Success(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


class _Error(msgspec.Struct):
    code: str | int = ""
    title: str | None = ""
    detail: str | None = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


_success = msgspec.json.Decoder(_Success)
_errors = msgspec.json.Decoder(_Errors)


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
        self._now = now
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
            return Attempt(not_sent(str(error)), took_ms=_ms_since(began))
        except MaybeSent as error:
            return Attempt(maybe_sent(str(error)), took_ms=_ms_since(began))
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


def understood(reply: Reply, now: datetime) -> Outcome:
    """The outcome of an answer, whatever it looks like; never raises."""
    if 200 <= reply.status < 300:
        return _accepted(reply)
    return decided(_answer(reply), now)


def _accepted(reply: Reply) -> Outcome:
    try:
        provider_id = _success.decode(reply.body).data.id
    except (msgspec.DecodeError, UnicodeDecodeError):
        provider_id = ""
    if not provider_id:
        return Doubt(f"HTTP {reply.status} with an answer that can't be read", "unreadable")
    replayed = reply.headers.get("idempotent-replayed", "").lower() == "true"
    return Accepted(provider_id, replayed)


def _answer(reply: Reply) -> Answer:
    try:
        errors = _errors.decode(reply.body).errors
    except (msgspec.DecodeError, UnicodeDecodeError):
        errors = []
    if not errors:
        return Answer(reply.status)
    first = errors[0]
    return Answer(reply.status, str(first.code), first.title or "", first.detail or "")


def _shown(reply: Reply) -> str:
    return f"HTTP {reply.status} {reply.body.decode('utf-8', 'replace')}"[:_SHOWN]


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000
