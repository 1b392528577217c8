"""A message's record as a row of the archive, and back.

What is looked for or counted has a column of its own. All other fields stand in ``rest`` as they
were, so that a field which a later version adds needs no migration and is never lost.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from ..keys import NAMED_ENDS, UNSENT
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
_SHORT: Final = {"recipient": 20, "delivery": 12}  # so many characters, as ``tables`` has it
_MOST_DIGITS: Final = 16
_DAY_MS: Final = 86_400_000
_encode = msgspec.json.Encoder().encode


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
    account: str, id: str, state: str, ended_ms: int, stored: Mapping[bytes, bytes]
) -> ArchiveRow:
    """The row of a message that ended in ``state``; ``stored`` is its record, as Redis has it.

    What no column can hold, since it is damaged, stands in ``rest`` as it was. Raises Malformed
    for an id that no message has.
    """
    campaign = MessageId.parse(id).campaign
    texts = _texts([*stored, *stored.values()])
    rest = dict(zip(texts, texts[len(stored) :], strict=False))
    for old, name in _OLD_NAMES.items():
        if old in rest:
            rest[name] = rest.pop(old)
    rest.pop("state", "")
    rest.pop("at", "")
    maybe = rest.get("maybe", "0") != "0" or rest.get("maybe_before", "0") != "0"
    row: ArchiveRow = {
        "account": account,
        "id": id,
        "campaign": campaign,
        "state": state,
        "ended": ended_ms,
        "day": ended_ms // _DAY_MS,
        "maybe_sent": int(maybe and state != "accepted"),
    }
    for column, field in _TEXTS.items():
        row[column] = rest.pop(field, "")
    for column, field in _NUMBERS.items():
        row[column] = _number(rest, field) if field in rest else 0
    for column, most in _SHORT.items():
        if len(row[column]) > most:
            rest[_TEXTS[column]], row[column] = row[column], ""
    row["rest"] = _encode(rest).decode()
    return row


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
        "code": ended if ended in NAMED_ENDS else "",
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


def _number(rest: dict[str, str], field: str) -> int:
    """Take a number out of ``rest``; 0, and it stays there, where it is damaged."""
    text = rest[field]
    if len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()):
        return 0
    del rest[field]
    return int(text)


def _texts(stored: Collection[bytes]) -> list[str]:
    """Fields or values as texts: an answer is cut at a byte, and PostgreSQL has no NUL in one."""
    try:
        texts = b"\0".join(stored).decode().split("\0")  # one call in place of twenty
    except UnicodeDecodeError:
        texts = []
    if len(texts) == len(stored):
        return texts
    return [value.decode(errors="replace").replace("\0", "\ufffd") for value in stored]
