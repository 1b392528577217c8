"""Acts on many messages: by whom and why, how fast, and with what result."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol, TypeVar

from sluicegate.audit import By, os_user
from sluicegate.errors import SluicegateError, UnknownMessage, WrongState
from sluicegate_worker.operator.deadletters import BATCH, Replay

from ...operating.noting import noted
from ...operating.session import Session
from .failures import BAD_INPUT, complain, fail, say, status_of, well_known
from .output import write_result
from .progress import Meter

_ERRORS_SHOWN = 5


class ExportNoted(Protocol):
    """What an export's options say of the act itself."""

    @property
    def who(self) -> str | None: ...
    @property
    def why(self) -> str: ...
    @property
    def full(self) -> bool: ...


Named = TypeVar("Named", Replay, str)
"""A message that is acted on: a dead letter of its generation, or an id."""


def by_whom(who: str | None, why: str, *, needed: bool) -> By:
    """Who acts and why; ends the command if a reason is needed and none is given."""
    if needed and not why.strip():
        fail("--why: give a reason; the audit keeps it for whoever asks later", BAD_INPUT)
    return By(os_user() if who is None else who, why)


def note(
    session: Session,
    by: By,
    action: str,
    about: Mapping[str, str],
    count: int = 1,
    ids: Sequence[str] = (),
) -> None:
    """Put an act into the audit once it is done; a full server does not undo it."""
    if missed := noted(session, by, action, about, count, ids):
        say(missed)


def note_export(
    session: Session, options: ExportNoted, what: str, count: int, file: Path | None
) -> None:
    """Put into the audit that personal data left: which, how many, masked or not, and whereto."""
    about = {"of": what, "numbers": "whole" if options.full else "masked"}
    about |= {"file": "stdout" if file is None else file.name}
    note(session, by_whom(options.who, options.why, needed=False), "export", about, count)


def paced(
    letters: Sequence[Named],
    per_second: float,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Sequence[Named]]:
    """The letters in batches, at most ``per_second`` of them; 0 is without a limit."""
    size = max(1, min(BATCH, int(per_second / 4))) if per_second else BATCH
    began = monotonic()
    for start in range(0, len(letters), size):
        if per_second and (wait := began + start / per_second - monotonic()) > 0:
            sleep(wait)
        yield letters[start : start + size]


def carry_out(
    session: Session,
    letters: Sequence[Named],
    call: Callable[[Sequence[Named]], list[str]],
    done: str,
    per_second: float = 0.0,
    *,
    as_json: bool = False,
    rule: str = "no longer a dead letter",
) -> int:
    """Do ``call`` on all letters, or the messages with these ids; return the worst exit status.

    ``call`` answers ``done`` for each that it changed, and its state for one that another person
    changed in the meantime, which breaks ``rule``. Such a letter does not stop the others.
    """
    worst = count = errors = 0
    quick = len(letters) <= BATCH and not per_second
    with nullcontext() if quick else Meter(done, len(letters)) as meter:
        for batch in paced(letters, per_second, session.sleep):
            for letter, answer in zip(batch, call(batch), strict=True):
                if answer == done:
                    count += 1
                    continue
                error = well_known(_error(letter, answer, rule), session)
                worst, errors = max(worst, status_of(error)), errors + 1
                if errors <= _ERRORS_SHOWN:
                    complain(error, session)
            if meter is not None:
                meter.at(count + errors, count + errors)
    of = f" of {len(letters):,}" if errors else ""
    write_act(done, count, f"{done} {count:,}{of}", as_json=as_json, meant=len(letters))
    return worst


def write_act(
    act: str,
    count: int,
    text: str,
    *,
    as_json: bool,
    meant: int | None = None,
    dry_run: bool = False,
) -> None:
    """Write to how many letters an act was done, of how many that were meant."""
    result = {"act": act, "count": count, "meant": count if meant is None else meant}
    write_result(result | {"dry_run": dry_run}, text, as_json=as_json)


def _error(letter: Replay | str, answer: str, rule: str) -> SluicegateError:
    id = letter if isinstance(letter, str) else letter.id
    return UnknownMessage(id) if answer == "unknown" else WrongState(id, answer, rule)
