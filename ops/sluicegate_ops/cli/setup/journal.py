"""What was there before set-up changed it, written down first, so that it can be restored."""

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

import msgspec

from sluicegate.errors import InvalidConfig
from sluicegate.private import draft_of, private_text, put


class FileBefore(msgspec.Struct, frozen=True):
    """A file as it was, None where there was none, and the fingerprint of what was written."""

    path: str
    before: str | None
    after: str


class WebhooksBefore(msgspec.Struct, frozen=True):
    """A profile's webhook settings as they were, and as they were set; null is none."""

    profile: str
    name: str
    before: dict[str, str | None]
    after: dict[str, str | None]


class SetupRun(msgspec.Struct, frozen=True):
    """One run of set-up."""

    at: str
    account: str
    base_url: str
    files: list[FileBefore] = []
    webhooks: list[WebhooksBefore] = []


class SetupJournal:
    """The runs that can be undone, the last one first; nobody else can read the file."""

    def __init__(self, config: Path) -> None:
        self.path = config.with_name(f".{config.stem}-setup.json")

    def runs(self) -> list[SetupRun]:
        """All runs, in order; raises InvalidConfig where the file can't be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=list[SetupRun])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            raise InvalidConfig(str(self.path), f"can't be read: {error}") from error

    def add(self, run: SetupRun) -> None:
        """Add a run, before anything of it is done."""
        self._write([*self.runs(), run])

    def replace_last(self, run: SetupRun | None) -> None:
        """Replace the last run by what is left of it; None removes it."""
        self._write([*self.runs()[:-1], *([run] if run else [])])

    def _write(self, runs: list[SetupRun]) -> None:
        if not runs:
            self.path.unlink(missing_ok=True)
            return
        write_private(self.path, msgspec.json.format(msgspec.json.encode(runs)).decode())


def write_private(path: Path, text: str, mode: int | None = None) -> None:
    """Write a file whole or not at all; only its owner may read it unless ``mode`` says so.

    Raises OSError.
    """
    draft = draft_of(path)
    try:
        with private_text(draft) as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        if mode is not None:
            draft.chmod(mode)
        put(draft, path, replace=True)
    finally:
        draft.unlink(missing_ok=True)


def fingerprint(text: str) -> str:
    """What a file's text is compared by; it tells nothing of it."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def of_file(path: Path) -> str | None:
    """A file's text; None where there is none. Raises InvalidConfig where it can't be read."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(str(path), f"can't be read: {error}") from error


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    """An environment file with these variables added; those that it has stay as they are."""
    known = {line.partition("=")[0].removeprefix("export ").strip() for line in text.splitlines()}
    added = [f"{name}={value}\n" for name, value in variables.items() if name not in known]
    lead = text if not text or text.endswith("\n") else f"{text}\n"
    return lead + "".join(added)
