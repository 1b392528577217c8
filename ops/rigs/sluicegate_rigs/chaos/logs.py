"""Searches logs for what they must not contain: a secret, or a recipient's full number."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

_DIGITS = re.compile(r"(?<![0-9])1?([2-9][0-9]{9})(?![0-9])")
_SHOWN = 80  # characters of a line


def leaks(
    files: Collection[Path], secrets: Mapping[str, str], numbers: Collection[str]
) -> Iterator[str]:
    """Yield each place where a file contains one of the ``secrets`` (by name) or ``numbers``.

    ``numbers`` are North American, in E.164; the search also finds them without "+1". The line
    shown has the secret or number cut out.
    """
    national = {recipient.removeprefix("+1") for recipient in numbers}
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            for name, secret in secrets.items():
                if secret in line:
                    yield f"{file.name}:{number}: {name} in: {_cut(line, secret)}"
            for digits in _DIGITS.findall(line):
                if digits in national:
                    yield f"{file.name}:{number}: a number in: {_cut(line, digits)}"


def _cut(line: str, private: str) -> str:
    return line.replace(private, "•••")[:_SHOWN]
