"""Where a run is and what it found, in Redis, so that the next one goes on from there."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import redis

from sluicegate.keys import Keys
from sluicegate.receipts import BATCH, RECEIPT, Receipt, ReceiptResult, receipt_args
from sluicegate.scripts import Argument, Script, Scripts, new_token

from .findings import Difference, Found

RECONCILE = Script("sluicegate_worker.reconcile")

_PAGE: Final = 500  # keys in one call: about a millisecond of the server's time
_RECORDS: Final = 100


class ReconcileBusy(Exception):
    """Another run has this account now."""


class Progress:
    """One account's run, on a synchronous client; with ``dry_run`` nothing is written.

    ``lease_ms`` is for how long nobody else may run after the last call. Calls raise
    ReconcileBusy and redis-py's errors. Tests pass ``clock``: see ``Script.source``.
    """

    def __init__(
        self,
        client: redis.Redis,
        account: str,
        retention_ms: int,
        lease_ms: int,
        *,
        dry_run: bool = False,
        clock: str | None = None,
    ) -> None:
        self._scripts = Scripts(client, Keys(account).prefix, clock)
        self._retention_ms, self._dry_run = retention_ms, dry_run
        self._lease_ms = 0 if dry_run else lease_ms
        self._token, self._renewed = new_token(), 0.0
        self._fields: dict[str, str] = {}
        self._left: dict[str, Difference] = {}

    def take(self) -> dict[str, str]:
        """Take the lease; return the fields of a run that was cut short, none if there is none."""
        fields = _pairs(self._call("look"))
        return {} if self._dry_run else fields

    def last(self) -> dict[str, str]:
        """The fields of the last run that came to its end, none if there was none."""
        return _pairs(self._call("last"))

    def begin(self, **fields: int) -> None:
        """Begin a run."""
        self._fields = {name: str(value) for name, value in fields.items()}
        if not self._dry_run:
            self._call("begin", *(part for pair in self._fields.items() for part in pair))

    def now(self) -> tuple[int, int]:
        """The server's wall ms, and how many receipts wait for the archiver."""
        now_ms, late = self._call("now")
        return int(now_ms), int(late)

    def keep(self) -> None:
        """Keep the lease, if it is a while since the last call."""
        if time.monotonic() - self._renewed > self._lease_ms / 4000:
            self._call("now")

    def sleep(self, seconds: float, wait: Callable[[float], object]) -> None:
        """Sleep, and keep the lease."""
        while seconds > 0:
            part = min(seconds, self._lease_ms / 4000 or seconds)
            wait(part)
            seconds -= part
            self.keep()

    def pages(self) -> Iterator[list[list[bytes | None]]]:
        """Pages of messages that may have reached the provider: id, then the script's ``READ``."""
        cursor: bytes | None = None
        while cursor != b"0":
            cursor, *page = self._call("page", cursor or "0", _PAGE)
            yield page

    def records(self, ids: Sequence[str]) -> dict[str, dict[bytes, bytes]]:
        """The whole records that are in Redis."""
        found = {}
        for first in range(0, len(ids), _RECORDS):
            some = ids[first : first + _RECORDS]
            for id, fields in zip(some, self._call("records", *some), strict=True):
                if fields:
                    found[id] = dict(zip(fields[::2], fields[1::2], strict=True))
        return found

    def apply(self, receipts: Sequence[Receipt]) -> list[ReceiptResult]:
        """Apply what was found, as receipts that come in are."""
        answers: list[Any] = []
        for first in range(0, len(receipts), BATCH):
            args = receipt_args(receipts[first : first + BATCH], self._retention_ms)
            answers += self._scripts.call(RECEIPT, args)
            self.keep()
        return [answer.decode() for answer in answers]

    def absent(self, doubts: Sequence[tuple[str, int]]) -> list[bool]:
        """End doubts of messages that were never sent; each with when it came into doubt (ms)."""
        args = [part for doubt in doubts for part in doubt]
        return [bool(ended) for ended in self._call("absent", self._retention_ms, *args)]

    def commit(self, found: Found, **fields: int) -> None:
        """Write where the run is, with what it has found since the last commit."""
        if self._dry_run:
            self._remember(found, fields)
            return
        told = {
            "set": [text for pair in fields.items() for text in map(str, pair)],
            "add": [text for pair in found.counts.items() if pair[1] for text in map(str, pair)],
            "left": [
                text
                for name, one in found.left.items()
                for text in (name, msgspec.json.encode(one).decode())
            ],
            "gone": found.gone,
        }
        self._call("commit", msgspec.json.encode(told), new_token())

    def fields(self) -> dict[str, str]:
        """All of the run's fields."""
        return dict(self._fields) if self._dry_run else _pairs(self._call("look"))

    def left(self) -> list[Difference]:
        """The differences found so far, by kind and time."""
        found = list(self._left.values())
        if not self._dry_run:
            texts = _pairs(self._call("left")).values()
            found = [msgspec.json.decode(text, type=Difference) for text in texts]
        return sorted(found, key=lambda one: (one.kind, one.at_ms, one.name))

    def finish(self, fields: Mapping[str, str]) -> None:
        """End the run, and keep what it came to."""
        if not self._dry_run:
            told = [text for pair in fields.items() for text in pair]
            self._call("finish", msgspec.json.encode(told))

    def leave(self) -> None:
        """Let others run; where this one is stays."""
        if not self._dry_run:
            self._call("leave")

    def _remember(self, found: Found, fields: Mapping[str, int]) -> None:
        self._fields |= {name: str(value) for name, value in fields.items()}
        for name, by in found.counts.items():
            self._fields[name] = str(int(self._fields.get(name, 0)) + by)
        self._left |= found.left
        for name in found.gone:
            self._left.pop(name, None)

    def _call(self, verb: str, *args: Argument) -> Any:
        answer = self._scripts.call(RECONCILE, [verb, self._token, self._lease_ms, *args])
        if answer == b"lost":
            raise ReconcileBusy
        self._renewed = time.monotonic()
        return answer


def _pairs(stored: Sequence[bytes]) -> dict[str, str]:
    texts = [text.decode() for text in stored]
    return dict(zip(texts[::2], texts[1::2], strict=True))
