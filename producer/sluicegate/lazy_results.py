"""Lazy results of ``enqueue_many``: iterating them enqueues, and not iterating them warns."""

import warnings
from collections.abc import AsyncIterator, Iterator

from .outbox import EnqueueResult


class _WarnsUnused:
    """Warns if it is discarded unused, since then nothing was enqueued."""

    used = False

    def __del__(self) -> None:
        if not self.used:
            warnings.warn(
                "enqueue_many was never iterated, so nothing was enqueued; "
                "write: for result in sluice.enqueue_many(...)",
                RuntimeWarning,
                stacklevel=2,
            )


class LazyResults(_WarnsUnused, Iterator[EnqueueResult]):
    """What ``Sluice.enqueue_many`` returns."""

    def __init__(self, results: Iterator[EnqueueResult]) -> None:
        self._results = results

    def __iter__(self) -> Iterator[EnqueueResult]:
        self.used = True
        return self._results  # so that a loop gets each result without a call of ours

    def __next__(self) -> EnqueueResult:
        self.used = True
        return next(self._results)


class AsyncLazyResults(_WarnsUnused, AsyncIterator[EnqueueResult]):
    """What ``AsyncSluice.enqueue_many`` returns."""

    def __init__(self, results: AsyncIterator[EnqueueResult]) -> None:
        self._results = results

    async def __anext__(self) -> EnqueueResult:
        self.used = True
        return await anext(self._results)
