"""Every error that a caller of Sluicegate may see, as one tree.

    SluicegateError
    ├── InvalidMessage        a message that can never be sent (also a ValueError)
    ├── InvalidConfig         a setting that makes no sense (also a ValueError)
    ├── BadFile               a file of recipients that cannot be read (also a ValueError)
    ├── BadNumber             a phone number that cannot be used (also a ValueError)
    ├── BadCondition          a condition on columns that cannot be read (also a ValueError)
    ├── BadTemplate           a campaign's text that cannot be used (also a ValueError)
    ├── BadHours              hours, a zone or holidays that cannot be read (also a ValueError)
    ├── BadTime               a time that cannot be read, or in two ways (also a ValueError)
    ├── BadValue              a recipient's value that cannot be used (also a ValueError)
    ├── Malformed             what Redis holds is not of a stored form (also a ValueError)
    ├── IdReused              a known id came again with other content
    ├── CapReached            the app has enqueued as much as its caps allow for now
    ├── UnknownMessage        no record of that id (never enqueued, or past its retention)
    ├── WrongState            the message's state does not allow the operation
    ├── CampaignExists        the name is taken by a campaign with another plan
    ├── UnknownCampaign       no campaign of that name
    ├── WrongCampaignState    the campaign's state does not allow the action
    ├── WrongRenderer         this version would render the campaign's texts differently
    ├── LostHashKey           the key of a campaign's hashes is gone: nobody could be recognised
    ├── WrongDeployment       the account in this Redis belongs to another deployment, URL or key
    ├── ArchiveUnavailable    the archive is not there, is locked, or can't be read
    │   └── WrongArchive      the account's books are in another than the configured one
    ├── DatabaseUnavailable   an app's database can't be used: what waits there goes on waiting
    └── OutboxError           Redis could not take or answer something
        ├── OutboxUnavailable     out of reach: whether the named ids were stored is unknown
        └── OutboxFull            out of memory, or nearly: nothing of this call was stored

Errors carry data, and their text is built from it. Errors of other libraries are translated where
they enter.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any

from .masking import masked

_IDS_SHOWN = 5


class SluicegateError(Exception):
    """The root: catch this to catch everything that Sluicegate raises on purpose."""


class InvalidMessage(SluicegateError, ValueError):
    """A message that can never be sent.

    ``field`` is the message's field at fault, ``value`` is what it held, and ``reason`` says what
    would be valid. ``id`` is the message's id, or ``""`` where it has none.
    """

    def __init__(self, field: str, value: object, reason: str, id: str = "") -> None:
        self.id, self.field, self.value, self.reason = id, field, value, reason
        super().__init__(f"{f'message {id}: ' if id else ''}{field}{self.shown}: {reason}")

    @property
    def shown(self) -> str:
        """The value, as the error's text has it behind the field's name."""
        if self.value is None:
            return " is missing"
        value: Any = self.value
        several = isinstance(value, list | tuple)
        shown = ", ".join(map(repr, value)) if several else repr(value)
        return f" = {shown if len(shown) <= 80 else shown[:77] + '...'}"


class InvalidConfig(SluicegateError, ValueError):
    """A setting that makes no sense; ``where`` names the file and line, or the variable."""

    def __init__(self, where: str, reason: str) -> None:
        self.where, self.reason = where, reason
        super().__init__(f"{where}: {reason}")


class BadFile(SluicegateError, ValueError):
    """A file of recipients that cannot be read as a whole.

    ``where`` names the line or the column at fault, or is ``""`` for the whole file; ``way_out``
    says what to do about it.
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


class BadNumber(SluicegateError, ValueError):
    """A text that is not the number of a phone; ``reason`` tells the author of the file why.

    ``text`` is the whole text. The error's own message masks it, since errors are logged.
    """

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason
        super().__init__(f"{masked(text)}: {reason}")


class BadTime(SluicegateError, ValueError):
    """A text that is no time, or that can be read as two; ``reason`` says what would be clear."""

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason
        super().__init__(f"{text}: {reason}")


class BadHours(SluicegateError, ValueError):
    """A text that is no hours, time zone or holidays; ``reason`` says what would be right."""

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason
        super().__init__(f"{text}: {reason}")


class BadCondition(SluicegateError, ValueError):
    """A condition on a row's columns that cannot be read; ``reason`` says what to write."""

    def __init__(self, text: str, reason: str) -> None:
        self.text, self.reason = text, reason
        super().__init__(f"condition {text!r}: {reason}")


class BadGuard(SluicegateError, ValueError):
    """A guard that a campaign can't have: ``what`` it is, its ``text``, and why not."""

    def __init__(self, what: str, text: str, reason: str) -> None:
        self.what, self.text, self.reason = what, text, reason
        super().__init__(f"{what} {text}: {reason}")


class BadTemplate(SluicegateError, ValueError):
    """A campaign's text that cannot be used; ``line`` is where, counted from 1."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(f"template, line {line}: {reason}")


class BadValue(SluicegateError, ValueError):
    """A recipient's value that cannot be used; names the variable and never the value."""

    def __init__(self, variable: str, reason: str) -> None:
        self.variable, self.reason = variable, reason
        super().__init__(f"{variable} {reason}")


