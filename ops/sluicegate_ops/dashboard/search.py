"""Message: where one stands and why, with every attempt; or what a number was sent."""

import re
from typing import Any

from sluicegate.errors import UnknownMessage

from ..inspect import worker_names
from ..operating.conversation import LATEST, Conversations
from ..operating.message.attempts import COLUMNS, attempt_rows
from ..operating.message.pairs import message_pairs
from ..operating.message.screen import read_screen
from ..operating.numbers import BadNumbers, numbers_of
from ..operating.pasting import pasted
from ..operating.session import Session
from ..operating.words import clean

_NUMBER = re.compile(r"\+[0-9 ().-]{7,24}")
_PROVIDERS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def message(session: Session, id: str, full: bool = False) -> dict[str, Any]:
    """A message as ``message show --json`` has it; nothing where none is asked for.

    With a number in place of an id, ``sent`` is what the latest campaigns sent to it: for whoever
    may see numbers, which is what ``full`` says. Raises UnknownMessage.
    """
    nothing: dict[str, Any] = {"id": id, "message": None, "said": "", "sent": []}
    if not id:
        return nothing
    if _NUMBER.fullmatch(id):
        return nothing | _sent_to(session, id, full)
    try:
        record = read_screen(session, id, full)
    except UnknownMessage as error:
        if not _PROVIDERS.fullmatch(id):
            raise
        ask = f"sluicegate message retrieve {pasted(id)}"
        return nothing | {"said": f"{error}. If it is the provider's id, ask the provider: {ask}"}
    workers = worker_names(session.client, session.keys)
    pairs = message_pairs(record, session)
    return nothing | {
        "message": record,
        "pairs": [(word, clean(str(value))) for word, value in pairs if value not in ("", None)],
        "heads": [column.lower() for column in COLUMNS],
        "attempts": list(attempt_rows(record.history, workers)),
    }


def _sent_to(session: Session, text: str, full: bool) -> dict[str, Any]:
    """What the latest campaigns sent to a number; ``said`` is what there is to say of it."""
    if not full:
        return {"said": "To look for a number takes the role numbers."}
    try:
        [number] = numbers_of([text], None)
    except BadNumbers as error:
        return {"said": str(error)}
    sent = Conversations(session).with_number(number)
    where = f"by the latest {LATEST} campaigns; what apps sent is found by its id"
    return {"sent": sent, "said": f"{len(sent)} sent to {number} {where}."}
