"""``sluicegate dead export``: one line for each dead letter, streamed."""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO

import typer

from sluicegate_worker.operator.deadletters import DeadLetter
from sluicegate_worker.operator.edits import FAULTS, Letters
from sluicegate_worker.provider.codes import advice_for

from ..kit.failures import BAD_INPUT, fail
from ..kit.output import Full, counted, hidden, when
from ..kit.session import Session
from .choice import Campaign, Code, From, OlderThan, Since, chosen

_PAGE = 500
_COLUMNS = ("id", "to", "sender", "campaign", "code", "reason", "advice", "attempts", "maybe",
            "died_at")  # fmt: skip


def export(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write; - is stdout.")],
    code: Code = None,
    campaign: Campaign = None,
    sender: From = None,
    since: Since = None,
    older_than: OlderThan = None,
    full: Full = False,
) -> None:
    """Write one CSV line for each dead letter, the first that died first.

    With --full numbers are whole, and a last column has the text.

    \b
    Example:
      sluicegate dead export dead.csv --campaign july
      sluicegate dead export - --full > dead.csv
    """
    session: Session = ctx.obj
    letters = chosen(session, ctx.params).letters(session, first=True)
    count = 0
    with _opened(file) as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow((*_COLUMNS, "text") if full else _COLUMNS)
        while page := list(islice(letters, _PAGE)):
            texts = _texts(session, page) if full else [()] * len(page)
            rows.writerows(
                (*_row(letter, full), *text) for letter, text in zip(page, texts, strict=True)
            )
            count += len(page)
    if file != "-":
        typer.echo(f"{counted(count, 'dead letter')} in {file}")


def _row(letter: DeadLetter, full: bool) -> tuple[object, ...]:
    found = advice_for(letter.code)
    return (
        letter.id,
        hidden(letter.to, full),
        letter.sender,
        letter.campaign,
        letter.code,
        hidden(letter.reason, full),
        found.advice if found else "",
        letter.attempts,
        letter.maybe,
        when(letter.died_ms),
    )


def _texts(session: Session, page: Sequence[DeadLetter]) -> list[tuple[str]]:
    """What each says; ``""`` where it can't be made."""
    letters = Letters(session.client, session.keys, session.account)
    texts: list[tuple[str]] = []
    for stored in session.dead.stored([letter.id for letter in page]):
        try:
            texts.append((letters.message(stored).text or "",))
        except FAULTS:
            texts.append(("",))
    return texts


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    if file == "-":
        yield sys.stdout
        return
    path = Path(file)
    try:
        out = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror}", BAD_INPUT)
    with out:
        yield out
