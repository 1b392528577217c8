"""Searches logs for what they must not contain: a secret, or a recipient's full number."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from sluicegate.redaction import Redaction

_DIGITS = re.compile(r"(?<![0-9])1?([2-9][0-9]{9})(?![0-9])")
_SHOWN = 80  # characters of a line


def leaks(
    files: Collection[Path], secrets: Mapping[str, str], numbers: Collection[str]
) -> Iterator[str]:
    """Yield each place where a file contains one of the ``secrets`` (by name) or ``numbers``.

    A secret is found in every spelling that ``redaction`` knows. ``numbers`` are North American,
    in E.164; the search also finds them without "+1". The line shown has the secret or number cut
    out.
    """
    redactions = {name: Redaction([secret], "•••") for name, secret in secrets.items()}
    national = {recipient.removeprefix("+1") for recipient in numbers}
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            for name, redaction in redactions.items():
                if (shown := redaction.hide(line)) != line:
                    yield f"{file.name}:{number}: {name} in: {shown[:_SHOWN]}"
            for digits in _DIGITS.findall(line):
                if digits in national:
                    shown = line.replace(digits, "•••")[:_SHOWN]
                    yield f"{file.name}:{number}: a number in: {shown}"
