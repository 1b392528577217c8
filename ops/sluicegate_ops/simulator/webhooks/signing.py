"""The webhooks' signatures: Ed25519 for API v2, HMAC with the profile secret for v1."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from functools import cached_property
from os import urandom
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to import, and only a webhook needs it
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Signer:
    """One Ed25519 key; ``signing_key`` is its private part in base64, or empty for a new key."""

    def __init__(self, signing_key: str = "") -> None:
        self._private = b64decode(signing_key) if signing_key else urandom(32)

    @cached_property
    def _key(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self._private)

    @cached_property
    def public_key(self) -> str:
        """The public part in base64, as the provider's portal shows it."""
        return b64encode(self._key.public_key().public_bytes_raw()).decode()

    def headers(self, body: bytes, unix_seconds: int) -> bytes:
        """The header lines that sign ``body`` at the given time."""
        signature = self._key.sign(b"%d|%b" % (unix_seconds, body))
        return b"telnyx-signature-ed25519: %b\r\ntelnyx-timestamp: %d\r\n" % (
            b64encode(signature),
            unix_seconds,
        )


def v1_headers(secret: str, body: bytes, unix_seconds: int) -> bytes:
    """The header line that signs a webhook of API v1 with the profile's secret."""
    signed = b"%d.%b" % (unix_seconds, body)
    digest = hmac.digest(secret.encode(), signed, hashlib.sha256)
    return b"x-telnyx-signature: t=%d,h=%b\r\n" % (unix_seconds, b64encode(digest))
