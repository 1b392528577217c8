"""Lazy results of ``enqueue_many``: iterating enqueues, and there is a warning if nobody does."""

import warnings
from collections.abc import AsyncIterator, Iterator

from .outbox import EnqueueResult


class _WarnsUnused:
    """Warns when it is thrown away unused: nothing was enqueued then."""

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
        return self._results  # a loop then has no call of ours between it and each result

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
