"""The archiver: takes finished messages out of Redis, once the archive has them.

    page ──▶ rows ──▶ archive commits ──▶ drop, unless a record has changed since it was read

Whoever holds an account's lease archives it, so one at a time does; but nothing relies on that. A
row is written over its older self, and a record goes only if it is what the archive was given. So
a kill at any point leaves a message here, there, or in both, and the next pass finds it.
"""

import logging
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import redis

from sluicegate.archive import ArchiveRow, open_archive, unsent_row
from sluicegate.archive.rows import fields_of
from sluicegate.audit import By, act
from sluicegate.config import ArchiveSettings, Config
from sluicegate.errors import ArchiveUnavailable, WrongArchive
from sluicegate.keys import Keys
from sluicegate.receipts import BATCH as RECEIPTS
from sluicegate.receipts import FIELDS, RECEIPT, REMEMBERED_MS
from sluicegate.scripts import Argument, Script, Scripts, new_token
from sluicegate.stored import MessageId, Ticket

from .finished import Records

if TYPE_CHECKING:
    from sluicegate.archive.store import Archive

ARCHIVE = Script("sluicegate_worker.archive")
ATTACH = Script("sluicegate_worker.attach")

_PAGE: Final = 250  # tickets in one call
_MOST_CHARACTERS: Final = 500
_FORGET_SECONDS: Final = 6 * 3600.0

log = logging.getLogger(__name__)


class Archived(NamedTuple):
    """What one pass did: messages archived, late receipts applied, rows removed.

    ``stay`` have ended and stay in Redis for now; ``busy``: another archiver holds the lease.
    """

    messages: int = 0
    late: int = 0
    removed: int = 0
    stay: int = 0
    busy: bool = False


class LeaseLost(Exception):
    """Another archiver has this account now."""


