"""The files that commands read and write, and how a command ends when one can't be."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sluicegate.private import draft_of, private_text, put
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
    elif _is_device(file):
        with _written(file), file.open("w", encoding="utf-8", newline="") as output:
            yield output
    else:
        with _draft(file, overwrite) as draft, private_text(draft) as output:
            yield output


@contextmanager
def sheet_output(
    file: Path | None, overwrite: bool, delimiter: str = ",", encoding: str = "utf-8"
) -> Iterator[SheetFile | SheetWriter]:
    """A CSV file that lives through a spreadsheet, complete or not at all; None is stdout."""
    if file is None:
        yield SheetWriter(sys.stdout, delimiter)
    elif _is_device(file):
        with _written(file), file.open("w", encoding=encoding, newline="") as output:
            yield SheetWriter(output, delimiter)
    else:
        with _draft(file, overwrite) as path, SheetFile(path, delimiter, encoding) as sheet:
            yield sheet


def refuse_existing(file: Path, overwrite: bool) -> None:
    """End the command where a file, or a link, is in the place of one to be written."""
    if os.path.lexists(file) and not overwrite:
        fail(
            f"{file} exists already: name another file, or replace it with --overwrite", BAD_INPUT
        )


@contextmanager
def _draft(file: Path, overwrite: bool) -> Iterator[Path]:
    """Where to write what becomes ``file`` once it is complete; nobody else can read it."""
    refuse_existing(file, overwrite)
    with _written(file):
        draft = draft_of(file)
        try:
            yield draft
            put(draft, file, replace=overwrite)
        except FileExistsError:  # somebody was quicker
            refuse_existing(file, overwrite)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def _written(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}", BAD_INPUT)


def _is_device(file: Path) -> bool:
    """Whether ``file`` is a pipe or device, which is written as it is, and no link to one.

    But links within /dev are the system's own, such as /dev/stdout.
    """
    if not file.exists() or file.is_file() or file.is_dir():
        return False
    return not file.is_symlink() or file.absolute().is_relative_to("/dev")
