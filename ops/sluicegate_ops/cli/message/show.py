"""``sluicegate message show``: where a message stands and why, and every attempt."""

from ...inspect import worker_names
from ...operating.message.pairs import message_pairs
from ...operating.message.screen import read_screen
from ...operating.session import Session
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, MessageArgument, Unmasked
from ..kit.output import write_document, write_pairs
from .attempts import write_attempts


@option_set
class MessageShowOptions:
    """The options of ``message show``."""

    id: MessageArgument
    json: AsJsonDocument = False
    full: Unmasked = False


@command
def show(session: Session, options: MessageShowOptions) -> None:
    """Show where a message stands and why, and every attempt.

    \b
    Example:
      sluicegate message show order-1234
    """
    record = read_screen(session, options.id, options.full)
    if options.json:
        write_document(record)
    else:
        write_pairs(message_pairs(record, session))
        write_attempts(record.history, worker_names(session.client, session.keys))
