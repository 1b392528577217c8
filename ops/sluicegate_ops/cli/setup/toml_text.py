"""The text of a configuration: what set-up writes into it, and what it leaves as it stands."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sluicegate.errors import InvalidConfig

BEGIN: Final = "# ---- written by sluicegate setup: run it again rather than edit this part ----"
END: Final = "# ---- end of what sluicegate setup wrote ----"
PARTS: Final = ("senders", "registrations", "brands")
"""The tables of an account that set-up writes whole."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"\s*\[(?!\[)(.*)\]\s*(?:#.*)?$")
_STRINGS = re.compile(r'"""|\'\'\'')


def key(name: str) -> str:
    """A name as a TOML key."""
    return name if _BARE.fullmatch(name) else value(name)


def value(given: object) -> str:
    """A value as TOML has it: a text, a number, a boolean or a list of these."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        escaped = given.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
    if isinstance(given, int | float):
        return repr(given)
    if isinstance(given, Sequence):
        return f"[{', '.join(map(value, given))}]"
    raise TypeError(f"no TOML for a {type(given).__name__}")


def comment(text: str) -> str:
    """A comment of one line, whatever the text, which comes from outside."""
    return "# " + "".join(c if c.isprintable() else " " for c in text)


def table(path: Sequence[str], fields: Mapping[str, object], why: str) -> Iterator[str]:
    """The lines of one table, with where it comes from."""
    yield ""
    yield comment(why)
    yield f"[{'.'.join(map(key, path))}]"
    for name, given in fields.items():
        yield f"{key(name)} = {value(given)}"


def with_block(text: str, account: str, block: str) -> str:
    """``text`` with ``block`` in place of the account's senders, registrations and brands.

    Raises InvalidConfig where the text is not written plainly enough to be changed so.
    """
    kept = _without_tables(_without_block(text, account), account)
    return f"{kept.rstrip()}\n\n{block}" if kept.strip() else block


def with_setting(text: str, path: Sequence[str], name: str, given: object, why: str) -> str:
    """``text`` with one setting of a table set, the table added where there is none."""
    if setting_at(text, (*path, name)) == (list(given) if isinstance(given, tuple) else given):
        return text
    line = f"{key(name)} = {value(given)}"
    lines = text.splitlines()
    header = next((i for i, one in enumerate(lines) if _path(one) == tuple(path)), None)
    if header is None:
        added = [*([""] if lines else []), f"[{'.'.join(map(key, path))}]", comment(why), line]
        return "\n".join([*lines, *added]) + "\n"
    end = next(
        (i for i in range(header + 1, len(lines)) if _path(lines[i]) is not None), len(lines)
    )
    setting = re.compile(rf"\s*{re.escape(key(name))}\s*=")
    at = next((i for i in range(header + 1, end) if setting.match(lines[i])), None)
    if at is not None:
        lines[at] = line
    else:
        lines[header + 1 : header + 1] = [comment(why), line]
    return "\n".join(lines) + "\n"


def check_rest(
    before: str, after: str, account: str, block: str, changed: Sequence[tuple[str, ...]]
) -> None:
    """Make sure that the account has what is in ``block``, and that the rest is as it was.

    ``changed`` are the settings that may have another value. Raises InvalidConfig otherwise: then
    the file is written in a form that can't be changed here.
    """
    try:
        old, new = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError as error:
        raise _not_plain(str(error)) from None
    paths = [*changed, *(("accounts", account, part) for part in PARTS)]
    if _left(old, paths) != _left(new, paths):
        raise _not_plain("settings of other parts would change")
    for part in PARTS:
        path = ("accounts", account, part)
        if (setting_at(after, path) or {}) != (setting_at(block, path) or {}):
            raise _not_plain(f"its {part} are not written as tables")


def setting_at(text: str, path: Sequence[str]) -> Any:
    """What stands at a path; None where nothing does, or where the text can't be read."""
    try:
        tree: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    for name in path:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _not_plain(why: str) -> InvalidConfig:
    reason = f"it can't be changed in place ({why}): write to another file with --out"
    return InvalidConfig("the configuration", reason)


def _left(tree: dict[str, Any], paths: Sequence[tuple[str, ...]]) -> Any:
    """A tree without what stands at ``paths``, and without tables that are empty then."""

    def left(node: Any, here: tuple[str, ...]) -> Any:
        if not isinstance(node, dict):
            return node
        inner = {
            name: left(one, (*here, name))
            for name, one in node.items()
            if (*here, name) not in paths
        }
        return {name: one for name, one in inner.items() if one != {}}

    return left(tree, ())


def _without_block(text: str, account: str) -> str:
    """The text without the block that set-up wrote for the account before."""
    begin, end = text.find(f"{BEGIN} {account}"), text.find(f"{END} {account}")
    if begin < 0 or end < begin:
        return text
    return text[:begin] + text[end + len(f"{END} {account}") :].lstrip("\n")


def _without_tables(text: str, account: str) -> str:
    if _STRINGS.search(text):
        raise _not_plain("it has texts of several lines")
    kept, skipping = [], False
    for line in text.splitlines():
        if (path := _path(line)) is not None:
            skipping = path[:2] == ("accounts", account) and path[2:3] in [(p,) for p in PARTS]
        if not skipping:
            kept.append(line)
    return "\n".join(kept) + "\n" if kept else ""


def _path(line: str) -> tuple[str, ...] | None:
    """The path that a table's header names; None for any other line."""
    match = _HEADER.match(line)
    if not match:
        return None
    try:
        tree: Any = tomllib.loads(f"[{match[1]}]\n")
    except tomllib.TOMLDecodeError:
        return None
    path = []
    while tree:
        ((name, tree),) = tree.items()
        path.append(name)
    return tuple(path)
