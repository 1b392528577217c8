"""Signs events: as Standard Webhooks says, and as the provider signs its own, for its SDK."""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import blake2b, sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sluicegate.errors import InvalidConfig
from sluicegate_worker.provider.telnyx.signatures import V2_SIGNATURE, V2_TIMESTAMP

PREFIX: Final = "whsec_"
_LEAST, _MOST = 24, 64  # bytes, as Standard Webhooks says
_TEXT = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_DERIVED: Final = b"sluicegate events, ed25519"


class EventSigner:
    """Signs one app's events with its secrets: the one now and, while exchanged, one before.

    The provider's scheme wants a key pair: it is derived of the first secret, so that there is
    nothing more to keep. Raises InvalidConfig for ``variable`` where a secret is none.
    """

    def __init__(self, variable: str, secrets: Sequence[str]) -> None:
        self._secrets = [_decoded(variable, secret) for secret in secrets]
        seed = blake2b(_DERIVED, key=self._secrets[0], digest_size=32).digest()
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        """What the provider's SDK checks our events with, in base64."""
        return b64encode(self._private.public_key().public_bytes_raw()).decode()

    def headers(self, id: str, body: bytes, unix_seconds: int) -> dict[str, str]:
        """The headers that sign an event, sent at a time; ``id`` is the same at each try."""
        stamp = str(unix_seconds)
        signed = f"{id}.{stamp}.".encode() + body
        own = [b64encode(hmac.digest(secret, signed, sha256)) for secret in self._secrets]
        providers = self._private.sign(f"{stamp}|".encode() + body)
        return {
            "webhook-id": id,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(f"v1,{each.decode()}" for each in own),
            V2_SIGNATURE: b64encode(providers).decode(),
            V2_TIMESTAMP: stamp,
        }


def _decoded(variable: str, secret: str) -> bytes:
    text = secret.removeprefix(PREFIX)
    fault = f"must be {PREFIX} and {_LEAST} to {_MOST} bytes in base64: sluicegate events secret"
    if text == secret or not _TEXT.fullmatch(text):
        raise InvalidConfig(variable, fault)
    try:
        decoded = b64decode(text, validate=True)
    except binascii.Error:
        raise InvalidConfig(variable, fault) from None
    if not _LEAST <= len(decoded) <= _MOST:
        raise InvalidConfig(variable, fault)
    return decoded
