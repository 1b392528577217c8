"""Archiving: finished messages leave Redis once the archive has them, and nothing else does."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from sluicegate import Config
from sluicegate.archive import open_archive
from sluicegate.audit import By
from sluicegate.config import ArchiveSettings
from sluicegate.errors import ArchiveUnavailable, WrongArchive
from sluicegate.receipts import RECEIPT, Receipt, receipt_args
from sluicegate_worker.archiver import Archived, Archiver
from support.bench import Bench, settle_of, warm_bench
from support.clock import CLOCK
from support.messages import member_id, message, plan, recipient

DAY_MS = 86_400_000


def configured(bench: Bench, folder: Path, **fields: Any) -> Config:
    settings = ArchiveSettings(**{"url": f"sqlite:///{folder}/archive.sqlite3"} | fields)
    return msgspec.structs.replace(bench.config, archive=settings)


def archiver(
    bench: Bench,
    folder: Path,
    share: float = 1.0,
    stop: threading.Event | None = None,
    **fields: Any,
) -> Archiver:
    config = configured(bench, folder, **fields)
    made = Archiver(bench.store, config, "default", share=share, stop=stop, clock=CLOCK)
    MADE.append(made)
    return made


MADE: list[Archiver] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close each test's archivers."""
    yield
    while MADE:
        MADE.pop().close()


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    """On the real server alone: the fake's Lua has no sha1hex."""
    return warm_bench(valkey)


@pytest.fixture
def work(bench: Bench, tmp_path: Path) -> Archiver:
    """The bench's archiver, attached."""
    made = archiver(bench, tmp_path)
    made.open()
    bench.enqueue(message(1), message(2))
    bench.send()
    return made


def tell(bench: Bench, id: str, *, provider_id: str = "", event: str = "e1") -> str:
    receipt = Receipt(event, id, provider_id or f"p-{id}", "delivered", int(bench.now_ms))
    args = receipt_args([receipt], bench.config.retention_ms, bench.token())
    return str(bench.call(RECEIPT, args)[0].decode())


def test_a_finished_message_goes_to_the_archive_after_its_time(
    bench: Bench, work: Archiver
) -> None:
    assert work.run() == Archived(stay=2)  # the bench's own first too
    bench.later(DAY_MS)
    before = bench.record("m1")
    assert work.run() == Archived(messages=2)
    assert bench.record("m1") == {}
    kept = work.open().get("default", "m1")
    assert kept is not None
    stored = {name: str(value) for name, value in kept.record.format().items()}
    assert stored == before
    assert bench.record("m2")["state"] == "waiting"


def test_what_is_not_finished_never_goes(bench: Bench, work: Archiver) -> None:
    bench.enqueue(message(3), message(4))
    bench.send(kind="dead")
    bench.begin()
    bench.later(9 * DAY_MS)
    work.run()
    assert {bench.record(f"m{n}")["state"] for n in (2, 3, 4)} == {"dead", "waiting"}


def test_the_archives_messages_are_still_known_by_their_ids(bench: Bench, work: Archiver) -> None:
    bench.later(DAY_MS)
    work.run()
    assert [result.outcome for result in bench.enqueue(message(1))] == ["known"]
    [reused] = bench.enqueue(message(1, text="another"))
    assert reused.outcome == "reused"
    assert bench.cancel("m1") == "accepted"
    bench.later(bench.config.retention_ms)
    assert [result.outcome for result in bench.enqueue(message(1))] == ["enqueued"]


@pytest.mark.parametrize("before", [0, 1])
def test_ids_are_spread_over_hashes_that_stay_small(
    bench: Bench, work: Archiver, before: int
) -> None:
    """The first pass makes as many hashes as it will need; later, one is split off at a time."""
    bench.later(DAY_MS * before)
    assert work.run().messages == 2 * before
    ids = [f"n{number}" for number in range(450)]
    for id in ids:
        bench.store.hset(bench.keys.record(id), mapping={"state": "accepted", "digest": "d" * 22,
                                                         "at": int(bench.now_ms)})  # fmt: skip
    bench.later(DAY_MS)
    work.run()
    facts = {k.decode(): v.decode() for k, v in bench.store.hgetall(bench.keys("archive")).items()}
    shards = [bench.keys(f"ids:{n}") for n in range(int(facts["shards"]))]
    sizes = [bench.store.hlen(shard) for shard in shards]
    assert len(sizes) > 4
    assert sum(sizes) == int(facts["ids"]) >= 450
    assert max(sizes) < 250
    assert before or max(sizes) < 64
    results = bench.enqueue(*(message(n, id=id) for n, id in enumerate(ids)))
    assert {result.outcome for result in results} == {"reused"}  # each is known


