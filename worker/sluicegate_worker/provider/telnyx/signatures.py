"""The signatures of Telnyx's webhooks: Ed25519 on API v2, HMAC-SHA256 on v1."""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ..webhooks import Forged, check_age

V2_SIGNATURE: Final = "telnyx-signature-ed25519"
V2_TIMESTAMP: Final = "telnyx-timestamp"
V1_SIGNATURE: Final = "x-telnyx-signature"

_V1_VALUE = re.compile(r"\s*t=([0-9]{1,12})\s*,\s*h=([A-Za-z0-9+/]{43}=)\s*", re.ASCII)


class V2Signature:
    """What v2 signs with: each key is 32 bytes in base64. Raises ValueError for any other.

    There is more than one while the provider changes to the first of them.
    """

    def __init__(self, public_keys: Sequence[str]) -> None:
        decoded = map(_decoded, public_keys)
        self._keys = [Ed25519PublicKey.from_public_bytes(key) for key in decoded]

    def check(self, headers: Mapping[str, str], body: bytes, now_seconds: float) -> None:
        """Raise Forged unless Telnyx signed ``body`` within the last minutes."""
        timestamp = headers.get(V2_TIMESTAMP, "")
        check_age(timestamp, now_seconds)
        signed = timestamp.encode() + b"|" + body
        for key in self._keys:
            with suppress(InvalidSignature, ValueError):
                key.verify(_decoded(headers[V2_SIGNATURE]), signed)
                return
        raise Forged("its signature is not the provider's")


class V1Signature:
    """What v1 signs with: ``secrets`` are a messaging profile's, the one now and one before."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = [secret.encode() for secret in secrets]

    def check(self, headers: Mapping[str, str], body: bytes, now_seconds: float) -> None:
        """Raise Forged unless Telnyx signed ``body`` within the last minutes."""
        value = _V1_VALUE.fullmatch(headers[V1_SIGNATURE])
        if value is None:
            raise Forged("its signature can't be read")
        timestamp, signature = value.groups()
        check_age(timestamp, now_seconds)
        signed = timestamp.encode() + b"." + body
        expected = [b64encode(hmac.digest(secret, signed, sha256)) for secret in self._secrets]
        # All are compared, so that the time taken does not tell which of them is near.
        if not sum(hmac.compare_digest(each, signature.encode()) for each in expected):
            raise Forged("its signature is not the provider's")


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
