"""The files that commands read and write, and how a command ends when one can't be."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sluicegate.spreadsheet import SheetFile, SheetWriter

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
def text_output(file: Path | None, overwrite: bool) -> Iterator[TextIO]:
    """A file to write text to, complete or not at all; None is standard output."""
    if file is None:
        yield sys.stdout
        return
    with _draft(file, overwrite) as path, path.open("w", encoding="utf-8", newline="") as output:
        yield output


@contextmanager
def sheet_output(
    file: Path | None, overwrite: bool, delimiter: str = ",", encoding: str = "utf-8"
) -> Iterator[SheetFile | SheetWriter]:
    """A CSV file that lives through a spreadsheet, complete or not at all; None is stdout."""
    if file is None:
        yield SheetWriter(sys.stdout, delimiter)
        return
    with _draft(file, overwrite) as path, SheetFile(path, delimiter, encoding) as sheet:
        yield sheet


@contextmanager
def _draft(file: Path, overwrite: bool) -> Iterator[Path]:
    """Where to write what becomes ``file`` once it is complete; a pipe or device is itself."""
    if file.exists() and not file.is_file() and not file.is_dir():
        yield file
        return
    if file.exists() and not overwrite:
        fail(
            f"{file} exists already: name another file, or replace it with --overwrite", BAD_INPUT
        )
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        yield draft
        draft.replace(file)
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}", BAD_INPUT)
    finally:
        draft.unlink(missing_ok=True)
