"""What the archive costs: finished messages leave Redis for it, and one is read from it again."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import redis

from sluicegate import Config
from sluicegate.archive import ArchiveReader
from sluicegate.config import ArchiveSettings
from sluicegate.keys import Keys
from sluicegate_worker.archiver import Archiver

from ..embedded import EmbeddedServer
from . import machine
from .progress import part
from .script_times import Percentiles

ACCOUNT = "default"
MESSAGES = 1_000_000
QUICK_MESSAGES = 20_000
SHOWN = 300
_DAY_MS = 86_400_000
_AT_ONCE = 5_000
_SEED = 700


class ArchiveFigures(msgspec.Struct, frozen=True):
    """What ``messages`` took in Redis before and after they were archived, and how long that took.

    CPU is in seconds for all of them: the archiver's own, and the server's. ``show_ms`` is for one
    message that is read from the archive by its id.
    """

    messages: int
    bytes_before: float
    bytes_after: float
    archive_bytes: float
    seconds: float
    archiver_cpu: float
    server_cpu: float
    longest_script_ms: float
    show_ms: Percentiles

    @property
    def seconds_per_million(self) -> float:
        return self.seconds * 1_000_000 / self.messages


def archived(count: int) -> ArchiveFigures:
    """Archive ``count`` messages, from a server and to a file of their own."""
    with (
        part("archive", 3) as now,
        EmbeddedServer() as server,
        redis.Redis.from_url(server.url) as client,
        TemporaryDirectory() as folder,
    ):
        settings = ArchiveSettings(url=f"sqlite:///{Path(folder, 'archive.sqlite3')}")
        config = Config(redis_url=server.url, archive=settings)
        store: Any = client
        empty = _used_bytes(store)
        now.begin(f"{count:,} finished messages")
        _finish(store, count)
        full = _used_bytes(store)
        now.end(f"{count:,} finished messages: {(full - empty) / count:,.0f} bytes each")
        now.begin("archiving")
        archiver, pid = Archiver(client, config, ACCOUNT), store.info("server")["process_id"]
        archiver.open()
        store.slowlog_reset()
        store.config_set("slowlog-log-slower-than", 1000)
        began, own, theirs = time.monotonic(), time.process_time(), machine.cpu_seconds([pid])
        done = archiver.run()
        seconds, own = time.monotonic() - began, time.process_time() - own
        theirs = machine.cpu_seconds([pid]) - theirs
        if done.messages != count:
            raise RuntimeError(f"{done.messages:,} of {count:,} messages were archived")
        now.end(f"archived in {seconds:.1f} s, {seconds * 1e6 / count:.0f} s a million")
        now.begin("reading")
        reader = ArchiveReader(client, config, ACCOUNT)
        shown = Percentiles.of(list(_reads(reader, count)))
        now.end(f"one message: p50 {shown.p50:.2f} ms, p99 {shown.p99:.2f} ms")
        longest = max((one["duration"] for one in store.slowlog_get(128)), default=0) / 1000
        left = (_used_bytes(store) - empty) / count
        size = archiver.open().size_bytes() / count
        archiver.close()
    return ArchiveFigures(
        count, (full - empty) / count, left, size, seconds, own, theirs, longest, shown
    )


def _finish(store: Any, count: int) -> None:
    """Store messages as they stand once they were delivered, days ago."""
    keys, ended = Keys(ACCOUNT), int(time.time() * 1000) - 3 * _DAY_MS
    pipeline = store.pipeline(transaction=False)
    for number in range(count):
        fields = {
            "state": "accepted", "digest": "abcdefghijklmnopqrstuv", "to": f"+1555{number:07d}",
            "enqueued": ended, "at": ended + number % 1000, "token": "ab12abcdefghijkl",
            "key_at": ended, "attempts": 1, "delivery": "delivered", "delivery_at": ended + 5000,
            "provider_id": f"40317fae-cdf6-4d59-8a5e-{number:012d}",
            "history": f"{ended},3,120,accepted,,ab12", "bill": "t|1|4000000|USD|Wireless||T",
        }  # fmt: skip
        pipeline.hset(keys.record(f"order-{number}"), mapping=fields)
        if len(pipeline) == _AT_ONCE:
            pipeline.execute()
    pipeline.execute()


def _used_bytes(store: Any) -> int:
    return int(store.info("memory")["used_memory"])


def _reads(reader: ArchiveReader, count: int) -> Iterator[float]:
    """How many ms each of some reads took; the first opens the archive, and is not counted."""
    draw = random.Random(_SEED)  # noqa: S311 - which messages are read is no secret
    reader.get("order-0")
    for _ in range(SHOWN):
        began = time.perf_counter()
        if reader.get(f"order-{draw.randrange(count)}") is None:
            raise RuntimeError("an archived message was not found")
        yield (time.perf_counter() - began) * 1000
