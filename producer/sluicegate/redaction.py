"""Hides secrets in texts from outside, also where they come back in another spelling.

Whoever repeats a request in an answer or an error repeats the key that was in it: as it was,
JSON-escaped, percent-encoded, as an HTML entity, in base64 or in hexadecimal digits.
"""

import html
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

_SHORTEST: Final = 6  # what is shorter would hide words
_MOST: Final = 65_536  # characters that are looked at
_ROUNDS: Final = 3  # an escape within an escape within an escape
_escape = re.compile(r"\\+u([0-9A-Fa-f]{4})")
_hex_escape = re.compile(r"\\+x([0-9A-Fa-f]{2})")
_backslash = re.compile(r"\\+(?=[\"'/\\&=+-])")


class Redaction:
    """What hides ``secrets``, those of at least six characters, as ``word`` in any text."""

    def __init__(self, secrets: Iterable[str], word: str) -> None:
        known = {secret for secret in secrets if len(secret) >= _SHORTEST}
        # The longest first: one secret may be part of another.
        self._secrets, self._word = sorted(known, key=len, reverse=True), word
        forms = {re.escape(form) for secret in self._secrets for form in _encodings(secret)}
        self._encoded = re.compile("|".join(forms))

    def hide(self, text: str) -> str:
        """``text`` without the secrets; nothing of it is left where one can't be cut out."""
        shown = self.cut(text)
        return self.notice if self.repeats(shown) else shown

    @property
    def notice(self) -> str:
        """What stands for a text that can't be shown."""
        return f"(left out: it repeats {self._word})"

    def cut(self, text: str) -> str:
        """``text`` with every secret cut out that stands there literally, or wholly encoded."""
        for secret in self._secrets:
            text = text.replace(secret, self._word)
        return self._encoded.sub(self._word, text) if self._secrets else text

    def repeats(self, text: str) -> bool:
        """Whether a secret stands in ``text`` escaped, in the first 65,536 characters."""
        plain = text[:_MOST]
        for _ in range(_ROUNDS if self._secrets else 0):
            plain = _unescaped(plain)
            if any(secret in plain for secret in self._secrets):
                return True
        return False


def _unescaped(text: str) -> str:
    """``text`` with one layer of each kind of escapes taken off."""
    text = _escape.sub(lambda match: chr(int(match[1], 16)), text)
    text = _hex_escape.sub(lambda match: chr(int(match[1], 16)), text)
    return html.unescape(unquote(_backslash.sub("", text), errors="replace"))


def _encodings(secret: str) -> Iterator[str]:
    """The secret in hexadecimal digits, and in base64 wherever in the encoded text it begins.

    Of the latter, what depends on the text around it is left out.
    """
    raw = secret.encode()
    yield raw.hex()
    yield raw.hex().upper()
    for lead in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            whole = encode(b"\0" * lead + raw).decode().rstrip("=")
            first = -(-8 * lead // 6)
            last = 8 * (lead + len(raw)) // 6
            yield whole[first:last]
