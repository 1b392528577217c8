"""Message: where one stands and why, with every attempt."""

from typing import Any

import typer

from sluicegate.errors import UnknownMessage

from ..cli.kit.output import clean
from ..cli.kit.session import Session
from ..cli.message.attempts import COLUMNS, attempt_rows
from ..cli.message.screen import MessageScreen, read_screen
from ..cli.message.show import message_pairs
from ..inspect import worker_names


def message(session: Session, id: str) -> dict[str, Any]:
    """A message as ``message show --json`` has it; nothing where none is asked for.

    Raises UnknownMessage.
    """
    if not id:
        return {"id": "", "message": None}
    record = _screen(session, id)
    workers = worker_names(session.client, session.keys)
    pairs = message_pairs(record, session)
    return {
        "id": id,
        "message": record,
        "pairs": [(word, clean(str(value))) for word, value in pairs if value not in ("", None)],
        "heads": [column.lower() for column in COLUMNS],
        "attempts": list(attempt_rows(record.history, workers)),
    }


def _screen(session: Session, id: str) -> MessageScreen:
    try:
        return read_screen(session, id, full=False)
    except typer.Exit as ended:  # another app has one of that name, which this page doesn't tell
        raise UnknownMessage(id) from ended