class IdReused(SluicegateError):
    """A known id came again with other content; the message first enqueued stays as it was."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(
            f"message {id}: this id is already known with other content; "
            "give a new message a new id, or repeat the first one unchanged"
        )


class CapReached(SluicegateError):
    """The app has enqueued as much as its caps allow for now: nothing of this call was stored.

    ``cap`` is the setting that refused it, ``wait_ms`` when it may be tried again at the earliest,
    and ``ids`` are the messages concerned.
    """

    def __init__(self, app: str, cap: str, wait_ms: int, ids: Sequence[str] = ()) -> None:
        self.app, self.cap, self.wait_ms, self.ids = app, cap, wait_ms, tuple(ids)
        super().__init__(f"app {app}: its {cap} is used up{_listed(self.ids)}")


class UnknownMessage(SluicegateError):
    """No record of that id: never enqueued on this account, or past its retention."""

    def __init__(self, id: str) -> None:
        self.id = id
        super().__init__(f"message {id}: not known (never enqueued here, or past its retention)")


class WrongState(SluicegateError):
    """The message's ``state`` does not allow the operation; ``wanted`` says what does."""

    def __init__(self, id: str, state: str, wanted: str) -> None:
        self.id, self.state, self.wanted = id, state, wanted
        super().__init__(f"message {id} is {state}: {wanted}")


class CampaignExists(SluicegateError):
    """The name is taken by a campaign with another plan; ``differs`` says in what, in words."""

    def __init__(self, name: str, differs: Sequence[str]) -> None:
        self.name, self.differs = name, tuple(differs)
        listed = " and another ".join(self.differs)
        super().__init__(
            f"campaign {name}: it exists with another {listed}, and what a campaign sends "
            "never changes"
        )


class UnknownCampaign(SluicegateError):
    """No campaign of that name on this account."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"campaign {name}: not known on this account")


class WrongCampaignState(SluicegateError):
    """The campaign's ``state`` does not allow the ``action``."""

    def __init__(self, name: str, state: str, action: str) -> None:
        self.name, self.state, self.action = name, state, action
        super().__init__(f"campaign {name} is {state}: it can't {action}")


class NotApproved(SluicegateError):
    """A campaign that a second person has yet to approve, or can't as asked; ``why`` not."""

    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(f"campaign {name}: {why}")


class WrongRenderer(SluicegateError):
    """A campaign whose plan names another renderer than this version has.

    Its texts are rendered by ``renderer`` alone, so that all its recipients get the same text.
    """

    def __init__(self, campaign: str, renderer: str) -> None:
        self.campaign, self.renderer = campaign, renderer
        super().__init__(
            f"campaign {campaign} is rendered by {renderer}, which this worker does not have: "
            "run a worker of the version that the campaign began with"
        )


class LostHashKey(SluicegateError):
    """The key under which a campaign's recipients are hashed is gone, or is another one.

    Whoever was imported before would not be recognised, and would get the campaign again.
    """

    def __init__(self, campaign: str) -> None:
        self.campaign = campaign
        super().__init__(
            f"campaign {campaign}: the key of its recipients' hashes is gone from Redis, so those "
            "it has already can't be recognised; restore the account's hash_key from a backup"
        )


class WrongDeployment(SluicegateError):
    """The account in this Redis is another deployment's, or is sent with another API key.

    ``known`` is whose it is by what Redis holds, and ``ours`` what this configuration says.
    """

    def __init__(self, account: str, known: str, ours: str) -> None:
        self.account, self.known, self.ours = account, known, ours
        super().__init__(
            f"account {account}: this Redis knows it as {known}, and this configuration says "
            f"{ours}. Use the Redis or the configuration that was meant; or, if it is to change "
            f"for good: sluicegate deployment adopt --account {account} --why REASON"
        )


class ArchiveUnavailable(SluicegateError):
    """The archive is not there, is locked or can't be read: whatever is in it is not known now."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the archive can't be used: {reason}")


class WrongArchive(ArchiveUnavailable):
    """The account's books are in another archive than the one that is configured.

    ``known`` is where they are by what Redis holds, ``""`` where it knows of none; ``ours`` is the
    configured one.
    """

    def __init__(self, account: str, known: str, ours: str) -> None:
        self.account, self.known, self.ours = account, known, ours
        where = f"its finished messages are in another archive, {known}"
        if not known:
            where = "this Redis knows of no archive, and that one has an account of this name"
        super().__init__(
            f"for account {account}, [archive] names {ours}, but {where}. So nothing is archived, "
            "and the books stay in one place. Name the archive that was meant; or, if it is to "
            f"change for good: sluicegate archive adopt --account {account} --why REASON"
        )


class DatabaseUnavailable(SluicegateError):
    """An app's database can't be used: the messages that wait there go on waiting.

    ``place`` is its URL, without a password.
    """

    def __init__(self, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(f"the database {place} can't be used: {reason}")


class OutboxError(SluicegateError):
    """Redis could not take or answer something; ``ids`` are the messages concerned."""

    def __init__(self, reason: str, ids: Sequence[str] = ()) -> None:
        self.reason, self.ids = reason, tuple(ids)
        super().__init__(reason + _listed(self.ids))


class OutboxUnavailable(OutboxError):
    """Redis is out of reach: whether ``ids`` were stored is unknown; repeating them is safe."""


class OutboxFull(OutboxError):
    """Redis is out of memory, or nearly: none of ``ids`` was stored; repeat them later."""


def _listed(ids: tuple[str, ...]) -> str:
    if not ids:
        return ""
    more = f" and {len(ids) - _IDS_SHOWN} more" if len(ids) > _IDS_SHOWN else ""
    return f" (ids: {', '.join(ids[:_IDS_SHOWN])}{more})"
