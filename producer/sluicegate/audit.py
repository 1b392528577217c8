"""The audit: what people did, who they were and why.

It is kept whole, as proof: an act takes 200 to 400 bytes, so a hundred a day come to some 10 MB a
year of Redis's memory. ``sluicegate audit export`` copies it to where it may stay for longer.
"""

import getpass
import os
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import redis

from .keys import Keys
from .scripts import Script, Scripts, new_token

NOTE = Script("sluicegate.note")

_PAGE = 500
_IDS_KEPT = 20


def os_user() -> str:
    """The name of whoever runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        return f"uid {os.getuid()}"


class By(msgspec.Struct, frozen=True):
    """Who acts on messages, and why."""

    who: str = msgspec.field(default_factory=os_user)
    why: str = ""


class Act(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One act: who did what to which messages, and why.

    ``action`` is ``replay``, ``edit``, ``purge``, ``resolve`` with its verdict, ``halt``,
    ``clear halt``, ``import``, ``start``, ``pause``, ``resume``, ``cancel``, ``pace``, ``cap``,
    ``guard``, ``revise`` or ``approve`` of the campaign that ``filter`` names, ``add optouts`` or
    ``remove optouts``, ``export``, ``limits`` where a worker put others in force, ``warn`` where
    so much of a cap in money is spent, ``adopt deployment`` or ``forget key``. ``ids`` names the
    messages where a person named them and they are few; otherwise ``filter`` says how they
    were chosen. ``sender`` and ``text`` are an edit's new values. ``generation`` is what a single
    message has after the act. ``run`` marks the calls of one command.
    """

    who: str
    action: str
    why: str = ""
    ids: tuple[str, ...] = ()
    filter: Mapping[str, str] = {}
    sender: str = ""
    text: str = ""
    generation: int | None = None
    run: str = msgspec.field(default_factory=new_token)

    def said(self) -> bytes:
        """The act as JSON, as the scripts take it."""
        return msgspec.json.encode(self)


class Entry(Act, frozen=True, omit_defaults=True, kw_only=True):
    """An act as Redis keeps it: it began at ``at_ms`` (wall) and changed ``count`` messages."""

    at_ms: int
    count: int


def act(by: By, action: str, *ids: str, **fields: Any) -> Act:
    """Make an act; ``ids`` are left out where there are more than 20."""
    kept = ids if len(ids) <= _IDS_KEPT else ()
    return Act(who=by.who, why=by.why, action=action, ids=kept, **fields)


class Audit:
    """The entries of one account, on a synchronous client."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._key = keys("audit")
        self._scripts = Scripts(client, keys.prefix)

    def note(self, act: Act, count: int = 1) -> None:
        """Add an act that changed ``count`` things; those on messages note themselves."""
        self._scripts.call(NOTE, [new_token(), act.said(), count])

    def __len__(self) -> int:
        return int(self._client.llen(self._key))

    def __iter__(self) -> Iterator[Entry]:
        """All of them, the latest first."""
        start = 0
        while page := self._client.lrange(self._key, start, start + _PAGE - 1):
            yield from (msgspec.json.decode(entry, type=Entry) for entry in page)
            start += _PAGE
