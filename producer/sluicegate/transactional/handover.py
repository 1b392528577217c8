"""A handover: a message as a row of the app's database, made and read without any library."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from ..config import NAME, NAME_RULE
from ..errors import InvalidConfig
from ..message import Message, decode, encode, from_dict
from ..rules import validated
from ..tracing import with_current

TABLE: Final = "sluicegate_handover"
CHANNEL: Final = TABLE
"""Where PostgreSQL is told, in the app's transaction, that a row was written."""

TELL: Final = f"SELECT pg_notify('{CHANNEL}', '')"

Given = Message | Mapping[str, Any]
"""What an app enqueues: a message, or its fields."""


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a message that waits until it is handed over, or that never can be.

    ``content`` is the message as Redis will hold it (JSON), with its trace; ``put_ms`` (wall) is
    when the app wrote it. Where it was refused, ``refused_ms`` says when and ``error`` why.
    ``seq`` is the database's.
    """

    message_id: str
    account: str
    app: str
    content: str
    put_ms: int
    refused_ms: int | None = None
    error: str = ""
    seq: int = 0

    def columns(self) -> dict[str, Any]:
        """The values of a new row, by column."""
        values = asdict(self)
        del values["seq"]
        return values

    def message(self) -> Message:
        """Read the message; raises InvalidMessage where the row holds none."""
        return decode(self.content.encode(), self.message_id)


COLUMNS: Final = Handover.__struct_fields__


def handovers_of(
    given: Iterable[Given], account: str = "default", app: str = ""
) -> list[Handover]:
    """Make the rows of messages, each with an id of its own where it brings none.

    Raises InvalidMessage for the first that could never be sent, before anything is written; what
    only the configuration knows, such as the account's senders, is checked at the hand-over.
    Raises InvalidConfig for a name that no account or app may have.
    """
    for what, name in (("account", account), ("app", app)):
        if not NAME.fullmatch(name) and (name or what == "account"):
            raise InvalidConfig(what, f"an {what}'s {NAME_RULE}")
    put_ms = int(time.time() * 1000)
    return [_handover(one, account, app, put_ms) for one in given]


def one_handover(
    given: Given | None, fields: Mapping[str, Any], account: str, app: str
) -> Handover:
    """``handovers_of`` one message, given whole or as its fields."""
    if given is not None and fields:
        raise TypeError("give a Message, or the fields of one, not both")
    [row] = handovers_of([fields if given is None else given], account, app)
    return row


def _handover(given: Given, account: str, app: str, put_ms: int) -> Handover:
    message = validated(given if isinstance(given, Message) else from_dict(given))
    content = encode(with_current(message), traced=True).decode()
    return Handover(
        message_id=message.id, account=account, app=app, content=content, put_ms=put_ms
    )
