"""Finished records: read in pages, given to the archive, and let go once it has committed them."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
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
_DROPPED: Final = 100  # records in one call: two milliseconds
_ENTRIES: Final = 4  # are told of each record
_LET_GO: Final = 2  # threads: while one's call is on its way, the server has the other's
_BESIDE: Final = 2 + _LET_GO  # threads: one reads a page, one commits a batch, others let one go
_TURN_SECONDS: Final = 0.0002  # at Python's own 5 ms, an answer waits as long as the call took

_UNTIL_ALL_ARE_GONE: Final = ((), ())  # behind the last batch: it is committed, then let go

R = TypeVar("R")

Said = tuple[Argument, ...]
"""What ``drop`` in ``archive.lua`` is told of one."""


class Page(NamedTuple):
    """Records that are due; how many others have ended, and ms of the oldest of their ends."""

    cursor: bytes
    stay: int
    oldest: bytes
    due: Sequence[Any]


class Staying(msgspec.Struct):
    """What has ended and stays for now: how many records, and ms of the oldest of their ends."""

    count: int = 0
    oldest: bytes = b""

    def add(self, page: Page) -> None:
        self.count += page.stay
        self.oldest = min(filter(None, (self.oldest, page.oldest)), default=b"")


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

    Unless they are moved ``slowly``, one batch is read and made into rows while the one before it
    is committed, and the one before that let go: all take as long as the slowest of the three.
    """

    def __init__(self, account: str, archiver: Archives, retention_ms: int, slowly: bool) -> None:
        self._account, self._archiver = account, archiver
        self._retention_ms, self._slowly = retention_ms, slowly

    def move(self, after_ms: int) -> tuple[int, int, str]:
        """Move what ended ``after_ms`` ago; return how many, how many stay, and the oldest end."""
        count, staying = 0, Staying()
        committed: Callable[[], list[Said]] = list
        gone: Callable[[], int] = int
        turns = nullcontext() if self._slowly else _short_turns()
        with turns, ThreadPoolExecutor(_BESIDE) as pool:
            batches = self._batches(pool, after_ms, staying)
            for batch in chain(batches, _UNTIL_ALL_ARE_GONE):
                said = committed()
                count += gone()
                gone = self._let_go(pool, said)
                committed = self._begun(pool, partial(self._put, batch))
        return count, staying.count, staying.oldest.decode()

    def move_these(self, told: Sequence[Any]) -> int:
        """Move those that ``some`` in ``archive.lua`` found; return how many."""
        return self._move(list(self.read(told)))

    def read(self, told: Sequence[Any]) -> Iterator[Finished]:
        """Make rows of what ``archive.lua`` tells of records; what is no message is left out."""
        entries = iter(told)
        for id, state, ended_ms, told_of_it in zip(*[entries] * _ENTRIES, strict=True):
            flat = told_of_it if isinstance(told_of_it, list) else told_of_it.split(b"\0")
            stored: dict[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
            name = id.decode(errors="replace")
            with suppress(Malformed):
                row = row_of(self._account, name, state.decode(), int(ended_ms), stored)
                at = stored.get(b"at") or stored.get(b"enqueued", b"")
                digest = stored.get(b"digest", b"")
                said = (id, stored.get(b"state", b""), at, digest, b"\0".join(flat[1::2]))
                yield Finished(row, said)

    def _batches(
        self, pool: ThreadPoolExecutor, after_ms: int, staying: Staying
    ) -> Iterator[Sequence[Finished]]:
        found = list[Finished]()
        for page in self._pages(pool, after_ms):
            staying.add(page)
            found += self.read(page.due)
            if len(found) >= BATCH:
                yield found
                found = []
        yield found

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
        """Begin a call, and return what waits for it; slowly, it is over by then."""
        if not self._slowly:
            return pool.submit(call).result
        done = call()
        return lambda: done

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


@contextmanager
def _short_turns() -> Iterator[None]:
    """Let the threads of this process take turns sooner: whoever has an answer asks on at once."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(_TURN_SECONDS, usual))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