def test_ids_are_forgotten_after_their_retention(bench: Bench, tmp_path: Path) -> None:
    work = archiver(bench, tmp_path)
    bench.later(DAY_MS)
    work.run()
    assert bench.store.hget(bench.keys("archive"), "ids") == b"1"
    bench.later(2 * bench.config.retention_ms)
    archiver(bench, tmp_path).run()
    assert bench.store.hget(bench.keys("archive"), "ids") == b"0"
    assert not bench.store.exists(bench.keys("ids:0"))


def test_a_record_that_changed_since_it_was_read_stays(bench: Bench, work: Archiver) -> None:
    bench.later(DAY_MS)
    found = list(work._records.read(work.call("some", "m1")))
    tell(bench, "m1")
    assert work._records._move(found) == 0
    assert bench.record("m1")["delivery"] == "delivered"
    assert work.run().messages >= 1
    kept = work.open().get("default", "m1")
    assert kept is not None
    assert kept.record.delivery == "delivered"


def test_a_damaged_record_holds_up_no_other(bench: Bench, work: Archiver) -> None:
    damage = {"to": "+1555" + "0" * 40, "attempts": "9" * 30, "generation": "٣", "at": ""}
    bench.store.hset(bench.keys.record("m1"), mapping=damage)
    bench.store.hset(bench.keys.record("no id!"), mapping={"state": "accepted", "at": 1})
    bench.later(DAY_MS)
    assert work.run().messages == 2
    kept = work.open().get("default", "m1")
    assert kept is not None
    assert kept.fields[b"to"] == damage["to"].encode()
    assert kept.fields[b"attempts"] == damage["attempts"].encode()
    assert bench.record("no id!")
    assert bench.record("m1") == {}


