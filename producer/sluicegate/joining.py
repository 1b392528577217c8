"""Joins Lua scripts from parts, each a file beside the code that calls it.

A file ``<package>/lua/<name>.lua`` is the part ``<package>.<name>``: the body of a function that
returns a table of what the part offers. A script is a part that returns its answer. Parts get each
other by full name, ``local lanes = part('sluicegate.lanes')``, and use no globals but Lua's own,
``redis``, ``KEYS`` and ``ARGV``.

Every call of a script makes all functions of its parts anew, which is most of the work of a call
that finds nothing to do. So what few calls need is a *late* part, which is made when it is first
asked for: ``local unreadable = later('sluicegate_worker.unreadable')`` gets a function, and
``unreadable().set_aside(...)`` asks. What only late parts use is late as well.

A name that functions share is an object as well; ``shared_names.py`` makes do with fewer.

If a part offers ``at_end``, that is called once the script has its answer. A part that keeps
tables while a script runs writes its changes there, so that no script has to remember to.
"""

import re
from collections.abc import Callable, Sequence, Set
from functools import cache
from importlib.resources import files

from .shared_names import LIBRARIES, SharedNames, without_comments

TIME = "sluicegate.time"

_USE = re.compile(r"\b(part|later)\b(?:\('([\w.]+)'\))?")
_OFFERS_AT_END = re.compile(r"\bat_end\b")

# A part is a local: looking it up by name, at each call of each script, took 10 us of a call.
_PART = """\
local {local} = (function() -- {name}
{text}
end)()"""

_LATE_PART = """\
local made_{local}
local function {local}() -- {name}
if not made_{local} then made_{local} = (function()
{text}
end)() end
return made_{local}
end"""

_SCRIPT = """\
local answer = (function()
{text}
end)()"""

_AT_END = "{local}.at_end()"
_LATE_AT_END = "if made_{local} then made_{local}.at_end() end"


@cache
def source(script: str, time: str | None = None) -> str:
    """Return the Lua text of a script; ``time`` replaces the text of ``sluicegate.time``.

    Raises ValueError if a part does not exist, uses itself, or is not named in single quotes.
    """
    return joined(script, lambda part: time if time and part == TIME else read(part))


def joined(script: str, read: Callable[[str], str]) -> str:
    """Return the text of ``script`` with every part that it needs, each before its users.

    ``read`` returns a part's own text. Raises ValueError: see ``source``.
    """
    order: dict[str, str] = {}
    _add(script, read, order, ())
    late = order.keys() - _made_at_once(script, order)
    local = {name: f"part_{number}" for number, name in enumerate(order)}

    def replaced(use: re.Match[str]) -> str:
        how, name = use.groups()
        if how == "part":
            return local[name] + ("()" if name in late else "")
        return local[name] if name in late else f"(function() return {local[name]} end)"

    names = SharedNames()

    def by_locals(text: str) -> str:
        return names.put_into(_USE.sub(replaced, text))

    ends = [name for name, text in order.items() if _OFFERS_AT_END.search(text)]
    inside = _inside(script, order, late, ends)

    def written(name: str) -> str:
        form = _SCRIPT if name == script else _LATE_PART if name in late else _PART
        within = [written(one) for one in order if inside.get(one) == name]
        text = "\n".join([*within, by_locals(order[name])])
        return form.format(local=local[name], name=name, text=text)

    parts = {local[name]: written(name) for name in order if name not in inside}
    lines = [names.declared(library) for library in LIBRARIES]
    for owner, text in parts.items():
        lines += [text, names.declared(owner)]
    lines += [
        (_LATE_AT_END if name in late else _AT_END).format(local=local[name]) for name in ends
    ]
    return "\n".join([*filter(None, lines), "return answer"])


def _inside(
    script: str, order: dict[str, str], late: Set[str], ends: Sequence[str]
) -> dict[str, str]:
    """Return of late parts in which other they stand, the innermost that all their users are in.

    A call that never asks for that one does not even make the function that would make them.
    Whatever offers ``at_end`` stays in sight of the script's end.
    """
    users: dict[str, list[str]] = {name: [] for name in order}
    for name, text in order.items():
        for _, used in _uses(name, text):
            users[used].append(name)
    inside: dict[str, str] = {}

    def way_out(name: str) -> list[str]:
        return [name, *way_out(inside[name])] if name in inside else [name]

    for name in reversed(order):  # users come behind what they use
        if name not in late or name in ends:
            continue
        first, *others = [way_out(user) for user in users[name]]
        around = [one for one in first if one in late and all(one in way for way in others)]
        if around:
            inside[name] = around[0]
    return inside


def _made_at_once(script: str, order: dict[str, str]) -> set[str]:
    """Return ``script`` and all parts that are made before it; the others are late."""
    found: set[str] = set()
    ahead = [script]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += [used for how, used in _uses(name, order[name]) if how == "part"]
    return found


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
        text = without_comments(read(name))
    except ValueError as error:
        raise ValueError(f"{' -> '.join((*users, name))}: {error}") from None
    for _, used in _uses(name, text):
        _add(used, read, order, (*users, name))
    order[name] = text


def _uses(name: str, text: str) -> list[tuple[str, str]]:
    """Return what a part uses: ``part`` or ``later``, and the full name of another."""
    uses = [(match[1], match[2]) for match in _USE.finditer(text)]
    for how, used in uses:
        if used is None:
            raise ValueError(
                f"the Lua part {name!r} has a {how}() without a name in single quotes"
            )
    return uses
