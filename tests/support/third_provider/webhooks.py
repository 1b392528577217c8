"""The webhooks: checked by an HMAC with the account's token, and read."""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256

from sluicegate.config import Account
from sluicegate.receipts import Delivery, Receipt
from sluicegate_worker.provider.webhooks import (
    Forged,
    UnknownEvent,
    WebhookEvent,
    WebhookReader,
    check_age,
)

SIGNATURE, TIME = "x-pigeon-hmac", "x-pigeon-time"
DELIVERY_OF: Mapping[str, Delivery] = {"LANDED": "delivered", "EATEN": "failed"}


def webhook_readers(account: Account, environ: Mapping[str, str]) -> list[WebhookReader]:
    """One reader, where the token is set."""
    tokens = account.webhook_secrets(environ)
    if not tokens:
        return []

    def check(headers: Mapping[str, str], body: bytes, now_seconds: float) -> None:
        moment = headers.get(TIME, "")
        check_age(moment, now_seconds)
        signatures = [signature_of(token, moment, body) for token in tokens]
        if not any(hmac.compare_digest(each, headers[SIGNATURE]) for each in signatures):
            raise Forged("its signature is not the pigeon's")

    return [WebhookReader((SIGNATURE, TIME), check, parse_event)]


def signature_of(token: str, moment: str, body: bytes) -> str:
    """What the provider writes in its signature's header."""
    return hmac.new(token.encode(), moment.encode() + b"\n" + body, sha256).hexdigest()


def parse_event(raw: bytes, id: str, heard_ms: int) -> WebhookEvent:
    """What a webhook tells."""
    body = json.loads(raw)
    if "state" not in body:
        return UnknownEvent(str(body.get("about", "")))
    return Receipt(
        event_id=body["event"],
        id=id,
        provider_id=body["reference"],
        delivery=DELIVERY_OF.get(body["state"], ""),
        occurred_ms=heard_ms,
        code=str(body.get("why", "")),
    )
