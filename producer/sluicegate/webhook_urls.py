"""The URLs to which the provider reports what became of a message: made here, and checked.

    <public_url>/receipts/<account>/<id>/<mac>[?relay=<the app's own URL>]

The mac says that we made the URL, for this message and with this relay: so nobody can have a
receipt applied to another message, or have us post to an address of their choice. A URL is a pure
function of its parts, since a request that is repeated must be the same bytes.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, unquote

from .errors import InvalidMessage
from .urls import MAX_URL

_MAC_BYTES, _MAC_CHARACTERS = 15, 20
_READ = re.compile(
    r"https?://[^?#]*/receipts/([^/?#]+)/([^/?#]+)/([\w-]{20})(?:\?relay=([^&#]*))?", re.ASCII
)


class UrlOwner(NamedTuple):
    """Whose receipts a URL takes: the message ``id`` of an account."""

    account: str
    id: str


def relay_fault(public_url: str, account: str, id: str, relay: str) -> str:
    """Say why ``relay``, an app's own URL, can't be part of one of ours; ``""`` if it can.

    An app knows no secret of ours, but each mac is as long as another.
    """
    return _too_long(_url(public_url, account, id, "m" * _MAC_CHARACTERS, relay))


class WebhookUrls:
    """The URLs of one account; ``secret`` is the receipts' secret."""

    def __init__(self, public_url: str, secret: str, account: str) -> None:
        self._public_url, self._secret, self._account = public_url, secret, account

    def url(self, id: str, relay: str | None = None) -> str:
        """Where receipts of message ``id`` go; they are passed on to ``relay``, the app's own URL.

        Raises InvalidMessage where that makes it longer than the provider takes.
        """
        mac = _mac(self._secret, self._account, id, relay)
        url = _url(self._public_url, self._account, id, mac, relay)
        if fault := _too_long(url):
            raise InvalidMessage("webhook_url", relay, fault, id)
        return url


def _url(public_url: str, account: str, id: str, mac: str, relay: str | None) -> str:
    url = f"{public_url}/receipts/{quote(account, safe='')}/{quote(id, safe='')}/{mac}"
    return f"{url}?relay={quote(relay, safe='')}" if relay else url


def _too_long(url: str) -> str:
    if len(url) <= MAX_URL:
        return ""
    return (
        f"too long to be passed on to: with ours around it {len(url):,} characters, and "
        f"the provider takes {MAX_URL:,}; shorten it, or set receipts = false"
    )


def verified(secrets: tuple[str, ...], account: str, id: str, mac: str, relay: str | None) -> bool:
    """Whether we made the URL with these parts and one of the secrets; in constant time."""
    given = mac.encode(errors="replace")
    expected = [_mac(secret, account, id, relay).encode() for secret in secrets]
    return sum(hmac.compare_digest(each, given) for each in expected) > 0


def owner_of(url: str, secrets: tuple[str, ...]) -> UrlOwner | None:
    """Read a URL of ours, whatever our public URL was then; None if we didn't make it."""
    parts = _READ.fullmatch(url)
    if parts is None:
        return None
    account, id = unquote(parts[1]), unquote(parts[2])
    relay = None if parts[4] is None else unquote(parts[4])
    return UrlOwner(account, id) if verified(secrets, account, id, parts[3], relay) else None


def _mac(secret: str, account: str, id: str, relay: str | None) -> str:
    # Quoted, no part can hold what stands between them.
    parts = (quote(part, safe="", errors="replace") for part in (account, id, relay or ""))
    digest = hmac.digest(secret.encode(), "/".join(parts).encode(), sha256)
    return urlsafe_b64encode(digest[:_MAC_BYTES]).decode()
