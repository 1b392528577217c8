"""An archiver that is killed at any point loses no message and doubles none."""

import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from sluicegate import Config
from sluicegate.archive import open_archive
from sluicegate.config import ArchiveSettings
from sluicegate.keys import Keys
from sluicegate.receipts import RECEIPT, Receipt, receipt_args
from sluicegate.scripts import Scripts
from sluicegate_worker.archiver import Archiver

KEYS = Keys("default")
MESSAGES = 2000
CHILD = """
import sys, redis, msgspec
from sluicegate import Config
from sluicegate.config import ArchiveSettings
from sluicegate_worker import archiver, finished
finished.BATCH = 200
config = Config(archive=ArchiveSettings(url=sys.argv[2]))
with redis.Redis.from_url(sys.argv[1]) as client:
    print("ready", flush=True)
    while not archiver.Archiver(client, config, "default").run().busy:
        pass
"""


def finish(client: redis.Redis) -> None:
    """Store so many messages as they stand once they have been accepted, long ago."""
    ended = int(time.time() * 1000) - 3 * 86_400_000
    pipeline: Any = client.pipeline(transaction=False)
    for number in range(MESSAGES):
        fields = {"state": "accepted", "to": f"+1555{number:07d}", "enqueued": ended, "at": ended}
        fields |= {"digest": "d" * 22, "provider_id": f"p-{number}", "token": "t"}
        pipeline.hset(KEYS.record(f"m{number}"), mapping=fields)
    pipeline.execute()


@pytest.mark.parametrize("kills", [3, pytest.param(12, marks=pytest.mark.long)])
def test_a_killed_archiver_loses_nothing_and_doubles_nothing(
    valkey: redis.Redis, redis_url: str, tmp_path: Path, kills: int
) -> None:
    url = f"sqlite:///{tmp_path}/archive.sqlite3"
    store: Any = valkey
    finish(valkey)
    scripts, retention_ms = Scripts(valkey, KEYS.prefix), Config().retention_ms
    draw = random.Random(1)
    for kill in range(kills):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, redis_url, url], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(draw.uniform(0, 0.4))
        late = [Receipt(f"e{kill}", f"m{kill}", f"p-{kill}", "delivered", 1)]
        scripts.call(RECEIPT, receipt_args(late, retention_ms))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        store.delete(KEYS("archiver"))  # its lease would last for a minute
    settings = ArchiveSettings(url=url)
    last = Archiver(valkey, msgspec.structs.replace(Config(), archive=settings), "default")
    last.run()
    last.close()
    assert not list(store.scan_iter(KEYS.record("*")))
    with closing(open_archive(url)) as archive:
        assert archive.count("default") == MESSAGES
        kept = {id: archive.get("default", id) for id in map("m{}".format, range(MESSAGES))}
    assert all(one and one.record.provider_id == f"p-{id[1:]}" for id, one in kept.items())
    delivered = [id for id, one in kept.items() if one and one.record.delivery == "delivered"]
    assert delivered == [f"m{kill}" for kill in range(kills)]
    assert int(store.hget(KEYS("totals"), "delivered")) == kills
