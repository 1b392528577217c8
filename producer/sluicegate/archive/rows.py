"""A message's record as a row of the archive, and back.

What is looked for or counted has a column of its own. All other fields stand in ``rest`` as they
were, so that a field which a later version adds needs no migration and is never lost.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ..keys import ENDED_BY_LIMITS, UNSENT
from ..stored import MessageId, Record

ArchiveRow = dict[str, Any]
"""A row's columns, as ``tables.messages`` has them."""

_TEXTS: Final = {
    "recipient": "to",
    "provider_id": "provider_id",
    "delivery": "delivery",
    "delivery_code": "delivery_code",
    "code": "code",
    "reason": "reason",
}
_NUMBERS: Final = {
    "born": "enqueued",
    "generation": "generation",
    "attempts": "attempts",
    "delivery_at": "delivery_at",
}
_OLD_NAMES: Final = {"fate": "delivery", "fate_at": "delivery_at", "fate_code": "delivery_code"}
_NOTHING: Final = "{}"
_DAY_MS: Final = 86_400_000


class ArchivedMessage(msgspec.Struct, frozen=True):
    """A message in the archive: its id, its record's fields as it ended, and its campaign."""

    id: str
    fields: dict[bytes, bytes]
    campaign: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "ArchivedMessage":
        fields = {name.encode(): value.encode() for name, value in fields_of(row).items()}
        return cls(str(row["id"]), fields, str(row["campaign"]))

    @property
    def record(self) -> Record:
        return Record.parse(self.fields)

    @property
    def short(self) -> bytes:
        """What its ticket began with."""
        return MessageId.parse(self.id).short.encode()

    def values(self, names: Sequence[str]) -> list[bytes | None]:
        """The fields ``names`` alone, as HMGET would answer."""
        return [self.fields.get(name.encode()) for name in names]


def row_of(
    account: str, id: str, state: str, ended_ms: int, stored: Sequence[bytes]
) -> ArchiveRow:
    """The row of a message that ended in ``state``; ``stored`` has fields and values by turns."""
    texts = _texts(stored)
    rest = dict(zip(texts[::2], texts[1::2], strict=True))
    for old, name in _OLD_NAMES.items():
        if old in rest:
            rest[name] = rest.pop(old)
    row: ArchiveRow = {column: rest.pop(field, "") for column, field in _TEXTS.items()}
    for column, field in _NUMBERS.items():
        text = rest.pop(field, "")
        row[column] = int(text) if text.isdecimal() else 0
        if text and not text.isdecimal():  # damaged: no column can hold it
            rest[field] = text
    rest.pop("state", "")
    rest.pop("at", "")
    maybe = rest.get("maybe", "0") != "0" or rest.get("maybe_before", "0") != "0"
    return row | {
        "account": account,
        "id": id,
        "campaign": MessageId.parse(id).campaign,
        "state": state,
        "ended": ended_ms,
        "day": ended_ms // _DAY_MS,
        "maybe_sent": int(maybe and state != "accepted"),
        "rest": msgspec.json.encode(rest).decode(),
    }


def unsent_row(account: str, id: MessageId, to: str, ended: str, ended_ms: int) -> ArchiveRow:
    """The row of a recipient that ended before it was ever started, and so had no record.

    ``ended`` is the list of ``keys.UNSENT`` that it stood in.
    """
    row: ArchiveRow = dict.fromkeys(_TEXTS, "") | dict.fromkeys(_NUMBERS, 0)
    return row | {
        "account": account,
        "id": id.format(),
        "campaign": id.campaign,
        "recipient": to,
        "state": UNSENT[ended],
        "code": ended if ended in ENDED_BY_LIMITS else "",
        "ended": ended_ms,
        "day": ended_ms // _DAY_MS,
        "maybe_sent": 0,
        "rest": _NOTHING,
    }


def fields_of(row: Mapping[str, Any]) -> dict[str, str]:
    """The record's fields, as Redis stored them; those that say nothing are absent."""
    fields: dict[str, str] = msgspec.json.decode(row["rest"])
    fields |= {field: row[column] for column, field in _TEXTS.items() if row[column]}
    fields |= {field: str(row[column]) for column, field in _NUMBERS.items() if row[column]}
    return fields | {"state": row["state"], "at": str(row["ended"])}


def _texts(stored: Sequence[bytes]) -> list[str]:
    """Fields and values as texts: an answer is cut at a byte, and PostgreSQL has no NUL in one."""
    try:
        texts = b"\0".join(stored).decode().split("\0")  # one call in place of twenty
    except UnicodeDecodeError:
        texts = []
    if len(texts) == len(stored):
        return texts
    return [value.decode(errors="replace").replace("\0", "\ufffd") for value in stored]
