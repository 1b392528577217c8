"""What a Lua part offers to others, and what it takes of them, as its text says."""

import re
from collections.abc import Iterator

_COMMENT = re.compile(r"--[^\n]*")
_LOCAL = re.compile(r"\blocal ([\w, ]+?)\s*=\s*((?:[^\n]*,\n)*[^\n]*)")
_PART = re.compile(r"(part|later)\('([\w.]+)'\)$")
_DIRECT = re.compile(r"(?:part|later)\('([\w.]+)'\)(?:\(\))?\.(\w+)")
_OFFERS = re.compile(r"^return \{(.*?)\}\s*\Z", re.MULTILINE | re.DOTALL)


def offered(text: str) -> set[str]:
    """Return the names in the table that a part returns."""
    table = _OFFERS.search(_COMMENT.sub("", text))
    return set(re.findall(r"(\w+) =", table[1])) if table else set()


def taken(text: str) -> set[tuple[str, str]]:
    """Return what a part takes of others: their full names, and the names that they must offer."""
    text = _COMMENT.sub("", text)
    found = {(match[1], match[2]) for match in _DIRECT.finditer(text)}
    for name, asked, used in _aliases(text):
        found |= {(used, match) for match in re.findall(rf"(?<![\w.]){name}{asked}\.(\w+)", text)}
        if asked:  # `local lanes = tree()` names what the function makes
            for again in re.findall(rf"\blocal (\w+) = {name}\(\)", text):
                found |= {
                    (used, match) for match in re.findall(rf"(?<![\w.]){again}\.(\w+)", text)
                }
    return found


def _aliases(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each local that is another part: its name, how it is asked for, whose it is."""
    for local in _LOCAL.finditer(text):
        values = [value.strip() for value in local[2].split(",")]
        for name, value in zip(local[1].split(","), values, strict=False):
            if use := _PART.match(value):
                yield name.strip(), r"\(\)" if use[1] == "later" else "", use[2]