class Archiver:
    """Archives one account, on a synchronous client.

    It takes at most ``share`` of a core, its waiting for Redis and for the archive counted too.
    ``stop`` ends a pass after its batch. Tests pass ``clock``: see ``Script.source``.

    Calls raise WrongArchive, ArchiveUnavailable, InvalidConfig and redis-py's errors.
    """

    def __init__(
        self,
        client: redis.Redis,
        config: Config,
        account: str,
        *,
        share: float = 1.0,
        stop: threading.Event | None = None,
        clock: str | None = None,
    ) -> None:
        self._config, self._account, self._share = config, account, share
        self._settings = config.archive or ArchiveSettings()
        self._scripts = Scripts(client, Keys(account).prefix, clock)
        self._token = new_token()
        self.stop = stop or threading.Event()
        self._archive: Archive | None = None
        self._forgot = -_FORGET_SECONDS
        self._began = time.monotonic()
        self._records = Records(account, self, config.retention_ms, share < 1)

    def open(self) -> "Archive":
        """The archive, once it is known to be this account's; nothing is read of Redis before."""
        if self._archive is None:
            with ExitStack() as until_it_is_ours:
                archive = until_it_is_ours.enter_context(closing(self._opened()))
                self._attach(archive)
                until_it_is_ours.pop_all()
            self._archive = archive
        return self._archive

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()
            self._archive = None

    def adopt(self, by: By) -> str:
        """Make the configured archive this account's, whatever it was; return where it is."""
        with closing(open_archive(self._settings.url, writes=True)) as archive:
            name = archive.books(self._account) or new_token()
            said = act(by, "adopt archive", archive.place).said()
            self._attached("adopt", archive, name, said)
            self._keep_ids("")
            archive.begin_books(self._account, name)
            return archive.place

    def off(self, by: By) -> str:
        """Let the account have no archive any more; return where it was, "" where it had none.

        What is in it stays there. Records expire again, and ids are known for their retention.
        Raises LeaseLost while another archiver is at work.
        """
        known, _, place = self._attached("look")
        if not known:
            return ""
        self.call("holds")
        with suppress(ArchiveUnavailable):
            if self._config.archive is not None:
                self.fold()
        self.close()
        self._attached("off", said=act(by, "archive off", place).said())
        cursor: bytes | None = None
        while cursor != b"0":
            cursor = self.call("release", cursor or "0", _PAGE, self._config.retention_ms)
        self._keep_ids(self._config.retention_ms)
        self.leave()
        return place

    def run(self) -> Archived:
        """Make one pass: everything that is due is archived, everything late applied."""
        self._begin()
        try:
            late = self._fold()
            messages, stay, oldest = self._records.move(self._settings.after_ms)
            messages += self._unsent()
            removed = self._past_keeping()
            self._forget()
            if not self.stop.is_set():
                self.note("", 0, passed=self.note("", 0), stay=stay, oldest=oldest)
                self.call("fault", "")
            self.call("leave")
        except LeaseLost:
            return Archived(busy=True)
        return Archived(messages, late, removed, stay)

    def put(self, rows: Sequence[ArchiveRow]) -> None:
        """Let the archive commit rows."""
        self.open().put(rows)

    def fold(self) -> int:
        """Apply what has come for archived messages; return how much that was."""
        self._begin()
        try:
            return self._fold()
        except LeaseLost:
            return 0

    def say_why(self, fault: str) -> None:
        """Let people know, in Redis, what keeps it from archiving, until it passes again."""
        with suppress(LeaseLost, redis.RedisError):
            self.call("fault", fault[:_MOST_CHARACTERS])

    def _begin(self) -> None:
        self.open()
        self._began = time.monotonic()

    def take(self) -> bool:
        """Keep every archiver away for a minute; return whether none is at work."""
        self.open()
        try:
            self.call("holds")
        except LeaseLost:
            return False
        return True

    def leave(self) -> None:
        """Let others archive again."""
        self.call("leave")

    def _opened(self) -> "Archive":
        """Open it; where the account has one already, a file that is not there is never made."""
        known, _, place = self._attached("look")
        if not known:
            return open_archive(self._settings.url, writes=True)
        reading = open_archive(self._settings.url, older=True)
        ours, where = reading.id, reading.place
        reading.close()
        if ours != known:
            raise WrongArchive(self._account, place, where)
        return open_archive(self._settings.url, writes=True)

    def _attach(self, archive: "Archive") -> None:
        """Raise WrongArchive unless Redis and the archive agree on whose books these are."""
        there = archive.books(self._account)
        known, name, place = self._attached("look")
        if not known and there:
            raise WrongArchive(self._account, "", archive.place)
        if not known:
            known, name, place = self._attached("attach", archive, new_token())
            self._keep_ids("")
        if known != archive.id or there not in ("", name):
            raise WrongArchive(self._account, place, archive.place)
        archive.begin_books(self._account, name)
        self._attached("attach", archive, name)

    def _keep_ids(self, ms: Argument) -> None:
        """Let the ids of archived messages go after so many ms, or stay."""
        first = self._scripts.call(ATTACH, ["ids", 0, ms])
        while first:
            first = self._scripts.call(ATTACH, ["ids", first, ms])

    def _attached(
        self, verb: str, archive: "Archive | None" = None, name: str = "", said: bytes | str = ""
    ) -> tuple[str, str, str]:
        place = f"{socket.gethostname()}: {archive.place}" if archive else ""
        args: list[Argument] = [verb, archive.id if archive else "", name, place, said]
        id, books, place = (text.decode() for text in self._scripts.call(ATTACH, args))
        return id, books, place

    def _unsent(self) -> int:
        """Archive the recipients that ended before they were ever started."""
        count, at = 0, 0
        while at >= 0 and not self.stop.is_set():
            (at,), *lists = self.call("lists", at, _PAGE, self._settings.after_ms)
            for campaign, state, ended, tickets in lists:
                self.open().put_unsent(
                    [self._unsent_row(campaign, state, ended, ticket) for ticket in tickets]
                )
                self.call("trim", campaign, state, len(tickets), _digest(tickets))
                self.note("archived", len(tickets))
                count += len(tickets)
            self.rest()
        return count

    def _unsent_row(
        self, campaign: bytes, state: bytes, ended: bytes, ticket: bytes
    ) -> ArchiveRow:
        id = MessageId(campaign.decode(), Ticket.short_of(ticket).decode())
        to = Ticket.parse(ticket).to
        return unsent_row(self._account, id, to, state.decode(), int(ended))

    def _past_keeping(self) -> int:
        """Remove what the archive has kept for long enough."""
        keep_ms = self._settings.keep_ms
        if keep_ms is None:
            return 0
        before = int(self.note("", 0)) - keep_ms
        count = 0
        while not self.stop.is_set():
            held = [what.decode().partition(":")[::2] for what in self.call("holds")]
            numbers = [name for kind, name in held if kind == "number"]
            campaigns = [name for kind, name in held if kind == "campaign"]
            gone = self.open().remove_before(self._account, before, numbers, campaigns)
            count += gone
            self.rest()
            if not gone:
                break
        return count

    def _forget(self) -> None:
        """Forget ids past their retention, a few times a day."""
        if time.monotonic() - self._forgot < _FORGET_SECONDS:
            return
        shard = 0
        while not self.stop.is_set():
            shard = self.call("forget", shard)
            self.rest()
            if not shard:
                self._forgot = time.monotonic()
                return

    def _fold(self) -> int:
        """Fetch the records of late receipts back, apply those, and archive the records again."""
        count = 0
        while (entries := self.call("late", RECEIPTS)) and not self.stop.is_set():
            receipts = [msgspec.json.decode(entry, type=list[str]) for entry in entries]
            ids = list(dict.fromkeys(receipt[1] for receipt in receipts))
            found = self.open().rows(self._account, ids)
            restored: list[Argument] = []
            for id, row in found.items():
                fields = [text for pair in fields_of(row).items() for text in pair]
                restored += (id, len(fields), *fields)
            self.call("restore", *restored)
            self._apply(receipts)
            self.call("done", len(entries))
            self._records.move_these(self.call("some", *found))
            self.note("unknown", len(ids) - len(found))
            count += len(entries)
            self.rest()
        return count

    def _apply(self, receipts: Sequence[Sequence[str]]) -> None:
        args: list[Argument] = [new_token(), self._config.retention_ms, REMEMBERED_MS]
        for receipt in receipts:
            args += (*receipt, *[""] * (FIELDS - len(receipt)))
        self._scripts.call(RECEIPT, args)

    def note(self, counter: str, by: int, **fields: Argument) -> bytes:
        """Note what a pass found; return the server's wall milliseconds."""
        pairs = [part for pair in fields.items() for part in pair]
        return bytes(self.call("note", counter if by else "", by, *pairs))

    def call(self, verb: str, *args: Argument) -> Any:
        """Ask ``archive.lua``, for as long as the lease is ours; raises LeaseLost."""
        archive = self._archive
        ours = archive.id if archive else ""
        answer = self._scripts.call(ARCHIVE, [verb, self._token, ours, *args])
        if answer == b"lost":
            raise LeaseLost
        if answer == b"moved" and archive is not None:
            self.close()
            raise WrongArchive(self._account, self._attached("look")[2], archive.place)
        return answer

    def rest(self) -> None:
        """Rest for as long as the share demands after what was just done."""
        took = time.monotonic() - self._began
        if self._share < 1:
            self.stop.wait(min(1.0, took * (1 / self._share - 1)))
        self._began = time.monotonic()


def _digest(values: Sequence[bytes]) -> str:
    """As ``digest_of`` in ``archive.lua``: it tells whether anything has changed, no more."""
    return sha1(b"\0".join(values), usedforsecurity=False).hexdigest()
