"""Files with numbers and texts in them: only their owner may read them, from the first byte on.

They are never written through a symbolic link, which somebody else may have put there, and come
into place whole.
"""

import os
import secrets
from pathlib import Path
from typing import BinaryIO, TextIO

_MODE = 0o600
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # not on Windows


def private_text(path: Path, encoding: str = "utf-8") -> TextIO:
    """Open a file to write CSV or lines to; one that exists is emptied, and private from now on.

    Raises OSError, also where ``path`` is a link.
    """
    return open(path, "w", encoding=encoding, newline="", opener=_opener)


def _opener(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | _NO_LINK, _MODE)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, _MODE)
    return descriptor


def draft_of(path: Path) -> Path:
    """A name beside ``path`` for what will come in its place; nobody can foretell it."""
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}")


def put(draft: Path, path: Path, *, replace: bool) -> None:
    """Put a finished draft in its place, at once.

    Raises FileExistsError where something is there already, be it a link, unless ``replace``.
    """
    if replace:
        draft.replace(path)
        return
    try:
        os.link(draft, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        draft.rename(path)
    else:
        draft.unlink()


def private_file(path: Path) -> BinaryIO:
    """``private_text`` for bytes."""
    return open(path, "wb", opener=_opener)
