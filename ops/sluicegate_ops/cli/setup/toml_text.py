"""The text of a configuration: what set-up writes into it, and what it leaves as it stands."""

import tomllib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from sluicegate.errors import InvalidConfig

BEGIN: Final = "# ---- written by sluicegate setup: run it again rather than edit this part ----"
END: Final = "# ---- end of what sluicegate setup wrote ----"
PARTS: Final = ("senders", "registrations", "brands")
"""The tables of an account that set-up writes whole."""


def comment(text: str) -> str:
    """A comment of one line, whatever the text, which comes from outside."""
    return "# " + "".join(c if c.isprintable() else " " for c in text)


def table(path: Sequence[str], fields: Mapping[str, object], why: str) -> Iterator[str]:
    """The lines of one table, with where it comes from."""
    yield ""
    yield comment(why)
    yield f"[{tomlkit.key(path).as_string()}]"
    for name, given in fields.items():
        yield f"{tomlkit.key(name).as_string()} = {tomlkit.item(given).as_string()}"


def with_block(text: str, account: str, block: str) -> str:
    """``text`` with ``block`` in place of the account's senders, registrations and brands.

    Raises InvalidConfig where ``text`` can't be read.
    """
    document = _parsed(_without_block(text, account))
    settings = _table_at(document, ("accounts", account), add=False)
    for part in PARTS:
        settings.pop(part, None)
    kept = tomlkit.dumps(document)
    return f"{kept.rstrip()}\n\n{block}" if kept.strip() else block


def with_setting(text: str, path: Sequence[str], name: str, given: object, why: str) -> str:
    """``text`` with one setting of a table set, the table added where there is none.

    Raises InvalidConfig where ``text`` can't be read.
    """
    if setting_at(text, (*path, name)) == (list(given) if isinstance(given, tuple) else given):
        return text
    document = _parsed(text)
    found = _table_at(document, path, add=True)
    setting = tomlkit.item(given)
    if not isinstance(found, InlineTable):
        setting.comment(comment(why)[2:])
    found[name] = setting
    return tomlkit.dumps(document)


def without(text: str, path: Sequence[str]) -> str:
    """``text`` without the setting or table at a path; raises InvalidConfig as the others."""
    if setting_at(text, path) is None:
        return text
    document = _parsed(text)
    _table_at(document, path[:-1], add=False).pop(path[-1])
    return tomlkit.dumps(document)


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


def _parsed(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise _not_plain(str(error)) from None


def _table_at(
    document: tomlkit.TOMLDocument, path: Sequence[str], *, add: bool
) -> MutableMapping[str, Any]:
    """The table at a path; where there is none, it is added, or an empty one stands for it."""
    found: MutableMapping[str, Any] = document
    for name in path:
        if name not in found:
            if not add:
                return {}
            found[name] = tomlkit.table()
        found = found[name]
        if not isinstance(found, MutableMapping):
            raise _not_plain(f"{name} is no table")
    return found
