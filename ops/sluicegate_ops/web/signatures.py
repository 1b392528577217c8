"""Whether a webhook comes from the provider: its signature over the raw body, and its age."""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_SECONDS: Final = 300
"""How far a signature's time may be from ours; the provider's own libraries allow the same."""

SIGNATURE, TIMESTAMP, V1_SIGNATURE = (
    "telnyx-signature-ed25519",
    "telnyx-timestamp",
    "x-telnyx-signature",
)
HEADERS: Final = (SIGNATURE, TIMESTAMP, V1_SIGNATURE)

_V1 = re.compile(r"\s*t=([0-9]{1,12})\s*,\s*h=([A-Za-z0-9+/]{43}=)\s*", re.ASCII)

Shape = Literal["v2", "v1"]


class Forged(Exception):
    """A webhook that is not the provider's: its text says what is wrong, and repeats nothing."""


class Signatures:
    """What one account's webhooks are signed for.

    ``public_key`` is 32 bytes in base64, ``v1_secret`` a messaging profile's; either may be empty,
    and then nothing that is signed that way is believed. Raises ValueError for a malformed key.
    """

    def __init__(self, public_key: str, v1_secret: str) -> None:
        self._key = (
            Ed25519PublicKey.from_public_bytes(_decoded(public_key)) if public_key else None
        )
        self._v1_secret = v1_secret.encode()

    def __bool__(self) -> bool:
        return bool(self._key or self._v1_secret)

    def check(self, headers: Mapping[str, str], body: bytes, now_seconds: float) -> Shape:
        """The shape of webhook it is, told by its headers; raises Forged."""
        if SIGNATURE in headers:
            self._check_v2(headers[SIGNATURE], headers.get(TIMESTAMP, ""), body, now_seconds)
            return "v2"
        if V1_SIGNATURE in headers:
            self._check_v1(headers[V1_SIGNATURE], body, now_seconds)
            return "v1"
        raise Forged("it has no signature")

    def _check_v2(self, signature: str, timestamp: str, body: bytes, now_seconds: float) -> None:
        if self._key is None:
            raise Forged("no public key is configured")
        _check_age(timestamp, now_seconds)
        try:
            self._key.verify(_decoded(signature), timestamp.encode() + b"|" + body)
        except (InvalidSignature, ValueError):
            raise Forged("its signature is not the provider's") from None

    def _check_v1(self, header: str, body: bytes, now_seconds: float) -> None:
        found = _V1.fullmatch(header)
        if not self._v1_secret or found is None:
            raise Forged("its signature can't be read, or no v1 secret is configured")
        timestamp, signature = found.groups()
        _check_age(timestamp, now_seconds)
        made = hmac.digest(self._v1_secret, timestamp.encode() + b"." + body, sha256)
        if not hmac.compare_digest(b64encode(made), signature.encode()):
            raise Forged("its signature is not the provider's")


def _check_age(timestamp: str, now_seconds: float) -> None:
    if not re.fullmatch(r"[0-9]{1,12}", timestamp, re.ASCII):
        raise Forged("it has no time")
    if abs(now_seconds - int(timestamp)) > TOLERANCE_SECONDS:
        raise Forged("its signature is too old, or from the future; or our clock is wrong")


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