def test_fields_stay_apart_whatever_is_in_them(bench: Bench, work: Archiver) -> None:
    key = bench.keys.record("m1")
    bench.store.hset(key, mapping={"reason": "a\0b", "code": "\0", "one": b"\0\xff", "last": ""})
    bench.later(DAY_MS)
    assert work.run().messages == 2
    kept = work.open().get("default", "m1")
    assert kept is not None
    texts = [kept.fields[name] for name in (b"reason", b"code", b"one", b"last", b"state")]
    shown = "\ufffd".encode()  # for what is no character, and for NUL
    assert texts == [b"a" + shown + b"b", shown, shown * 2, b"", b"accepted"]
    assert not bench.store.exists(key)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_pass_of_many_batches_archives_each_message_once(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr("sluicegate_worker.finished.BATCH", 70)
    for number in range(300):
        fields = {"state": "accepted", "to": f"+1555{number:07d}", "at": 1, "digest": "d" * 22}
        bench.store.hset(bench.keys.record(f"n{number}"), mapping=fields)
    work = archiver(bench, tmp_path, share)
    assert work.run() == Archived(messages=300, stay=1)
    assert work.open().count("default") == 300
    assert not list(bench.store.scan_iter(bench.keys.record("n*")))
    assert bench.store.hget(bench.keys("archive"), "archived") == b"300"
    work.close()


def test_a_late_receipt_finds_its_message_in_the_archive(bench: Bench, work: Archiver) -> None:
    bench.later(DAY_MS)
    work.run()
    assert tell(bench, "m1") == "archived"
    assert tell(bench, "m1") == "duplicate"  # the provider repeats its event
    assert work.fold() == 1
    assert bench.totals()["delivered"] == 1
    assert bench.record("m1") == {}
    kept = work.open().get("default", "m1")
    assert kept is not None
    assert kept.record.delivery == "delivered"
    assert tell(bench, "m1") == "duplicate"
    assert bench.store.llen(bench.keys("late")) == 0


def test_a_second_acceptance_is_seen_of_an_archived_message(bench: Bench, work: Archiver) -> None:
    bench.later(DAY_MS)
    work.run()
    assert tell(bench, "m1", provider_id="another") == "archived"
    work.fold()
    assert bench.totals()["sent_twice"] == 1
    assert bench.store.hexists(bench.keys("twice"), "m1")


def test_a_late_settle_of_an_archived_message_is_not_lost(bench: Bench, work: Archiver) -> None:
    bench.store.delete(bench.keys("late"))
    grant = bench.begin()
    assert tell(bench, "m2") == "applied"  # while its worker is frozen
    bench.store.hdel(bench.keys("leases"), "m2")
    bench.store.zrem(bench.keys("started"), "m2")
    bench.later(DAY_MS)
    work.run()
    bench.repeat = False  # without a record a repeat is set aside again, and then told once
    late = settle_of(grant, "accepted", provider_id="another", heard=True)
    assert bench.step(settles=[late]).settled == ["applied"]
    bench.step(settles=[late])
    assert work.fold() == 2
    assert bench.totals()["sent_twice"] == 1


def test_a_receipt_of_nobody_is_dropped_and_counted(bench: Bench, work: Archiver) -> None:
    assert tell(bench, "nobody") == "archived"
    assert work.fold() == 1
    assert bench.store.hget(bench.keys("archive"), "unknown") == b"1"
    assert bench.record("nobody") == {}


def test_what_ended_before_there_was_an_archive_does_not_expire(
    bench: Bench, tmp_path: Path
) -> None:
    bench.enqueue(message(1))
    bench.send()
    assert bench.store.pttl(bench.keys.record("m1")) > 0
    archiver(bench, tmp_path).run()
    assert bench.store.pttl(bench.keys.record("m1")) == -1


def test_a_campaigns_recipients_go_and_its_ledger_still_adds_up(
    bench: Bench, work: Archiver
) -> None:
    campaign = plan()
    bench.campaigns.create(campaign)
    rows = [recipient(campaign, number) for number in range(4)]
    bench.add("july", *rows)
    bench.act("july", "start")
    bench.cancel("m2")
    grant = bench.send()
    bench.act("july", "cancel")
    bench.later(DAY_MS)
    bench.sweep()
    assert work.run().messages >= 4
    kept = {one.id: one for one in work.open().of_campaign("default", "july")}
    assert {one.record.state for one in kept.values()} == {"accepted", "cancelled"}
    assert kept.keys() == {member_id("july", row) for row in rows}
    assert kept[grant.id].record.provider_id == f"p-{grant.id}"
    assert {one.record.to for one in kept.values()} == {row.to for row in rows}
    assert not list(bench.store.scan_iter(f"{bench.keys.record('july.')}*"))


def test_a_recipient_whose_ticket_is_still_in_its_lane_is_never_sent_to_again(
    bench: Bench, work: Archiver
) -> None:
    bench.cancel("m2")
    campaign = plan()
    bench.campaigns.create(campaign)
    bench.add("july", recipient(campaign, 1), recipient(campaign, 2))
    bench.act("july", "start")
    grants = bench.claim_all(1)
    bench.later(max(grants[0].slot_ms, 0))
    bench.start(grants[0])
    bench.settle(grants[0], "back")  # its ticket waits in the lane again
    assert tell(bench, grants[0].id, provider_id="p") == "applied"
    bench.act("july", "pause")
    bench.later(DAY_MS)
    work.run()
    assert bench.record(grants[0].id)["state"] == "accepted"
    bench.act("july", "resume")
    sent = bench.drain(5_000)
    assert grants[0].id not in {one.id for one in sent}
    assert len(sent) == 1
    bench.later(DAY_MS)
    work.run()
    assert bench.record(grants[0].id) == {}


def test_another_archive_than_the_accounts_is_refused(
    bench: Bench, work: Archiver, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(ArchiveUnavailable, match="not there"):
        archiver(bench, other).run()
    assert not list(other.iterdir())
    open_archive(f"sqlite:///{other}/archive.sqlite3", writes=True).close()
    with pytest.raises(WrongArchive, match="archive adopt"):
        archiver(bench, other).run()


def test_another_redis_accounts_books_are_refused(
    bench: Bench, work: Archiver, tmp_path: Path
) -> None:
    bench.store.delete(bench.keys("archive"))
    with pytest.raises(WrongArchive, match="knows of no archive"):
        archiver(bench, tmp_path).run()


def test_only_one_archiver_at_a_time(bench: Bench, work: Archiver, tmp_path: Path) -> None:
    work.call("note", "", 0)
    assert archiver(bench, tmp_path).run() == Archived(busy=True)
    work.run()
    assert not archiver(bench, tmp_path).run().busy


def test_a_stopped_archiver_ends_its_pass(bench: Bench, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    bench.later(DAY_MS)
    assert archiver(bench, tmp_path, stop=stop).run().messages == 0


def test_messages_are_kept_for_as_long_as_configured(bench: Bench, tmp_path: Path) -> None:
    work = archiver(bench, tmp_path, keep_days=30.0)
    bench.later(DAY_MS)
    work.run()
    archive = work.open()
    assert archive.count("default") == 1
    bench.later(31 * DAY_MS)
    assert work.run().removed == 1
    assert archive.count("default") == 0


def test_a_full_server_is_relieved(valkey: redis.Redis, tmp_path: Path) -> None:
    bench = Bench(valkey, limit=1000)
    for number in range(3):
        bench.enqueue(message(number))
        bench.send()
    work = archiver(bench, tmp_path)
    work.open()
    bench.later(DAY_MS)
    store: Any = valkey
    store.config_set("maxmemory", 1)
    try:
        assert work.run().messages == 3
    finally:
        store.config_set("maxmemory", 0)


def test_an_archive_of_an_older_version_tells_which_one_it_is(
    bench: Bench, work: Archiver
) -> None:
    archive = work.open()
    url, id = archive.url, archive.id
    with archive._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    work.close()
    with pytest.raises(ArchiveUnavailable, match="of version 0000"):
        open_archive(url)
    with closing(open_archive(url, older=True)) as older:
        assert older.id == id  # so whoever writes may bring it to this one


BY = By("a test", "to see")


def test_without_its_archive_an_accounts_messages_expire_again(
    bench: Bench, work: Archiver
) -> None:
    bench.later(DAY_MS)
    work.run()
    bench.send()  # m2 ends while there is an archive
    assert bench.store.pttl(bench.keys.record("m2")) == -1
    assert tell(bench, "m1") == "archived"
    place = work.off(BY)
    assert place.endswith("archive.sqlite3")
    assert bench.totals()["delivered"] == 1  # the late receipt was not lost
    assert 0 < bench.store.pttl(bench.keys.record("m2")) <= bench.config.retention_ms
    assert [result.outcome for result in bench.enqueue(message(1))] == ["known"]
    assert bench.store.pttl(bench.keys("archive")) > 0
    assert tell(bench, "m1", event="e9") == "unknown"
    assert work.off(BY) == ""


def test_an_archiver_stops_where_its_archive_is_given_up_or_another(
    bench: Bench, work: Archiver, tmp_path: Path
) -> None:
    bench.later(DAY_MS)
    archiver(bench, tmp_path).off(BY)
    with pytest.raises(WrongArchive, match="knows of no archive"):
        work.run()
    assert bench.record("m1")["state"] == "accepted"
    archiver(bench, tmp_path).adopt(BY)
    assert bench.store.pttl(bench.keys("archive")) == -1
    assert work.run().messages == 2


def test_what_keeps_it_from_archiving_is_told_until_it_passes(
    bench: Bench, work: Archiver
) -> None:
    work.say_why("the disk is full")
    assert bench.store.hget(bench.keys("archive"), "fault") == b"the disk is full"
    work.run()
    assert bench.store.hget(bench.keys("archive"), "fault") is None
