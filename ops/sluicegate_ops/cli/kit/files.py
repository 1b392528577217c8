"""The files that commands read and write, and how a command ends when one can't be."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .failures import BAD_INPUT, fail


def read_text(file: Path) -> str:
    """The whole text of a file in UTF-8, without a byte order mark; ``-`` is standard input."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: cannot be read: {error}", BAD_INPUT)


def message_text(text: str | None, file: Path | None) -> str | None:
    """The text that ``--text`` or ``--text-file`` gives; None when neither is given."""
    if text is not None and file is not None:
        fail("give the text once: either --text or --text-file", BAD_INPUT)
    if text == "-":
        fail("--text - would send a hyphen: name a file with --text-file", BAD_INPUT)
    return text if file is None else read_text(file).strip()


@contextmanager
def open_output(file: Path | None) -> Iterator[TextIO]:
    """A file to write text to; None is standard output."""
    if file is None:
        yield sys.stdout
        return
    try:
        output = file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}", BAD_INPUT)
    with output:
        yield output
