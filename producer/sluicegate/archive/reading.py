"""Reads an account's finished messages from its archive, for whoever does not find them in Redis.

Where the archive can't be asked, that is an error: a message in it is never said to be unknown.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from ..config import Config
from ..errors import ArchiveUnavailable, WrongArchive
from ..keys import Keys
from .opening import open_archive
from .rows import ArchivedMessage

if TYPE_CHECKING:
    from .store import Archive

_ATTACHED = ("id", "place")
_BATCH = 500


class ArchiveReader:
    """One account's archive, on a synchronous client; what it holds may be in Redis as well.

    An account that has none has nothing there. Otherwise every call raises ArchiveUnavailable if
    the archive isn't configured here or can't be asked, and WrongArchive if another is configured.
    """

    def __init__(self, client: redis.Redis, config: Config, account: str) -> None:
        self._client: Any = client
        self._config, self._account = config, account
        self._key = Keys(account)("archive")

    @property
    def archive(self) -> "Archive | None":
        """The archive; None where the account has none."""
        return _opened(self._config, self._account, self._client.hmget(self._key, _ATTACHED))

    def get(self, id: str) -> ArchivedMessage | None:
        """The message; None where it isn't archived."""
        archive = self.archive
        return archive.get(self._account, id) if archive else None

    def some(self, ids: Sequence[str]) -> dict[str, ArchivedMessage]:
        """Those of ``ids`` that are archived."""
        archive, found = self.archive if ids else None, dict[str, ArchivedMessage]()
        for first in range(0, len(ids) if archive else 0, _BATCH):
            rows = archive.rows(self._account, ids[first : first + _BATCH]) if archive else {}
            found |= {id: ArchivedMessage.of(row) for id, row in rows.items()}
        return found

    def of_campaign(self, campaign: str) -> Iterator[ArchivedMessage]:
        """All of a campaign's recipients that are archived."""
        archive = self.archive
        if archive:
            yield from archive.of_campaign(self._account, campaign)

    def ended_since(self, since_ms: int) -> Iterator[ArchivedMessage]:
        """All archived messages that ended at that wall time or later, in no order."""
        archive, now_ms = self.archive, int(time.time() * 1000)
        for message in archive.ended_between(self._account, since_ms, now_ms) if archive else ():
            if message.record.at >= since_ms:
                yield message

    def removed(self, campaign: str) -> list[tuple[str, str, bool, int]]:
        """State, delivery, whether maybe sent, and count of recipients that were removed."""
        archive = self.archive
        return archive.removed(self._account, campaign) if archive else []


async def aread_archived(
    client: redis.asyncio.Redis, config: Config, account: str, id: str
) -> ArchivedMessage | None:
    """``ArchiveReader.get`` on an asynchronous client."""
    store: Any = client
    attached = await store.hmget(Keys(account)("archive"), _ATTACHED)

    def read() -> ArchivedMessage | None:
        archive = _opened(config, account, attached)
        return archive.get(account, id) if archive else None

    return await asyncio.to_thread(read) if attached[0] else None


def _opened(config: Config, account: str, attached: Sequence[bytes | None]) -> "Archive | None":
    id, place = ((text or b"").decode() for text in attached)
    if not id:
        return None
    if config.archive is None:
        raise ArchiveUnavailable(
            f"account {account}'s finished messages are in {place}, and this configuration has no "
            "[archive]: give it the same one as its workers have"
        )
    archive = _open(config.archive.url)
    if archive.id != id:
        raise WrongArchive(account, place, archive.place)
    return archive


_archives: dict[str, "Archive"] = {}  # by URL: a process keeps its connections


def _open(url: str) -> "Archive":
    if url not in _archives:
        _archives[url] = open_archive(url)
    return _archives[url]


def close_archives() -> None:
    """Close the connections that reads have kept; the next read opens them anew."""
    while _archives:
        _archives.popitem()[1].close()
