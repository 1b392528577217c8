"""The signatures of Telnyx's webhooks: Ed25519 on API v2, HMAC-SHA256 on v1."""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
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
    """What v2 signs with: ``public_key`` is 32 bytes in base64. Raises ValueError for another."""

    def __init__(self, public_key: str) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(_decoded(public_key))

    def check(self, headers: Mapping[str, str], body: bytes, now_seconds: float) -> None:
        """Raise Forged unless Telnyx signed ``body`` within the last minutes."""
        timestamp = headers.get(V2_TIMESTAMP, "")
        check_age(timestamp, now_seconds)
        try:
            self._key.verify(_decoded(headers[V2_SIGNATURE]), timestamp.encode() + b"|" + body)
        except (InvalidSignature, ValueError):
            raise Forged("its signature is not the provider's") from None


class V1Signature:
    """What v1 signs with: ``secret`` is a messaging profile's."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def check(self, headers: Mapping[str, str], body: bytes, now_seconds: float) -> None:
        """Raise Forged unless Telnyx signed ``body`` within the last minutes."""
        value = _V1_VALUE.fullmatch(headers[V1_SIGNATURE])
        if value is None:
            raise Forged("its signature can't be read")
        timestamp, signature = value.groups()
        check_age(timestamp, now_seconds)
        expected = hmac.digest(self._secret, timestamp.encode() + b"." + body, sha256)
        if not hmac.compare_digest(b64encode(expected), signature.encode()):
            raise Forged("its signature is not the provider's")


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
