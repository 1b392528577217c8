"""Finished records: read in pages, given to the archive, and let go once it has committed them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from sluicegate.archive import ArchiveRow, row_of
from sluicegate.errors import Malformed
from sluicegate.scripts import Argument

BATCH: Final = 20_000
"""Rows in one transaction of the archive, 2 KB each: of fewer, it writes the same pages again.

For 800,000 messages SQLite writes 2.9 GB; it would be 4.8 with half as many at once.
"""

_PAGE: Final = 100  # keys in one call: a millisecond of the server's time
_DROPPED: Final = 50  # records in one call: a millisecond
_LET_GO: Final = 2  # threads: while one's call is on its way, the server has the other's
_ENTRIES: Final = 4  # are told of each record

R = TypeVar("R")

Said = tuple[Argument, ...]
"""What ``drop`` in ``archive.lua`` is told of one."""


class Page(NamedTuple):
    """Records that are due; how many others have ended, and ms of the oldest of their ends."""

    cursor: bytes
    stay: int
    oldest: bytes
    due: Sequence[Any]


class Finished(msgspec.Struct, frozen=True, gc=False):
    """A finished message: its row, and what lets its record go."""

    row: ArchiveRow
    said: Said


class Archives(Protocol):
    """What moving needs of an archiver."""

    stop: threading.Event

    def call(self, verb: str, *args: Argument) -> Any: ...
    def put(self, rows: Sequence[ArchiveRow]) -> None: ...
    def note(self, counter: str, by: int) -> bytes: ...
    def rest(self) -> None: ...


class Records:
    """The finished records of one account.

    Unless they are moved ``slowly``, the next page is read while this one is made into rows, and
    records are let go while the next rows are committed: Redis and the archive take as long as we.
    """

    def __init__(self, account: str, archiver: Archives, retention_ms: int, slowly: bool) -> None:
        self._account, self._archiver = account, archiver
        self._retention_ms, self._slowly = retention_ms, slowly

    def move(self, after_ms: int) -> tuple[int, int, str]:
        """Move what ended ``after_ms`` ago; return how many, how many stay, and the oldest end."""
        count, stay, oldest, found, gone = 0, 0, b"", list[Finished](), _nothing
        with ThreadPoolExecutor(1 + _LET_GO) as pool:
            for page in self._pages(pool, after_ms):
                stay += page.stay
                oldest = min(filter(None, (oldest, page.oldest)), default=b"")
                found += self.read(page.due)
                if len(found) >= BATCH:
                    said, found = self._put(found), []
                    count += gone()
                    gone = self._let_go(pool, said)
            last = self._let_go(pool, self._put(found))
            return count + gone() + last(), stay, oldest.decode()

    def move_these(self, told: Sequence[Any]) -> int:
        """Move those that ``some`` in ``archive.lua`` found; return how many."""
        return self._move(list(self.read(told)))

    def read(self, told: Sequence[Any]) -> Iterator[Finished]:
        """Make rows of what ``archive.lua`` tells of records; what is no message is left out."""
        entries = iter(told)
        for id, state, ended_ms, flat in zip(*[entries] * _ENTRIES, strict=True):
            stored: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
            name = id.decode(errors="replace")
            with suppress(Malformed):
                row = row_of(self._account, name, state.decode(), int(ended_ms), stored)
                at = stored.get(b"at") or stored.get(b"enqueued", b"")
                digest = stored.get(b"digest", b"")
                said = (id, stored.get(b"state", b""), at, digest, b"\0".join(flat[1::2]))
                yield Finished(row, said)

    def _pages(self, pool: ThreadPoolExecutor, after_ms: int) -> Iterator[Page]:
        stop = self._archiver.stop
        following: Callable[[], Page] = partial(self._page, b"0", after_ms)
        while not stop.is_set():
            page = following()
            cursor = page.cursor
            if cursor != b"0":
                following = self._begun(pool, partial(self._page, cursor, after_ms))
            yield page
            self._archiver.rest()
            if cursor == b"0":
                return

    def _page(self, cursor: bytes, after_ms: int) -> Page:
        cursor, stay, oldest, due = self._archiver.call("page", cursor, _PAGE, after_ms)
        return Page(cursor, stay, oldest, due)

    def _begun(self, pool: ThreadPoolExecutor, call: Callable[[], R]) -> Callable[[], R]:
        """Begin a call, and return what waits for it; slowly, it is begun only then."""
        return call if self._slowly else pool.submit(call).result

    def _move(self, found: Sequence[Finished]) -> int:
        return self._drop(self._put(found))

    def _put(self, found: Sequence[Finished]) -> list[Said]:
        """Let the archive commit records; return what there is to say of them to let them go."""
        if found:
            self._archiver.put([one.row for one in found])
        return [one.said for one in found]

    def _let_go(self, pool: ThreadPoolExecutor, said: Sequence[Said]) -> Callable[[], int]:
        """Begin to let go what the archive has; return what waits for it."""
        parts = [said[first::_LET_GO] for first in range(_LET_GO)]
        begun = [self._begun(pool, partial(self._drop, part)) for part in parts]
        return lambda: sum(gone() for gone in begun)

    def _drop(self, archived: Sequence[Said]) -> int:
        """Let go what the archive has; return how many went."""
        count = 0
        for first in range(0, len(archived), _DROPPED):
            some = chain.from_iterable(archived[first : first + _DROPPED])
            count += self._archiver.call("drop", self._retention_ms, *some)
            self._archiver.rest()
        if count:
            self._archiver.note("archived", count)
        return count


def _nothing() -> int:
    return 0
