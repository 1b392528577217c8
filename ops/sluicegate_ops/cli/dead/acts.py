"""What is done to many dead letters: by whom and why, how fast, and what came of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Annotated

import typer

from sluicegate.errors import InvalidMessage, SluicegateError, UnknownMessage, WrongState
from sluicegate_worker.operator.audit import By, os_user
from sluicegate_worker.operator.deadletters import BATCH, Replay

from ..kit.failures import BAD_INPUT, complain, fail, status_of
from ..kit.progress import Meter
from ..kit.session import Session

Who = Annotated[str | None, typer.Option(help="Who does it, for the audit; else your user name.")]
Why = Annotated[str, typer.Option(help="Why, for the audit; needed for many, and for edits.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check and count, and change nothing.")]

_SHOWN = 5


def by_whom(who: str | None, why: str, *, needed: bool) -> By:
    """Who acts and why; ends the command where that is needed and not said."""
    if needed and not why.strip():
        fail("--why: say why, the audit keeps it: whoever finds this changed will ask", BAD_INPUT)
    return By(os_user() if who is None else who, why)


def why_not(error: SluicegateError) -> str:
    """What is wrong with a message, without its id and without what it says."""
    if isinstance(error, InvalidMessage):
        return f"{error.field}: {error.reason}"
    return str(error)


def paced(
    letters: Sequence[Replay],
    per_second: float,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Sequence[Replay]]:
    """The letters in batches, no faster than ``per_second`` of them; 0 is as fast as it goes."""
    size = max(1, min(BATCH, int(per_second / 4))) if per_second else BATCH
    began = monotonic()
    for at in range(0, len(letters), size):
        if per_second and (wait := began + at / per_second - monotonic()) > 0:
            sleep(wait)
        yield letters[at : at + size]


def carry_out(
    session: Session,
    letters: Sequence[Replay],
    call: Callable[[Sequence[Replay]], list[str]],
    done: str,
    per_second: float = 0.0,
) -> int:
    """Do ``call`` on all, which answers ``done`` where it did; return the worst exit status.

    Whatever another person did to a letter meanwhile stops no other.
    """
    worst = count = said = 0
    quick = len(letters) <= BATCH and not per_second
    with nullcontext() if quick else Meter(done, len(letters)) as meter:
        for batch in paced(letters, per_second, session.sleep):
            for letter, answer in zip(batch, call(batch), strict=True):
                if answer == done:
                    count += 1
                    continue
                error = _error(letter.id, answer)
                worst, said = max(worst, status_of(error)), said + 1
                if said <= _SHOWN:
                    complain(error, session)
            if meter is not None:
                meter.at(count + said, count + said)
    typer.echo(f"{done} {count:,}" + (f" of {len(letters):,}" if said else ""))
    return worst


def _error(id: str, answer: str) -> SluicegateError:
    if answer == "unknown":
        return UnknownMessage(id)
    return WrongState(id, answer, "not a dead letter any more")
