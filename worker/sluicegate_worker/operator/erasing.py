"""Erases one number from Redis and the archive; what was counted stays counted."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import redis

from sluicegate.archive import ArchiveRow
from sluicegate.campaigns.members import hash_key
from sluicegate.keys import Keys
from sluicegate.optouts import hashed_number
from sluicegate.scripts import Argument, Script, Scripts, new_token
from sluicegate.stored import Ticket

if TYPE_CHECKING:
    from sluicegate.archive.store import Archive

ERASE = Script("sluicegate_worker.erase")

ERASED: Final = "erased"
"""What stands in a ticket in the number's place."""

Naming = Callable[[bytes], Any]


class Erasure:
    """The erasure of ``number`` from one account, on a synchronous client.

    ``names`` says whether a text names the number. ``done`` counts what was done.
    """

    def __init__(
        self, client: redis.Redis, keys: Keys, number: str, names: Naming, retention_ms: int
    ) -> None:
        self._client: Any = client
        self._scripts = Scripts(client, keys.prefix)
        self._number, self._digits = number, number.removeprefix("+")
        self._names, self._retention_ms = names, retention_ms
        self._hash = hashed_number(hash_key(client, keys), number)
        self.done: Counter[str] = Counter()

    def keep_optout(self) -> bool:
        """Let its opt-out stand under a keyed hash; return whether there was one."""
        kept = self._call("optout", self._number, self._hash) == "kept"
        self.done["opt-outs kept by hash"] += kept
        return kept

    def mention(self, key: str, kind: str, member: bytes, value: bytes) -> None:
        """Take the number out of one place in Redis, in the way that place asks for."""
        name, _, rest = key.partition(":")
        match name:
            case "m":
                answer = self._call("message", rest, self._retention_ms, new_token())
                if answer not in ("under way", "in doubt"):
                    self.done[f"messages {answer}"] += 1
            case "lane":
                left = self._without(member)
                if self._call("ticket", rest, member, left) == "cancelled":
                    self.done["messages cancelled"] += 1
            case "unsent":
                self._count(self._call("line", key, member, self._without(member)), "recipients")
            case "audit":
                self._call("line", key, member, self._blotted(member))
            case "relays" | "twice":
                self._call("value", key, member, value, self._blotted(value))
            case "leases":
                pass  # a worker holds it: it is named as left
            case _:
                self._count(self._call("drop", key, kind, member), f"in {name}")

    def persist(self) -> None:
        """Ask Redis to write its files anew, since the old ones still hold the number."""
        for ask in (self._client.bgrewriteaof, lambda: self._client.bgsave(schedule=True)):
            with suppress(redis.ResponseError):  # a hosted Redis allows neither
                ask()

    def archive(self, archive: "Archive", account: str, held: Iterable[str]) -> None:
        """Take the number out of an archive, but for the messages of ``held`` campaigns."""
        spared = set(held)
        for row in archive.rows_naming(account, self._number, self._digits):
            if row["campaign"] not in spared:
                if self._names(str(row["id"]).encode()):
                    self._call("id", str(row["id"]))
                archive.replace(row, self._nameless(row))
                self.done["messages in the archive"] += 1
        archive.scrub()

    def _nameless(self, row: ArchiveRow) -> ArchiveRow:
        """The row without the number; a key that holds it is replaced by a random one."""
        new = dict(row) | {"recipient": "", "reason": ""}
        if self._names(str(row["id"]).encode()):
            new["id"] = f"{ERASED}-{secrets.token_hex(8)}"
        for column, text in new.items():
            if isinstance(text, str) and self._names(text.encode()):
                new[column] = self._blotted(text.encode()).decode()
        return new

    def _without(self, ticket: bytes) -> bytes:
        """A ticket that is only to be counted."""
        short = Ticket.short_of(ticket).decode()
        return Ticket(short, 1, "SMS", None, ERASED).format()

    def _blotted(self, text: bytes) -> bytes:
        """The text with as many zeros in the number's place, so that it is as long."""
        return text.replace(self._digits.encode(), b"0" * len(self._digits))

    def _count(self, answer: str, what: str) -> None:
        self.done[what] += answer == "erased"

    def _call(self, verb: str, *args: Argument) -> str:
        answer: Any = self._scripts.call(ERASE, [verb, self._digits, *args])
        return str(answer.decode())
