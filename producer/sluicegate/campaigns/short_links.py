"""Short links: a text's addresses as ones of your own domain, which tell who followed them.

    acme.to/Ab3ukO-PzmxHO8    the domain, 3 characters of the link, 11 of the recipient

A plan keeps its text as people wrote it. Its template has short links in place of the addresses,
all of one length: so a text has as many segments for whoever counts as for whoever sends.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Final

from ..errors import InvalidMessage
from ..urls import is_media_url

LINK_ID: Final = "short_link_id"
"""The variable of a recipient's part; no column can be called so."""

CODE_CHARACTERS: Final = 3
ID_CHARACTERS: Final = 11
ANY_ID: Final = "x" * ID_CHARACTERS
"""Stands for a recipient's part where texts are counted or shown, and nothing is sent."""

PATH: Final = re.compile(rf"/([\w-]{{{CODE_CHARACTERS}}})([\w-]{{{ID_CHARACTERS}}})", re.ASCII)
"""The path of a short link: what is of the link, and what is of the recipient."""

_ANY_CODE = "x" * CODE_CHARACTERS
_TRIES = 64
_ADDRESS = re.compile(r"https?://[^\s<>\"'|\\^`]+", re.IGNORECASE)
_TRAILING = ".,;:!?)]*_~"


def addresses_in(text: str) -> tuple[str, ...]:
    """The addresses in a text, each once, in their order.

    Raises InvalidMessage for one that has a variable in it, or that nobody could be sent on to.
    """
    found = dict.fromkeys(one[0].rstrip(_TRAILING) for one in _ADDRESS.finditer(text))
    for address in found:
        if "{" in address or "}" in address:
            reason = "has a variable in it, and a short link leads everybody to one address"
            raise InvalidMessage("text", address, reason)
        if not is_media_url(address.replace("http://", "https://", 1)):
            raise InvalidMessage("text", address[:80], "is no address that a link can lead to")
    return tuple(found)


def with_short_links(text: str, base: str, links: Mapping[str, str]) -> str:
    """The template's source: short links in place of the addresses that ``links`` has codes of."""

    def shortened(found: re.Match[str]) -> str:
        address = found[0].rstrip(_TRAILING)
        code = links.get(address, _ANY_CODE)
        return f"{base}/{code}{{{{ {LINK_ID} }}}}{found[0][len(address) :]}"

    return _ADDRESS.sub(shortened, text)


def codes_for(campaign: str, address: str) -> Iterable[str]:
    """The codes that a link may have, in the order in which they are tried."""
    for attempt in range(_TRIES):
        about = f"{campaign}\0{address}\0{attempt}".encode()
        hash = blake2b(about, digest_size=3).digest()
        yield urlsafe_b64encode(hash).decode()[:CODE_CHARACTERS]


def chosen_codes(
    campaign: str, addresses: Iterable[str], choose: Callable[[str, list[str]], str]
) -> tuple[tuple[str, str], ...]:
    """Each address with its code; ``choose`` keeps one of those it is given, "" if all are taken.

    Raises InvalidMessage where they are.
    """
    found = []
    for address in addresses:
        code = choose(address, list(codes_for(campaign, address)))
        if not code:
            reason = "finds no free code: delete campaigns that are long over"
            raise InvalidMessage("text", address, reason)
        found.append((address, code))
    return tuple(found)
