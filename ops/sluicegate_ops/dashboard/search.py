"""Message: where one stands and why, with every attempt."""

from typing import Any

from ..inspect import worker_names
from ..operating.message.attempts import COLUMNS, attempt_rows
from ..operating.message.pairs import message_pairs
from ..operating.message.screen import read_screen
from ..operating.session import Session
from ..operating.words import clean


def message(session: Session, id: str, full: bool = False) -> dict[str, Any]:
    """A message as ``message show --json`` has it; nothing where none is asked for.

    Raises UnknownMessage.
    """
    if not id:
        return {"id": "", "message": None}
    record = read_screen(session, id, full)
    workers = worker_names(session.client, session.keys)
    pairs = message_pairs(record, session)
    return {
        "id": id,
        "message": record,
        "pairs": [(word, clean(str(value))) for word, value in pairs if value not in ("", None)],
        "heads": [column.lower() for column in COLUMNS],
        "attempts": list(attempt_rows(record.history, workers)),
    }
