"""Finished records: read in pages, given to the archive, and let go once it has committed them."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import redis

from sluicegate.archive import ArchiveRow, row_of
from sluicegate.errors import Malformed
from sluicegate.keys import Keys
from sluicegate.scripts import Argument

BATCH: Final = 10_000
"""Rows in one transaction of the archive: of fewer, it would write the same pages again."""

_PAGE: Final = 100  # keys in one call: a millisecond of the server's time, and two to read them
_DROPPED: Final = 50  # records in one call: two milliseconds
_AT_ONCE: Final = 2  # threads: one reads, and one lets go

R = TypeVar("R")


class Page(NamedTuple):
    """Records that are due; how many others have ended, and ms of the oldest of their ends."""

    cursor: bytes
    stay: int
    oldest: str
    finished: "list[Finished]"


class Finished(NamedTuple):
    """A finished message: its row, and what ``drop`` in ``archive.lua`` is told of it."""

    row: ArchiveRow
    said: tuple[Argument, ...]


class Archives(Protocol):
    """What moving needs of an archiver."""

    stop: threading.Event

    def call(self, verb: str, *args: Argument) -> Any: ...
    def put(self, rows: Sequence[ArchiveRow]) -> None: ...
    def note(self, counter: str, by: int) -> bytes: ...
    def rest(self) -> None: ...


class Records:
    """The finished records of one account, on a synchronous client.

    Unless they are moved ``slowly``, the next page is read while this one is made into rows, and
    records are let go while the next rows are committed: Redis and the archive take as long as we.
    """

    def __init__(
        self,
        client: redis.Redis,
        account: str,
        archiver: Archives,
        retention_ms: int,
        slowly: bool,
    ) -> None:
        self._client, self._keys, self._account = client, Keys(account), account
        self._archiver, self._retention_ms, self._slowly = archiver, retention_ms, slowly

    def move(self, after_ms: int) -> tuple[int, int, str]:
        """Move what ended ``after_ms`` ago; return how many, how many stay, and the oldest end."""
        count, stay, oldest, found, gone = 0, 0, "", list[Finished](), _nothing
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for page in self._pages(pool, after_ms):
                stay += page.stay
                oldest = min(filter(None, (oldest, page.oldest)), default="")
                found += page.finished
                if len(found) >= BATCH:
                    count += gone()
                    gone, found = self._begun(pool, partial(self._drop, self._put(found))), []
            return count + gone() + self._move(found), stay, oldest

    def move_these(self, ended: Sequence[bytes]) -> int:
        """Move those that ``some`` in ``archive.lua`` found; return how many."""
        return self._move(self.read(ended))

    def read(self, ended: Sequence[bytes]) -> list[Finished]:
        """Read records: ``ended`` has id, final state and ms of the end of each, by turns."""
        ids = [id.decode(errors="replace") for id in ended[::3]]
        pipeline: Any = self._client.pipeline(transaction=False)
        for id in ids:
            pipeline.hgetall(self._keys.record(id))
        read = zip(ids, ended[1::3], ended[2::3], pipeline.execute(), strict=True)
        return list(self._finished(read))

    def _finished(
        self, read: Iterable[tuple[str, bytes, bytes, dict[bytes, bytes]]]
    ) -> Iterator[Finished]:
        for id, state, ended_ms, stored in read:
            if not stored:
                continue
            try:
                row = row_of(self._account, id, state.decode(), int(ended_ms), stored)
            except Malformed:
                continue  # it is no message, and stays
            at = stored.get(b"at") or stored.get(b"enqueued", b"")
            digest = stored.get(b"digest", b"")
            said = (id, stored.get(b"state", b""), at, digest, b"\0".join(stored.values()))
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
        return Page(cursor, stay, oldest.decode(), self.read(due))

    def _begun(self, pool: ThreadPoolExecutor, call: Callable[[], R]) -> Callable[[], R]:
        """Begin a call, and return what waits for it; slowly, it is begun only then."""
        return call if self._slowly else pool.submit(call).result

    def _move(self, found: Sequence[Finished]) -> int:
        return self._drop(self._put(found)) if found else 0

    def _put(self, found: Sequence[Finished]) -> list[tuple[Argument, ...]]:
        """Let the archive commit records; return what there is to say of them to let them go."""
        self._archiver.put([one.row for one in found])
        return [one.said for one in found]

    def _drop(self, archived: Sequence[tuple[Argument, ...]]) -> int:
        """Let go what the archive has; return how many went."""
        count = 0
        for first in range(0, len(archived), _DROPPED):
            some = chain.from_iterable(archived[first : first + _DROPPED])
            count += self._archiver.call("drop", self._retention_ms, *some)
            self._archiver.rest()
        self._archiver.note("archived", count)
        return count


def _nothing() -> int:
    return 0
