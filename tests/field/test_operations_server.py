"""What trials in the field found about full, read-only and silent servers, in numbered order."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from sluicegate.config import Config
from sluicegate.errors import OutboxFull, OutboxUnavailable
from sluicegate.redis_errors import translated
from sluicegate_rigs.embedded import EmbeddedServer
from sluicegate_worker.deafness import DEAF_SECONDS, Deafness
from support.command_line import Cli
from support.messages import message, plan, recipient

REPLICA = "You can't write against a read only replica."
TEXT = ("--text", "Hi {{ first_name }}", "--from", "+15550000000", "--region", "US")


class Server(Cli):
    """The command line on a server of its own, whose memory a test limits."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        super().__init__(url, client)
        self.store: Any = client

    @property
    def used(self) -> int:
        return int(self.store.info("memory")["used_memory"])

    def limit(self, share: float) -> None:
        """Set maxmemory so that about this share of it is in use."""
        self.store.config_set("maxmemory", int(self.used / share))

    def warm(self, folder: Path) -> None:
        """Load the scripts of an import, which take more than a small file's recipients."""
        self("campaign", "start", self.sheet(folder, 1), "--name", "warm", *TEXT, "--yes")

    def sheet(self, folder: Path, rows: int) -> str:
        path = folder / "people.csv"
        lines = [f"+1312555{1000 + number},Ann" for number in range(rows)]
        path.write_text("\n".join(("Phone,First Name", *lines)) + "\n")
        return str(path)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.chdir(tmp_path)
    with EmbeddedServer() as server, redis.Redis.from_url(server.url) as client:
        yield Server(server.url, client)


def test_01_an_import_without_room_is_refused_whole_and_says_how_much_it_needs(
    own: Server, tmp_path: Path
) -> None:
    own.warm(tmp_path)
    own.limit(0.89)
    file = own.sheet(tmp_path, 3000)
    refused = own("campaign", "start", file, "--name", "july", *TEXT, "--yes", exits=1)
    assert "bytes of Redis" in refused.stderr
    assert "CONFIG SET maxmemory" in refused.stderr
    assert "nothing was done" in refused.stderr
    assert [campaign["name"] for campaign in own.lines("campaign", "list")] == ["warm"]
    needed = int(refused.stderr.partition("maxmemory ")[2].split()[0])
    own.store.config_set("maxmemory", needed)
    own("campaign", "start", file, "--name", "july", *TEXT, "--yes")
    assert own.bench.campaigns.ledger("july").imported == 3000


def test_01_the_preflight_knows_the_memory_that_a_file_needs(own: Server, tmp_path: Path) -> None:
    own.warm(tmp_path)
    report = own.document("campaign", "preflight", own.sheet(tmp_path, 5000), *TEXT)
    before = own.used
    own("campaign", "start", own.sheet(tmp_path, 5000), "--name", "july", *TEXT, "--yes")
    assert 0.6 * (own.used - before) < report["import_bytes"] < 1.6 * (own.used - before)
    assert report["sent_bytes"] > 5 * report["import_bytes"]


def test_01_an_import_stops_at_the_ceiling(own: Server) -> None:
    campaigns, july = own.bench.campaigns, plan("july")
    campaigns.create(july)
    own.limit(0.93)
    with pytest.raises(OutboxFull, match="importing stops at"):
        list(campaigns.add("july", [recipient(july, 1)]))
    assert campaigns.ledger("july").imported == 0


def test_01_claims_stop_at_a_second_ceiling_and_go_on(own: Server) -> None:
    bench = own.bench
    bench.enqueue(message(1), message(2))
    [held] = bench.claim_all(1)
    bench.sweep("w1")
    own.limit(0.97)
    bench.sweep("w1")
    assert bench.claim().why == "memory"
    bench.later(max(held.slot_ms, 0))
    assert bench.start(held) == [True]  # what is under way ends
    assert bench.settle(held, "accepted", provider_id="p", heard=True) == "applied"
    status = own("status", exits=1).stdout
    assert "Redis is full: nothing is sent since" in status
    assert "CONFIG SET maxmemory" in status
    assert "Redis is full since" in own("why").stdout
    own.limit(0.9)
    bench.sweep("w1")
    assert bench.claim_all(1)


