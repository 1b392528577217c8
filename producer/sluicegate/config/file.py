"""A settings file's text as typed values, and each refusal with the line at fault."""

import re
import tomllib
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import msgspec.inspect

from ..errors import InvalidConfig

Names = tuple[str, ...]
"""Where a setting stands: ``("accounts", "default", "limit")``."""

_Kind = TypeVar("_Kind")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_KEY = rf"(?:{_PART.pattern})(?:\s*\.\s*(?:{_PART.pattern}))*"
_HEADER = re.compile(rf"\s*\[\s*({_KEY})\s*\]")
_SETTING = re.compile(rf"\s*({_KEY})\s*=")


class SettingsFile:
    """The text of a file in TOML, and on which line it says what.

    What is refused is described by its type; a ``msgspec.Meta(description=...)`` says it better,
    and has ``{at}`` where the setting's own name belongs. No value is ever repeated: it may be a
    secret in the wrong place.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name, self._text = name, text

    def read(self, kind: type[_Kind]) -> _Kind:
        """What the text says, as a struct; raises InvalidConfig."""
        try:
            tree = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            reason, _, place = str(error).partition(" (at ")
            line = re.match(r"line \d+", place)
            where = f"{self.name}, {line[0]}" if line else self.name
            raise InvalidConfig(where, f"not valid TOML: {reason}") from None
        made: _Kind = self._converted(tree, kind, ())
        return made

    def refusal(self, names: Names, reason: str) -> InvalidConfig:
        """The error about the setting of that name, with its line."""
        line = self._line(names)
        return InvalidConfig(
            f"{self.name}, line {line}" if line else self.name, f"{'.'.join(names)}: {reason}"
        )

    def _converted(self, tree: object, kind: Any, at: Names) -> Any:
        for name, value_kind, many in _tables(kind):
            table = tree.get(name) if isinstance(tree, dict) else None
            if not isinstance(table, dict):
                continue
            if not many:
                self._converted(table, value_kind, (*at, name))
                continue
            for key, value in table.items():  # msgspec would not say which of them is at fault
                self._converted(value, value_kind, (*at, name, key))
        try:
            return msgspec.convert(tree, kind)
        except msgspec.ValidationError as error:
            names, text = _explained(str(error), kind)
            at = (*at, *names)
            raise self.refusal(at, text.replace("{at}", ".".join(at))) from None

    def _line(self, names: Names) -> int:
        """The number of the line that sets ``names``, or as much of it as any line does."""
        table: Names = ()
        best, found = 0, 0
        for number, line in enumerate(self._text.splitlines(), 1):
            if header := _HEADER.match(line):
                table = here = _split(header[1])
            elif key := _SETTING.match(line):
                here = table + _split(key[1])
            else:
                continue
            shared = min(len(here), len(names))
            if shared > best and here[:shared] == names[:shared]:
                best, found = shared, number
        return found


def _split(key: str) -> Names:
    """The parts of a TOML key: ``a."b.c"`` is ``a`` and ``b.c``."""
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(key))


def _tables(kind: Any) -> list[tuple[str, Any, bool]]:
    """The fields of a struct that are tables: their type, or of any names their values' type."""
    if not _is_struct(kind):
        return []
    hints = get_type_hints(kind)
    return [
        *((name, hint, False) for name, hint in hints.items() if _is_struct(hint)),
        *((n, get_args(hint)[1], True) for n, hint in hints.items() if get_origin(hint) is dict),
    ]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _explained(message: str, kind: Any) -> tuple[Names, str]:
    """Where below ``kind`` msgspec found a fault, and what would be valid there."""
    reason, _, path = message.partition(" - at `$")
    names = tuple(re.findall(r"\.(\w+)", path))
    valid = _type_of(kind, names)
    if unknown := re.search(r"unknown field `([^`]*)`", reason):
        return (*names, unknown[1]), _unknown(unknown[1], valid)
    if missing := re.search(r"missing required field `([^`]*)`", reason):
        return names, f"needs {missing[1]}, {_described(_type_of(kind, (*names, missing[1])))}"
    return names, f"must be {_described(valid)}"


def _type_of(kind: Any, names: Names) -> msgspec.inspect.Type:
    found = msgspec.inspect.type_info(kind)
    for name in names:
        assert isinstance(found, msgspec.inspect.StructType)  # noqa: S101 - msgspec named the path
        found = next(field.type for field in found.fields if field.name == name)
    return found


def _unknown(name: str, valid: msgspec.inspect.Type) -> str:
    assert isinstance(valid, msgspec.inspect.StructType)  # noqa: S101 - only they refuse a name
    names = [field.name for field in valid.fields]
    if not re.search("key|secret|token|password", name, re.IGNORECASE):
        return f"no such setting; there are {', '.join(names)}"
    refused = "no such setting, and no secret belongs in this file"
    variables = [name for name in names if name.endswith("_env")]
    if variables and "api_key_env" not in variables:
        return f"{refused}: put it into the environment, and its variable's name in {variables[0]}"
    return (
        f"{refused}: put the API key into the "
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
