"""Joins Lua scripts from parts, each a file beside the code that calls it.

A file ``<package>/lua/<name>.lua`` is the part ``<package>.<name>``: the body of a function that
returns a table of what the part offers. A script is a part that returns its answer. Parts get each
other by full name, ``local lanes = part('sluicegate.lanes')``, and use no globals but Lua's own,
``redis``, ``KEYS`` and ``ARGV``.

If a part offers ``at_end``, that is called once the script has its answer. A part that keeps
tables while a script runs writes its changes there, so that no script has to remember to.

A script is called with the account's prefix as its only key. Tests replace the part
``sluicegate.time`` (``Script.source(time=...)``), so every other line of Lua is tested as shipped.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol, cast

Argument = str | bytes | int | float

TIME = "sluicegate.time"

_COMMENT = re.compile(r"--[^\n]*")
_COMMENT_LINES = re.compile(r"^[ \t]*(?:--[^\n]*)?\n", re.MULTILINE)  # a fourth of the text
_USE = re.compile(r"\bpart\b(?:\('([\w.]+)'\))?")

# A part is a local: looking it up by name, at each call of each script, took 10 us of a call.
_PART = """\
local {local} = (function() -- {name}
{text}
end)()"""

_SCRIPT = """\
local answer = (function()
{text}
end)()"""

_AT_END = "if {local}.at_end then {local}.at_end() end"


def new_token(tag: str = "") -> str:
    """Make a token of ``tag`` and 12 random characters: it fences a lease or marks a call."""
    return tag + secrets.token_urlsafe(9)


class Registrar(Protocol):
    """What can register a script: a synchronous or asynchronous redis-py client."""

    def register_script(self, script: str) -> Any: ...


class Script:
    """A script, by its full name: ``Script("sluicegate_worker.step")``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def source(self, time: str | None = None) -> str:
        """Return the Lua text; ``time`` replaces the text of ``sluicegate.time``, for tests.

        Raises ValueError if a part does not exist, uses itself, or is not named in single quotes.
        """
        return _source(self.name, time)


class Scripts:
    """Calls scripts by EVALSHA, registering each once on one client.

    ``prefix`` is the account's; see ``Keys``. Tests pass ``time``: see ``Script.source``.
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
        """``call`` for an async client, typed as such."""
        return cast("Awaitable[Any]", self.call(script, args))


def joined(script: str, read: Callable[[str], str]) -> str:
    """Return the text of ``script`` with every part that it needs, each before its users.

    ``read`` returns a part's own text. Raises ValueError: see ``Script.source``.
    """
    order: dict[str, str] = {}
    _add(script, read, order, ())
    own = order.pop(script)
    local = {name: f"part_{number}" for number, name in enumerate(order)}

    def by_locals(text: str) -> str:
        return _USE.sub(lambda use: local.get(use[1] or "", use[0]), text)

    parts = [
        _PART.format(local=local[name], name=name, text=by_locals(text))
        for name, text in order.items()
    ]
    at_ends = [_AT_END.format(local=name) for name in local.values()]
    text = "\n".join([*parts, _SCRIPT.format(text=by_locals(own)), *at_ends, "return answer"])
    return _COMMENT_LINES.sub("", text)


@cache
def _source(script: str, time: str | None) -> str:
    return joined(script, lambda part: time if time and part == TIME else read(part))


@cache
def read(part: str) -> str:
    """Return the text of a part from its file; raises ValueError if there is none."""
    package, _, name = part.rpartition(".")
    try:
        return (files(package) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    except (OSError, ImportError, ValueError):
        path = f"{package.replace('.', '/')}/lua/{name}.lua"
        raise ValueError(f"there is no Lua part {part!r}: it would be {path}") from None


def _add(
    name: str, read: Callable[[str], str], order: dict[str, str], users: tuple[str, ...]
) -> None:
    """Add a part to ``order`` after the parts that it uses; ``users`` led to it."""
    if name in users:
        raise ValueError(f"Lua parts use each other: {' -> '.join((*users, name))}")
    if name in order:
        return
    try:
        text = read(name)
    except ValueError as error:
        raise ValueError(f"{' -> '.join((*users, name))}: {error}") from None
    for used in _used(name, text):
        _add(used, read, order, (*users, name))
    order[name] = text


def _used(name: str, text: str) -> list[str]:
    names = [match[1] for match in _USE.finditer(_COMMENT.sub("", text))]
    if None in names:
        raise ValueError(f"the Lua part {name!r} has a part() without a name in single quotes")
    return names
