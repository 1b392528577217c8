"""Looks through logs for what none may tell: a secret, or a recipient's full number."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

_DIGITS = re.compile(r"(?<![0-9])1?([2-9][0-9]{9})(?![0-9])")
_SHOWN = 80  # characters of a line


def leaks(
    files: Collection[Path], secrets: Mapping[str, str], numbers: Collection[str]
) -> Iterator[str]:
    """Each place where a file tells one of ``secrets``, by their names, or of the ``numbers``.

    ``numbers`` are North American, in E.164: they are found in other spellings without a
    separator too. What is told is cut out of the line that is shown.
    """
    national = {number.removeprefix("+1") for number in numbers}
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        for place, line in enumerate(text.splitlines(), 1):
            for name, secret in secrets.items():
                if secret in line:
                    yield f"{file.name}:{place}: {name} in: {_cut(line, secret)}"
            for digits in _DIGITS.findall(line):
                if digits in national:
                    yield f"{file.name}:{place}: a number in: {_cut(line, digits)}"


def _cut(line: str, told: str) -> str:
    return line.replace(told, "•••")[:_SHOWN]
