"""The URLs to which the provider reports what became of a message: made here, and checked.

    <public_url>/receipts/<account>/<id>/<mac>[?relay=<the app's own URL>]

The mac says that we made the URL, for this message and with this relay: so nobody can have a
receipt applied to another message, or have us post to an address of their choice. A URL is a pure
function of its parts, since a request that is repeated must be the same bytes.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import quote

from .errors import InvalidMessage
from .urls import MAX_URL

_MAC_BYTES = 15  # 20 characters


class WebhookUrls:
    """The URLs of one account; ``secret`` is the receipts' secret."""

    def __init__(self, public_url: str, secret: str, account: str) -> None:
        self._base = f"{public_url}/receipts/"
        self._secret, self._account = secret, account

    def url(self, id: str, relay: str | None = None) -> str:
        """Where receipts of message ``id`` go; they are passed on to ``relay``, the app's own URL.

        Raises InvalidMessage where that makes it longer than the provider takes.
        """
        path = f"{quote(self._account, safe='')}/{quote(id, safe='')}"
        url = f"{self._base}{path}/{_mac(self._secret, self._account, id, relay)}"
        url = f"{url}?relay={quote(relay, safe='')}" if relay else url
        if len(url) > MAX_URL:
            reason = (
                f"too long to be passed on to: with ours around it {len(url):,} characters, and "
                f"the provider takes {MAX_URL:,}; shorten it, or set receipts = false"
            )
            raise InvalidMessage("webhook_url", relay, reason, id)
        return url


def verified(secret: str, account: str, id: str, mac: str, relay: str | None) -> bool:
    """Whether we made the URL with these parts; in constant time."""
    expected = _mac(secret, account, id, relay)
    return hmac.compare_digest(expected.encode(), mac.encode(errors="replace"))


def _mac(secret: str, account: str, id: str, relay: str | None) -> str:
    # Quoted, no part can hold what stands between them.
    parts = (quote(part, safe="", errors="replace") for part in (account, id, relay or ""))
    digest = hmac.digest(secret.encode(), "/".join(parts).encode(), sha256)
    return urlsafe_b64encode(digest[:_MAC_BYTES]).decode()
