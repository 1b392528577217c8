"""Which column of a file a name means: one rule for options, variables and lists."""

import re
from collections.abc import Sequence
from functools import lru_cache
from os import PathLike
from unicodedata import normalize

from ..errors import BadFile

_SHOWN = 40  # columns named in an error
_WORDS = frozenset({"not", "true", "false", "none", "self"})
_TAG = re.compile(r"\{\{-?(?P<shown>.*?)-?\}\}|\{%-?(?P<block>.*?)-?%\}", re.DOTALL)
_QUOTED = re.compile(r"""("[^"]*"|'[^']*')""")
_BETWEEN = r"""[^\w{}%'"|]+"""  # what stands between the words of a name in a tag


@lru_cache(100_000)  # each column is asked for again with every name that is looked up
def variable(column: str) -> str:
    """Return a column's variable: ``First Name`` becomes ``first_name``.

    The column's name is stripped and lower-cased, every run of anything but letters (with their
    marks) and digits becomes one ``_``, and a leading digit gets a ``_`` before it. The few words
    that can't be variables get a ``_`` after them: ``none_``. Two columns may share a variable.
    """
    spaced = normalize("NFKC", normalize("NFKC", column).strip().lower())
    name = re.sub("_+", "_", "".join(c if f"_{c}".isidentifier() else "_" for c in spaced))
    if not name.isidentifier():
        name = f"_{name}"
    return f"{name}_" if name in _WORDS else name


def matching(columns: Sequence[str], name: str) -> list[int]:
    """Return the indexes of the columns that ``name`` may mean; more than one if it is unclear.

    The very name comes first, then the same variable, then the same letters and digits:
    ``FIRST_NAME`` and ``firstname`` mean ``First Name``.
    """
    for form in (str, variable, _folded):
        wanted = form(name)
        alike = (
            index for index, column in enumerate(columns) if column and form(column) == wanted
        )
        if found := list(alike):
            return found
    return []


def place(path: str | PathLike[str], columns: Sequence[str], name: str, missing: str = "") -> int:
    """Return the index of the one column that ``name`` means.

    Raises BadFile if there are several, or none, which ``missing`` may say in its own words.
    """
    found = matching(columns, name)
    if len(found) == 1:
        return found[0]
    if not found:
        way_out = f"the columns, with their variables: {listed(columns)}"
        raise BadFile(path, "the header", missing or f"no column {name!r}", way_out)
    several = " and ".join(f"{columns[at]!r} (column {at + 1})" for at in found[:_SHOWN])
    raise BadFile(path, "the header", f"{name!r} matches {several}", "rename one of them")


def naming(columns: Sequence[str], index: int) -> str:
    """How a plan names a column: ``Phone`` and ``phone`` of two files are the same column.

    So it is the variable, unless another column makes it too.
    """
    name = variable(columns[index])
    makers = [column for column in columns if column and variable(column) == name]
    return name if len(makers) == 1 else columns[index]


def listed(columns: Sequence[str]) -> str:
    """The names of the columns with their variables, for an error."""
    named = [column for column in columns if column]
    more = f", and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return ", ".join(f"{column} ({variable(column)})" for column in named[:_SHOWN]) + more


def named_by_variables(source: str, columns: Sequence[str]) -> str:
    """Put variables into a text in place of columns' own names: ``{{ First Name }}``.

    A name that no column has, or that is a variable already, is left as it is.
    """

    def written(tag: re.Match[str]) -> str:
        part = "block" if tag["shown"] is None else "shown"
        start, end = tag.start(part) - tag.start(), tag.end(part) - tag.start()
        rename = _shown if part == "shown" else _in_block
        return tag[0][:start] + rename(tag[part], columns) + tag[0][end:]

    return _TAG.sub(written, source)


def _shown(tag: str, columns: Sequence[str]) -> str:
    """Rename in ``{{ name|filter }}``: the name is all that stands before the first bar."""
    end = tag.index("|") if "|" in tag else len(tag)
    name = tag[:end].strip()
    found = [] if name.isidentifier() else matching(columns, name)
    return f" {variable(columns[found[0]])} {tag[end:]}" if len(found) == 1 else tag


def _in_block(tag: str, columns: Sequence[str]) -> str:
    """Rename in ``{% if ... %}``, where a name of several words may stand, but in no quotes."""
    lowered = tag.casefold()
    for column in sorted(filter(None, columns), key=len, reverse=True):
        words = _words(column)
        if len(words) < 2 and column.strip().isidentifier():
            continue
        if not all(word.casefold() in lowered for word in words):
            continue  # nearly always: a pattern for each column of a wide file takes seconds
        name = _BETWEEN.join(map(re.escape, words))
        pattern = re.compile(rf"(?<!\w){name}(?!\w)", re.IGNORECASE)
        parts = _QUOTED.split(tag)
        parts[::2] = [pattern.sub(variable(column), part) for part in parts[::2]]
        tag = "".join(parts)
    return tag


@lru_cache(100_000)
def _words(column: str) -> list[str]:
    return re.findall(r"[^\W_]+", column)


def _folded(name: str) -> str:
    return variable(name).replace("_", "")
