"""Settings of the desk: where people open it, who they are, and what each may do."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from ..addresses import is_loopback
from .senders import SettingFaults

Role = Literal["look", "send", "operate", "numbers"]
"""``look``: read the pages. ``send``: run campaigns. ``operate``: halts, dead letters, doubts,
opt-outs. ``numbers``: see phone numbers and texts whole. Each of them includes ``look``."""

ROLES: Final[tuple[Role, ...]] = ("look", "send", "operate", "numbers")

USER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,79}")
USER_NAME_RULE: Final = (
    "a person's name must be 1 to 80 of letters, digits and . _ @ + -, and begin with a letter or "
    "digit"
)
HASH: Final = re.compile(r"scrypt\$\d{1,2}\$\d{1,3}\$\d{1,3}\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+")
"""What a password's hash looks like: the method, its costs, the salt, and the hash."""

_HEADER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_MIB = 1_048_576


class DeskUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person. Without ``password_hash`` only a proxy's header, or Flower, lets them in."""

    password_hash: str = ""
    roles: tuple[Role, ...] = ("look",)


class Desk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The desk, ``/desk`` on a listener of its own.

    ``url`` is the https origin at which people open it, if a proxy speaks HTTPS in front: without
    one it is opened at an address or localhost only. ``user_header`` is the header in which a
    proxy, one of ``web.proxies``, says who has logged in to it. A session ends after
    ``session_seconds``, and when nobody has looked for ``idle_seconds``. What is uploaded is kept
    under ``files`` for ``keep_files_seconds``; one file may have ``upload_bytes``.
    ``users`` are by name; in Flower, who has logged in there under such a name may do the same.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8082
    url: str = ""
    user_header: str = ""
    session_seconds: Annotated[float, msgspec.Meta(ge=60, le=30 * 86_400)] = 12 * 3_600.0
    idle_seconds: Annotated[float, msgspec.Meta(ge=60, le=30 * 86_400)] = 3_600.0
    upload_bytes: Annotated[int, msgspec.Meta(ge=1_024, le=8_192 * _MIB)] = 512 * _MIB
    files: str = ".sluicegate-desk"
    keep_files_seconds: Annotated[float, msgspec.Meta(ge=3_600, le=365 * 86_400)] = 7 * 86_400.0
    users: dict[str, DeskUser] = {}


def desk_faults(desk: Desk | None, proxies: object) -> SettingFaults:
    """Yield what the types can't check; ``proxies`` are those of ``web``."""
    if desk is None:
        return
    if not desk.host:
        yield ("host",), "must be an address to listen on, such as 127.0.0.1"
    if desk.url and not _is_origin(desk.url):
        yield (
            ("url",),
            "must be https://, a host and perhaps a port, such as https://desk.example.com",
        )
    if desk.host and not is_loopback(desk.host) and not desk.url:
        yield (
            ("url",),
            "passwords would cross the network in the clear: name the https URL at which a proxy "
            "in front serves the desk, or let host be 127.0.0.1",
        )
    if desk.user_header and not _HEADER.fullmatch(desk.user_header):
        yield ("user_header",), "must be the name of a header, such as X-Forwarded-User"
    if desk.user_header and not proxies:
        yield (
            ("user_header",),
            "anybody could send it: name the proxy that sets it in web.proxies",
        )
    if not desk.files:
        yield ("files",), "must be a folder, such as .sluicegate-desk"
    yield from _user_faults(desk.users)


def _user_faults(users: Mapping[str, DeskUser]) -> SettingFaults:
    for name, user in users.items():
        if not USER_NAME.fullmatch(name):
            yield ("users", name), USER_NAME_RULE
        if user.password_hash and not HASH.fullmatch(user.password_hash):
            reason = "is not a hash of a password: sluicegate user add writes one"
            yield ("users", name, "password_hash"), reason
        if not user.roles:
            yield ("users", name, "roles"), f"name at least one of {', '.join(ROLES)}"


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises ValueError where it is not one
    except ValueError:
        return False
    alone = not (parts.path or parts.query or parts.fragment or parts.username is not None)
    return parts.scheme == "https" and bool(parts.hostname) and alone and url == url.lower()
