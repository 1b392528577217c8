"""Lua scripts joined from their parts, each part a file beside the code that calls it.

A script is called with the account's prefix as its only key. ``time`` is the part that tests
replace (``Script.source(time=...)``), so that every other line of Lua is tested as shipped.
"""

import secrets
from collections.abc import Awaitable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol, cast

Argument = str | bytes | int | float

_SHARED = tuple(
    ("sluicegate", part)
    for part in ("time", "account", "records", "lanes", "levels", "books", "evidence")
)


_SAVED = "local answer = (function()\n{}\nend)()\nsave()\nreturn answer"
"""A script's own part, whose answer is given once all that it changed is written."""


def new_token(tag: str = "") -> str:
    """A random token, 12 characters after ``tag``: it fences a lease, or marks a repeated call."""
    return tag + secrets.token_urlsafe(9)


class Registrar(Protocol):
    """A redis-py client, sync or async: what can register a script."""

    def register_script(self, script: str) -> Any: ...


class Script:
    """One script: its parts in order, after the shared ones.

    ``parts`` are file names without ``.lua`` in ``package``'s ``lua`` folder.
    """

    def __init__(self, package: str, *parts: str) -> None:
        self.parts = (*_SHARED, *((package, part) for part in parts))

    def source(self, time: str | None = None) -> str:
        """The Lua text; ``time``, where given, stands in for the part that reads the clock."""
        texts = [_read(package, part) for package, part in self.parts]
        if time is not None:
            texts[0] = time
        return "\n".join([*texts[:-1], _SAVED.format(texts[-1])])


class Scripts:
    """Scripts registered once on one client, so that calls go as EVALSHA.

    ``time`` is for tests: see ``Script.source``.
    """

    def __init__(self, client: Registrar, prefix: str, time: str | None = None) -> None:
        self._client, self._prefix, self._time = client, prefix, time
        self._registered: dict[Script, Any] = {}

    def call(self, script: Script, args: Sequence[Argument]) -> Any:
        """Run ``script`` and return its answer (an awaitable on an async client)."""
        registered = self._registered.get(script)
        if registered is None:
            registered = self._client.register_script(script.source(self._time))
            self._registered[script] = registered
        return registered(keys=[self._prefix], args=args)

    def acall(self, script: Script, args: Sequence[Argument]) -> Awaitable[Any]:
        """``call`` on an async client, with the type that says so."""
        return cast("Awaitable[Any]", self.call(script, args))


@cache
def _read(package: str, part: str) -> str:
    return (files(package) / "lua" / f"{part}.lua").read_text(encoding="utf-8")
