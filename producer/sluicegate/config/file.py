"""Reads a settings file into typed values; its errors name the line at fault."""

import re
import tomllib
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import msgspec.inspect

from ..errors import InvalidConfig

Names = tuple[str, ...]
"""The path of a setting: ``("accounts", "default", "limit")``."""

_Settings = TypeVar("_Settings")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_KEY = rf"(?:{_PART.pattern})(?:\s*\.\s*(?:{_PART.pattern}))*"
_HEADER = re.compile(rf"\s*\[\s*({_KEY})\s*\]")
_SETTING = re.compile(rf"\s*({_KEY})\s*=")


class SettingsFile:
    """The TOML text of the file ``name``.

    An error describes a valid value by the setting's type, or by the text of its
    ``msgspec.Meta(description=...)``, in which ``{at}`` stands for the setting's path. It never
    repeats the value itself, which may be a secret in the wrong place.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name, self._text = name, text

    def read(self, kind: type[_Settings]) -> _Settings:
        """Read the text as the struct ``kind``; raises InvalidConfig."""
        try:
            tree = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            reason, _, place = str(error).partition(" (at ")
            line = re.match(r"line \d+", place)
            where = f"{self.name}, {line[0]}" if line else self.name
            raise InvalidConfig(where, f"not valid TOML: {reason}") from None
        settings: _Settings = self._converted(tree, kind, ())
        return settings

    def refusal(self, names: Names, reason: str) -> InvalidConfig:
        """Return an error about the setting at the path ``names``, with its line."""
        line = self._line(names)
        return InvalidConfig(
            f"{self.name}, line {line}" if line else self.name, f"{'.'.join(names)}: {reason}"
        )

    def _converted(self, tree: object, kind: Any, path: Names) -> Any:
        for name, value_kind, many in _tables(kind):
            table = tree.get(name) if isinstance(tree, dict) else None
            if not isinstance(table, dict):
                continue
            if not many:
                self._converted(table, value_kind, (*path, name))
                continue
            for key, value in table.items():  # msgspec does not name the key at fault
                self._converted(value, value_kind, (*path, name, key))
        try:
            return msgspec.convert(tree, kind)
        except msgspec.ValidationError as error:
            names, text = _explained(str(error), kind)
            path = (*path, *names)
            raise self.refusal(path, text.replace("{at}", ".".join(path))) from None

    def _line(self, names: Names) -> int:
        """Return the number of the line that sets ``names``, or most of its path; 0 for none."""
        table: Names = ()
        longest, best_line = 0, 0
        for number, line in enumerate(self._text.splitlines(), 1):
            if header := _HEADER.match(line):
                table = here = _split(header[1])
            elif key := _SETTING.match(line):
                here = table + _split(key[1])
            else:
                continue
            shared = min(len(here), len(names))
            if shared > longest and here[:shared] == names[:shared]:
                longest, best_line = shared, number
        return best_line


def _split(key: str) -> Names:
    """Split a TOML key into its parts: ``a."b.c"`` is ``a`` and ``b.c``."""
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(key))


def _tables(kind: Any) -> list[tuple[str, Any, bool]]:
    """Return a struct's fields that are tables: name, type, and whether its keys are free.

    The type of a table with free keys is that of its values.
    """
    if not _is_struct(kind):
        return []
    hints = {name: _given(hint) for name, hint in get_type_hints(kind).items()}
    return [
        *((name, hint, False) for name, hint in hints.items() if _is_struct(hint)),
        *((n, get_args(hint)[1], True) for n, hint in hints.items() if get_origin(hint) is dict),
    ]


def _given(hint: Any) -> Any:
    """The type of a table that may be absent; of anything else, itself."""
    given = [one for one in get_args(hint) if _is_struct(one)]
    return given[0] if len(given) == 1 and type(None) in get_args(hint) else hint


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _explained(message: str, kind: Any) -> tuple[Names, str]:
    """Read out of a msgspec error where below ``kind`` the fault is, and what would be valid."""
    reason, _, path = message.partition(" - at `$")
    names = tuple(re.findall(r"\.(\w+)", path))
    valid = _type_of(kind, names)
    if unknown := re.search(r"unknown field `([^`]*)`", reason):
        return (*names, unknown[1]), _unknown(unknown[1], valid)
    if missing := re.search(r"missing required field `([^`]*)`", reason):
        return names, f"needs {missing[1]}, {_described(_type_of(kind, (*names, missing[1])))}"
    return names, f"must be {_described(valid)}"


def _type_of(kind: Any, names: Names) -> msgspec.inspect.Type:
    valid = msgspec.inspect.type_info(kind)
    for name in names:
        assert isinstance(valid, msgspec.inspect.StructType)  # noqa: S101 - msgspec named the path
        valid = next(field.type for field in valid.fields if field.name == name)
    return valid


def _unknown(name: str, valid: msgspec.inspect.Type) -> str:
    assert isinstance(valid, msgspec.inspect.StructType)  # noqa: S101 - only structs refuse a name
    names = [field.name for field in valid.fields]
    if not re.search("key|secret|token|password", name, re.IGNORECASE):
        return f"no such setting; known: {', '.join(names)}"
    refused = "no such setting, and no secret belongs in this file"
    variables = [name for name in names if name.endswith("_env")]
    if variables and "api_key_env" not in variables:
        return f"{refused}: put it in the environment, and its variable's name in {variables[0]}"
    return (
        f"{refused}: put the API key in the "
        "environment as SLUICEGATE_TELNYX_API_KEY, or name another variable in api_key_env"
    )


def _described(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.Metadata(extra_json_schema={"description": str(words)}):
            return words
        case msgspec.inspect.UnionType(types=(first, *_)):  # the other one is None: not set
            return _described(first)
        case msgspec.inspect.LiteralType(values=values):
            return f"one of {', '.join(repr(value) for value in values if value)}"
        case msgspec.inspect.IntType(ge=least, le=most):
            return f"a whole number, at least {least}" + (
                "" if most is None else f", at most {most:,}"
            )
        case msgspec.inspect.FloatType(gt=above, ge=least, le=most):
            bottom = f", at least {least}" if above is None else f" above {above}"
            return f"a number{bottom}" + ("" if most is None else f", at most {most:,}")
        case msgspec.inspect.StrType():
            return "a text in quotes"
        case msgspec.inspect.BoolType():
            return "true or false"
        case _:
            return "a table of settings"
