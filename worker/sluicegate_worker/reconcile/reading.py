"""Reads the provider's records of a window: each once, in pages that may shift, repeat or fail."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from ..provider.reports import ProviderRecord, Reports

PAGES: Final = 20
"""Pages that are read before the next question begins where they ended.

So no page has a high number, which providers answer slowly or not at all.
"""

_TRIES = 3


class Chunk(NamedTuple):
    """Some records, all from before ``upto_ms``; with them, all that were created before it.

    Where that is no later than before, what comes next may be as old as these.

    ``whole``: none is known to be missing. ``total`` is how many there were to come, this chunk's
    among them, 0 where the provider doesn't say. ``unreadable`` entries name no message, and
    ``twice`` entries were on these pages before.
    """

    records: list[ProviderRecord]
    upto_ms: int
    whole: bool
    total: int
    unreadable: int
    twice: int


def chunks(reports: Reports, since_ms: int, until_ms: int) -> Iterator[Chunk]:
    """Read a window, the oldest first.

    The next question begins at the last record's time, so a record that enters the books meanwhile
    shifts nothing. Where the records don't come in the order of their times, or too many have the
    same one, the pages are counted on instead.
    """
    at_ms, first, count, before = since_ms, 1, 0, set[int]()
    while True:
        pages = _pages(reports, at_ms, until_ms, first, before)
        count += len(pages.records) + pages.twice + pages.unreadable
        reached_ms = max((record.created_ms for record in pages.records), default=0)
        goes_on = not pages.last and first == 1 and pages.ordered and reached_ms > at_ms
        upto_ms = until_ms if pages.last else reached_ms if goes_on else at_ms
        whole = not pages.stale and (not pages.last or count >= pages.total)
        records = [r for r in pages.records if not goes_on or r.created_ms < reached_ms]
        yield Chunk(records, upto_ms, whole, pages.total, pages.unreadable, pages.twice)
        if pages.last:
            return
        if goes_on:
            at_ms, first, count, before = reached_ms, 1, 0, set()
        else:
            first += PAGES
            before |= {hash(record.id) for record in pages.records}


class _Pages(NamedTuple):
    """``stale``: a page brought nothing that was not on the ones before."""

    records: list[ProviderRecord]
    total: int
    unreadable: int
    twice: int
    stale: bool
    last: bool
    ordered: bool


def _pages(reports: Reports, since_ms: int, until_ms: int, first: int, before: set[int]) -> _Pages:
    """A few pages; asked for again if one repeats another, which hides the one in its place."""
    pages = _read(reports, since_ms, until_ms, first, before)
    for _ in range(_TRIES - 1):
        if not pages.stale:
            break
        pages = _read(reports, since_ms, until_ms, first, before)
    return pages


def _read(reports: Reports, since_ms: int, until_ms: int, first: int, before: set[int]) -> _Pages:
    records: dict[str, ProviderRecord] = {}
    total, unreadable, twice, stale, last = 0, 0, 0, False, False
    for number in range(first, first + PAGES):
        page = reports.records(since_ms, until_ms, number)
        new = {r.id: r for r in page.records if r.id not in records and hash(r.id) not in before}
        total, unreadable = max(total, page.total or 0), unreadable + page.unreadable
        twice += len(page.records) - len(new)
        stale = stale or (bool(page.records) and not new)
        records |= new
        last = page.last
        if last:
            break
    times = [record.created_ms for record in records.values()]
    ordered = times == sorted(times)
    return _Pages(list(records.values()), total, unreadable, twice, stale, last, ordered)
