"""Telnyx's webhooks, as one account's are checked and read."""

from collections.abc import Mapping

from sluicegate.config import Account
from sluicegate.errors import InvalidConfig

from ..webhooks import WebhookReader
from .events import parse_v1_event, parse_v2_event
from .signatures import V1_SIGNATURE, V2_SIGNATURE, V2_TIMESTAMP, V1Signature, V2Signature


def webhook_readers(account: Account, environ: Mapping[str, str]) -> list[WebhookReader]:
    """A reader for each API whose key or secret is set; an account may hear from both.

    Raises InvalidConfig for a public key that is none.
    """
    readers = []
    if public_key := account.public_key(environ):
        signature = _v2_signature(account, public_key)
        headers = (V2_SIGNATURE, V2_TIMESTAMP)
        readers.append(WebhookReader(headers, signature.check, parse_v2_event))
    if secret := account.webhook_secret(environ):
        check = V1Signature(secret).check
        readers.append(WebhookReader((V1_SIGNATURE,), check, parse_v1_event))
    return readers


def _v2_signature(account: Account, public_key: str) -> V2Signature:
    try:
        return V2Signature(public_key)
    except ValueError:
        reason = "must be the public key as the provider's portal shows it: 32 bytes in base64"
        raise InvalidConfig(account.public_key_env, reason) from None
