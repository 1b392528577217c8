"""Hashes of passwords: scrypt of the standard library, each with a salt of its own."""

import hmac
import secrets
from base64 import b64decode, b64encode
from functools import cache
from hashlib import scrypt
from typing import Final

LEAST: Final = 12
"""The least number of characters in a password."""

MOST: Final = 256

_LOG_N, _R, _P = 15, 8, 1  # 32 MiB and about a tenth of a second
_MEMORY_BYTES = 128 * 1_048_576
_HASH_BYTES = 32
_MOST_LOG_N = 17


def hashed(password: str, log_n: int = _LOG_N) -> str:
    """The text that stands for a password in the configuration; 2**``log_n`` is what it costs."""
    salt = secrets.token_bytes(16)
    parts = (salt, _scrypt(password, salt, log_n, _R, _P))
    return "$".join(
        ["scrypt", str(log_n), str(_R), str(_P), *(b64encode(p).decode() for p in parts)]
    )


def matches(password: str, stored: str) -> bool:
    """Whether it is the password of a hash; it takes as long where it is not, or is none."""
    try:
        _, log_n, r, p, salt, expected = (stored or _nobodys()).split("$")
        costs = min(int(log_n), _MOST_LOG_N), int(r), int(p)
        found = _scrypt(password[:MOST], b64decode(salt), *costs)
        same = hmac.compare_digest(found, b64decode(expected))
    except ValueError:
        return False
    return same and bool(stored)


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return scrypt(
        password.encode(errors="replace"),
        salt=salt,
        n=2**log_n,
        r=r,
        p=p,
        maxmem=_MEMORY_BYTES,
        dklen=_HASH_BYTES,
    )


@cache
def _nobodys() -> str:
    """A hash that nothing matches: who is not known is checked against it."""
    return hashed(secrets.token_hex(16))
