"""The URLs that a message may name: https, or for webhooks also http to a loopback host."""

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from .addresses import address_of, is_loopback

MAX_URL = 2_000
"""Characters in a URL. Telnyx publishes no limit; much software takes no more than about this."""

URL_RULE = f"must be an https URL of at most {MAX_URL:,} characters with a valid host"

# A label of a host name, and a whole URL in one piece. A user name or a password in a URL is
# refused: it would appear in records and logs. No IGNORECASE: it lets the Kelvin sign be a k.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_URL = re.compile(
    rf"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?P<host>{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:[/?#][^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]*)?\Z",
)


def is_media_url(url: str) -> bool:
    """Whether ``url`` is https, of a permitted length, with a valid host and port."""
    return _is_url(url, http_on_loopback=False)


def is_webhook_url(url: str) -> bool:
    """Whether ``url`` is as ``is_media_url`` asks, or http to a loopback host."""
    return _is_url(url, http_on_loopback=True)


def _is_url(url: str, *, http_on_loopback: bool) -> bool:
    match = _URL.match(url) if len(url) <= MAX_URL else None
    if match is None or not 1 <= int(match["port"] or 1) <= 65_535:
        return False
    host = match["host"].rstrip(".")
    if not _is_host(host):
        return False
    return match["scheme"].lower() == "https" or (http_on_loopback and is_loopback(host))


def _is_host(host: str) -> bool:
    if host[0] == "[":
        return isinstance(address_of(host[1:-1]), IPv6Address)
    looks_like_address = host.rpartition(".")[2].isdigit()
    return address_of(host) is not None if looks_like_address else len(host) <= 253


_SHORT_BASE = re.compile(r"(https://)?[a-z0-9.-]+(:[0-9]+)?(/[\w-]+)*", re.IGNORECASE | re.ASCII)


def short_base_fault(base: str) -> str:
    """What is wrong with the domain of short links, such as acme.to; "" for nothing."""
    host = urlsplit(base if "//" in base else f"https://{base}").hostname or ""
    if not _SHORT_BASE.fullmatch(base) or "." not in host.strip("."):
        return "must be a domain such as acme.to, with https:// before it or without"
    return ""


def short_links_path(base: str) -> str:
    """The path behind the domain of short links; "" for none."""
    return urlsplit(base if "//" in base else f"https://{base}").path
