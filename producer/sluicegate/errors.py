"""Every error that Sluicegate raises, as one tree.

    SluicegateError
    ├── InvalidMessage        a message that can never be sent (also a ValueError)
    ├── InvalidConfig         a setting that makes no sense (also a ValueError)
    ├── BadFile               a file of recipients that cannot be read (also a ValueError)
    ├── BadTemplate           in grammar.py: a text that cannot be used (also a ValueError)
    ├── BadValue              in template.py: a value that cannot be used (also a ValueError)
    ├── CampaignExists, UnknownCampaign, WrongCampaignState      in campaign.py
    ├── Malformed             what Redis holds is not of a stored form (also a ValueError)
    ├── IdReused              a known id came again with other content
    ├── UnknownMessage        no record of that id (never enqueued, or past its retention)
    ├── WrongState            an operation that the message's state does not allow
    └── OutboxError           Redis could not take or answer something
        ├── OutboxUnavailable     out of reach: the fate of the named ids is unknown
        └── OutboxFull            out of memory, or nearly: nothing of this call was stored

Errors carry data; the text is built from it. Foreign errors are translated where they enter.
"""

from collections.abc import Sequence
from os import PathLike

_IDS_SHOWN = 5


class SluicegateError(Exception):
    """The root: catch this to catch everything that Sluicegate raises on purpose."""


class InvalidMessage(SluicegateError, ValueError):
    """A message that can never be sent.

    ``field`` is the message's field at fault, ``value`` what it held, ``reason`` what would be
    valid. ``id`` is the message's id where it has one.
    """

    def __init__(self, field: str, value: object, reason: str, id: str = "") -> None:
        self.id, self.field, self.value, self.reason = id, field, value, reason
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        super().__init__(f"{f'message {id}: ' if id else ''}{field} = {shown}: {reason}")


class InvalidConfig(SluicegateError, ValueError):
    """A setting that makes no sense; ``where`` names the file and line, or the variable."""

    def __init__(self, where: str, reason: str) -> None:
        self.where, self.reason = where, reason
        super().__init__(f"{where}: {reason}")


class BadFile(SluicegateError, ValueError):
    """A file of recipients that cannot be read as a whole, and what to do about it.

    ``where`` names the line or the column at fault; it is ``""`` where that is the whole file.
    """

    def __init__(self, path: str | PathLike[str], where: str, reason: str, way_out: str) -> None:
        self.path, self.where, self.reason, self.way_out = str(path), where, reason, way_out
        super().__init__(f"{path}{f', {where}' if where else ''}: {reason}; {way_out}")


class Malformed(SluicegateError, ValueError):
    """A text that is not of the stored ``form`` it should be of: another version's, or damaged.

    The text itself is only ``text``, not in the error's own: it may hold a phone number.
    """

    def __init__(self, form: str, text: str | bytes) -> None:
        self.form, self.text = form, text
        unit = "bytes" if isinstance(text, bytes) else "characters"
        super().__init__(f"not a {form}, as Sluicegate stores it: a text of {len(text)} {unit}")


class IdReused(SluicegateError):
    """A known id came again with other content; the message first enqueued stays as it was."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(
            f"message {id}: this id is already known with other content; "
            "give a new message a new id, or repeat the first one unchanged"
        )


class UnknownMessage(SluicegateError):
    """No record of that id: never enqueued on this account, or past its retention."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"message {id}: not known (never enqueued here, or past its retention)")


class WrongState(SluicegateError):
    """An operation that the message's state does not allow."""

    def __init__(self, id: str, state: str, wanted: str) -> None:
        self.id, self.state, self.wanted = id, state, wanted
        super().__init__(f"message {id} is {state}: {wanted}")


class OutboxError(SluicegateError):
    """Redis could not take or answer something; ``ids`` are the messages concerned."""

    def __init__(self, reason: str, ids: Sequence[str] = ()) -> None:
        self.reason, self.ids = reason, tuple(ids)
        super().__init__(reason + _named(self.ids))


class OutboxUnavailable(OutboxError):
    """Redis is out of reach: whether ``ids`` were stored is unknown; repeating them is safe."""


class OutboxFull(OutboxError):
    """Redis is out of memory, or nearly: none of ``ids`` was stored; repeat them later."""


def _named(ids: tuple[str, ...]) -> str:
    if not ids:
        return ""
    more = f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
    return f" (ids: {', '.join(ids[:_IDS_SHOWN])}{more})"
