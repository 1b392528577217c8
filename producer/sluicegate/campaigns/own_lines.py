"""Takes out the lines of a text on which only ``{% if %}`` and its like stood.

    Hi {{ name }}
    {% if code %}
    your code is {{ code }}
    {% endif %}
    Bye

Such a line would leave an empty one in the message, and each costs. Before a text is compiled, its
lines with tags are marked; afterwards a line that has nothing but marks is taken out whole.
"""

import re

_MARK = "\0"  # no value may hold it
_TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
_LONE_COMMENT = re.compile(
    r"^[^\S\n]*\{#(?:(?!#\}).)*#\}[^\S\n]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_ONLY_MARKS = re.compile(rf"^[^\S\n]*(?:{_MARK}[^\S\n]*)+(?:\n|\Z)", re.MULTILINE)


def marked(source: str) -> str:
    """Mark the lines with tags, and take out those of comments alone.

    A line that opens with ``{%-`` says itself what becomes of it.
    """
    if _MARK in source:
        return source
    source = _LONE_COMMENT.sub("", source.replace("\r\n", "\n").replace("\r", "\n"))
    lines, end = list[int](), 0
    for tag in _TAG.finditer(source):
        line = source.rfind("\n", 0, tag.start()) + 1
        is_controlled = tag[0].startswith("{%-") and not source[line : tag.start()].strip()
        # A line that begins within a tag has none of its own.
        if tag[0].startswith("{%") and line >= end and not is_controlled:
            lines.append(line)
        if line >= end:
            end = line + 1  # one look at a line is enough
        end = max(end, tag.end())
    for line in reversed(lines):
        source = f"{source[:line]}{_MARK}{source[line:]}"
    return source


def cleared(text: str) -> str:
    """Take the marks out of a rendered text, and the lines that hold nothing else."""
    return _ONLY_MARKS.sub("", text).replace(_MARK, "")
