"""Telnyx's webhooks, as one account's are checked and read."""

from collections.abc import Mapping, Sequence

from sluicegate.config import Account
from sluicegate.config.web import previous
from sluicegate.errors import InvalidConfig

from ..webhooks import WebhookReader
from .events import parse_v1_event, parse_v2_event
from .signatures import V1_SIGNATURE, V2_SIGNATURE, V2_TIMESTAMP, V1Signature, V2Signature


def webhook_readers(account: Account, environ: Mapping[str, str]) -> list[WebhookReader]:
    """A reader for each API whose key or secret is set; an account may hear from both.

    Raises InvalidConfig for a public key that is none.
    """
    readers = []
    if public_keys := account.public_keys(environ):
        signature = _v2_signature(account, public_keys)
        headers = (V2_SIGNATURE, V2_TIMESTAMP)
        readers.append(WebhookReader(headers, signature.check, parse_v2_event))
    if secrets := account.webhook_secrets(environ):
        check = V1Signature(secrets).check
        readers.append(WebhookReader((V1_SIGNATURE,), check, parse_v1_event))
    return readers


def _v2_signature(account: Account, public_keys: Sequence[str]) -> V2Signature:
    try:
        return V2Signature(public_keys)
    except ValueError:
        reason = "must be the public key as the provider's portal shows it: 32 bytes in base64"
        variables = (account.public_key_env, previous(account.public_key_env))
        names = " or ".join(variables[: len(public_keys)])
        raise InvalidConfig(names, reason) from None