def test_01_a_server_a_little_below_the_ceiling_does_not_begin_again(own: Server) -> None:
    own.bench.enqueue(message(1), message(2))
    own.bench.send()
    own.bench.sweep("w1")
    own.limit(0.96)
    own.bench.sweep("w1")
    own.limit(0.945)
    own.bench.sweep("w1")
    assert own.bench.claim().why == "memory"


STOPS = [
    ("halt", "set", "account", "--why", "x", "--yes"),
    ("halt", "set", "all", "--why", "x", "--yes"),
    ("halt", "clear", "account", "--yes"),
    ("campaign", "pause", "july"),
    ("campaign", "pace", "july", "--rate", "1"),
    ("campaign", "resume", "july"),
    ("campaign", "cancel", "july", "--yes"),
    ("optout", "add", "+15550000009"),
    ("cancel", "m1"),
    ("dead", "purge", "m2", "--yes"),
    ("doubt", "resolve", "m3", "--drop", "--reason", "x"),
]


def test_01_every_stop_works_on_a_full_server(own: Server) -> None:
    own.die(2)
    own.doubt(3)
    july = plan("july")
    own.bench.campaigns.create(july)
    own.bench.add("july", recipient(july, 1))
    own.bench.act("july", "start")
    own.bench.enqueue(message(1))
    own.limit(2.0)
    with pytest.raises(redis.OutOfMemoryError):
        own.store.set("x", "y")
    done = {stop: own(*stop).exit_code for stop in STOPS}
    assert set(done.values()) == {0}
    assert own.bench.campaigns.get("july").state == "cancelled"
    assert "+1555•••09" in own("optout", "list").stdout
    assert own.bench.status("m1").state == "cancelled"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (redis.ReadOnlyError(REPLICA), "read-only replica"),
        (redis.ResponseError(f"ERR script: READONLY {REPLICA}"), "read-only replica"),
        (redis.ResponseError("UNBLOCKED force unblock from blocking operation"), "replica"),
        (redis.ResponseError("MISCONF Redis is configured to save RDB"), "can't save"),
        (redis.ResponseError("NOREPLICAS Not enough good replicas"), "too few replicas"),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "loading"),
    ],
)
def test_03_what_passes_is_named_and_may_be_repeated(answer: redis.RedisError, said: str) -> None:
    error = translated(answer, ["m1"])
    assert isinstance(error, OutboxUnavailable)
    assert said in str(error)
    assert "repeating it is safe" in str(error)


def test_03_a_failover_is_named_and_no_worker_is_missed(own: Server) -> None:
    own.bench.enqueue(message(1))
    own.bench.sweep("w1")
    own.store.execute_command("REPLICAOF", "127.0.0.1", "1")
    status = own("status", exits=1).stdout
    assert "! Redis is a read-only replica" in status
    assert "no worker" not in status
    assert "Redis is a read-only replica, so nothing is sent" in own("why").stdout
    refused = own("send", "--to", "+15550000001", "--from", "+15550000000", "--text", "x", exits=1)
    assert "read-only replica" in refused.stderr
    own.store.execute_command("REPLICAOF", "NO", "ONE")
    assert "read-only" not in own("status").stdout


def test_04_other_pools_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_TELNYX_API_KEY", "KEY")
    from sluicegate_worker.tasks import _check

    for pool in ("gevent", "eventlet", "processes", "prefork", "solo"):
        with pytest.raises(SystemExit, match=r"-P .* can't run drains.*-P threads"):
            _check(SimpleNamespace(worker_pool="threads"), {"pool_cls": pool})
    with pytest.raises(SystemExit, match="-P gevent"):
        _check(SimpleNamespace(worker_pool="gevent"), {})
    _check(SimpleNamespace(worker_pool="threads"), {})


def test_02_a_worker_is_deaf_once_its_signals_start_no_drain() -> None:
    deafness = Deafness(lambda: "its queue is no longer consumed")
    deafness.note_signal(100.0)
    assert deafness.reason() == ""
    deafness.note_signal(100.0 + DEAF_SECONDS)
    assert deafness.reason() == "its queue is no longer consumed"
    deafness.note_signal(120.0, "no signal can be sent: OOM\n at all")
    assert deafness.reason() == "no signal can be sent: OOM at all"
    deafness.note_drain()
    assert deafness.reason() == ""


def test_01_the_second_ceiling_is_not_below_the_first() -> None:
    assert Config().memory_ceiling <= Config().sending_ceiling
