"""The names of a joined script: fewer of them, for each is an object that every call makes anew.

What functions share by a name costs a call an object in each part that gives it one, and parts
gave more names than they have functions. So:

- a constant, whose name is in capitals, is put wherever it is used: ``local MOST = 40``;
- what parts take from a library or from a part before them has one name for all of them:
  ``local ms, max = texts.ms, math.max``.

A name that is given a value anywhere else stays, as do names within functions.

Lua lets a function use 60 names from outside it, and a late part's function uses those of all
parts in it. A script beyond that does not load; ``texts.ms(...)`` in place of a name for ``ms``
makes do with the one name of ``texts``.
"""

import re

LIBRARIES = ("redis", "math", "string", "table")

_STRING = r"""'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*\""""
_STRING_OR_COMMENT = re.compile(rf"({_STRING})|[ \t]*--[^\n]*")
_EMPTY_LINE = re.compile(r"^[ \t]*\n", re.MULTILINE)

_LOCALS = re.compile(r"^local (\w+(?:, \w+)*) =\s+([^\n]+(?:,\n[^\n]+)*)$", re.MULTILINE)
_COMMA = re.compile(r",\s+")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]*")
_LITERAL = re.compile(rf"-?[\d.]+(?:e\d+)?(?: / [\d.]+)?|{_STRING}")
_TAKEN = re.compile(rf"({'|'.join(LIBRARIES)}|part_\d+)(?:\.(\w+))?")
_TABLE = re.compile(r"\{(?:(?!\bfunction\b)[^{}])*\}")
_ASSIGNED = re.compile(r"(?<![\w.:])(\w+)(?=(?:, [\w.]+)*\s*=[^=])")
# A name that stands for its value: not a field's, and nothing that is given one.
_NAME = re.compile(rf"{_STRING}|(?<![\w:])(?<!(?<!\.)\.)(?P<name>[A-Za-z_]\w*)(?!\w)(?!\s*=[^=])")


def without_comments(text: str) -> str:
    """Return Lua text without its comments, 30 % of it, and without empty lines."""
    return _EMPTY_LINE.sub("", _STRING_OR_COMMENT.sub(lambda match: match[1] or "", text))


def _assigned(text: str) -> set[str]:
    """The names that are given a value other than at the head of a part."""
    text = re.sub(_STRING, "''", _LOCALS.sub("", text))
    while (less := _TABLE.sub("nil", text)) != text:  # a field has a name of its own
        text = less
    return set(_ASSIGNED.findall(text))


class SharedNames:
    """The names that all parts of one script share; its parts are locals called ``part_<n>``."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[str, str]] = {}  # by owner and field

    def put_into(self, text: str) -> str:
        """Return the text of a part, which has no comments, with shared names and constants."""
        values: dict[str, str] = {}
        assigned = _assigned(text)

        def kept(statement: re.Match[str]) -> str:
            names, given = statement[1].split(", "), _COMMA.split(statement[2])
            if len(names) != len(given):
                return statement[0]
            left: dict[str, str] = {}
            for name, value in zip(names, given, strict=True):
                owner, dot, field = value.partition(".")
                value = values.get(owner, owner) + dot + field
                if name in assigned or not (short := self._short(name, value)):
                    left[name] = value
                else:
                    values[name] = short
            return f"local {', '.join(left)} = {', '.join(left.values())}" if left else ""

        text = _LOCALS.sub(kept, text)
        return _NAME.sub(lambda match: values.get(match["name"], match[0]), text)

    def declared(self, owner: str) -> str:
        """Return the statement that names what parts take from ``owner``; "" where none does."""
        taken = self._taken.get(owner, {})
        fields = ", ".join(f"{owner}.{field}" for field in taken)
        return f"local {', '.join(taken.values())} = {fields}" if taken else ""

    def _short(self, name: str, value: str) -> str:
        """What is written in place of a name of ``value``; "" where the name stays."""
        if _CONSTANT.fullmatch(name) and _LITERAL.fullmatch(value):
            return value if value.isdecimal() else f"({value})"
        taken = _TAKEN.fullmatch(value)
        if not taken:
            return ""
        owner, field = taken.groups()
        if not field:
            return str(owner)
        return self._taken.setdefault(owner, {}).setdefault(field, f"{owner}_{field}")
