"""The spool: outcomes kept in files while Redis is away, and settled from them once."""

import asyncio
import fcntl
import logging
import stat
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from sluicegate.errors import OutboxUnavailable
from sluicegate_worker.queue import Queue
from sluicegate_worker.spool import Spool
from sluicegate_worker.wire import BATCH, Grant, Settle, Stepped
from support.bench import Bench
from support.clock import CLOCK
from support.messages import message
from support.virtual import FarServer, at_once


class Place:
    """A bench, a spool directory, and claims on the same server."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        self.spool = Spool(folder, "default")
        self.calls_left = 10**9

    def settle(self, *spools: Spool) -> list[int]:
        """What settling gave, all of them at once."""

        async def body() -> list[int]:
            client = cast("Any", FarServer(self.bench.store, at_once))
            claims = Cut(client, self.bench.config, "default", time=CLOCK)
            claims.place = self
            every = (spool.settle(claims) for spool in spools or (self.spool,))
            return await asyncio.gather(*every)

        return asyncio.run(body())

    def files(self) -> list[str]:
        return (
            sorted(path.suffix for path in self.folder.iterdir()) if self.folder.exists() else []
        )


class Cut(Queue):
    """Queue whose Redis goes away after so many calls."""

    place: Place

    async def step(self, args: object, token: str = "") -> Stepped:
        if self.place.calls_left <= 0:
            raise OutboxUnavailable("Redis did not answer")
        self.place.calls_left -= 1
        return await super().step(args, token)  # type: ignore[arg-type] # passed on as it is


@pytest.fixture
def place(valkey: redis.Redis, tmp_path: Path) -> Place:
    return Place(Bench(valkey, limit=1000, concurrency=1000), tmp_path / "spool")


def started(bench: Bench, count: int) -> list[Grant]:
    """So many messages whose POSTs are under way."""
    bench.enqueue(*(message(n) for n in range(count)))
    found: list[Grant] = []
    for _ in range(count):
        grant = bench.begin()
        if not found:  # the first answer heard opens the way for more than probes
            bench.settle(grant, "accepted", provider_id=f"p-{grant.id}", heard=True)
        found.append(grant)
    return found[1:]


def accepted(grant: Grant) -> Settle:
    return Settle(
        id=grant.id, token=grant.token, kind="accepted", provider_id=f"p-{grant.id}", heard=True
    )


def test_a_round_trip(place: Place) -> None:
    grants = started(place.bench, 4)
    settles = [
        accepted(grants[0]),
        Settle(
            id=grants[1].id, token=grants[1].token, kind="doubt", reason="nö\n\u2028", code="x"
        ),
        Settle(id=grants[2].id, token=grants[2].token, kind="dead", answer='"'),
    ]
    path = place.spool.write(settles)
    assert path is not None
    assert len(path.read_bytes().splitlines()) == 3
    assert place.settle() == [3]
    assert place.files() == []
    assert place.bench.status(grants[0].id).provider_id == f"p-{grants[0].id}"
    assert place.bench.status(grants[1].id).reason == "nö\n\u2028"
    assert place.bench.check() == {"accepted": 2, "in_doubt": 1, "dead": 1}
    assert place.settle() == [0]


def test_nothing_to_keep_is_no_file(place: Place) -> None:
    assert place.spool.write([]) is None
    assert place.files() == []
    assert place.settle() == [0]


def test_only_the_owner_may_read(place: Place) -> None:
    path = place.spool.write([Settle(id="m1", token="t", kind="back")])
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_each_stop_is_a_file_and_each_account_has_its_own(place: Place) -> None:
    settle = Settle(id="m1", token="t", kind="back")
    for account in ("default", "default", "default-2", "x"):
        Spool(place.folder, account).write([settle])
    assert len(place.files()) == 4
    assert place.settle() == [2]
    assert len(place.files()) == 2


def test_with_redis_away_the_file_stays(place: Place) -> None:
    [grant] = started(place.bench, 2)
    place.spool.write([accepted(grant)])
    place.calls_left = 0
    with pytest.raises(OutboxUnavailable):
        place.settle()
    assert place.files() == [".jsonl"]
    place.calls_left = 1
    assert place.settle() == [1]
    assert place.bench.check() == {"accepted": 2}


def test_redis_that_goes_away_half_way_costs_nothing(place: Place) -> None:
    grants = started(place.bench, BATCH + 11)
    place.spool.write([accepted(grant) for grant in grants])
    place.calls_left = 1
    with pytest.raises(OutboxUnavailable):
        place.settle()
    assert place.files() == [".jsonl"]
    assert place.bench.totals()["accepted"] == BATCH + 1
    place.calls_left = 99
    assert place.settle() == [BATCH + 10]
    assert place.bench.check() == {"accepted": BATCH + 11}
    assert "sent_twice" not in place.bench.totals()


def test_two_workers_share_the_work_and_double_nothing(place: Place) -> None:
    grants = started(place.bench, 5)
    for grant in grants:
        place.spool.write([accepted(grant)])
    found = place.settle(place.spool, Spool(place.folder, "default"))
    assert sum(found) == 4
    assert place.files() == []
    assert place.bench.check() == {"accepted": 5}
    assert "sent_twice" not in place.bench.totals()


def test_a_file_that_is_still_being_written_is_left_alone(place: Place) -> None:
    [grant] = started(place.bench, 2)
    path = place.spool.write([accepted(grant)])
    assert path is not None
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert place.settle() == [0]
        assert place.files() == [".jsonl"]
    assert place.settle() == [1]
    path.write_bytes(b"")  # made, and not locked yet
    assert place.settle() == [0]
    assert place.files() == [".jsonl"]


@pytest.mark.parametrize("kept", [1, 20, -2])
def test_a_line_that_a_crash_cut_does_not_lose_the_others(
    place: Place, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    grants = started(place.bench, 4)
    path = place.spool.write([accepted(grant) for grant in grants])
    assert path is not None
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second + third[:kept])
    with caplog.at_level(logging.ERROR):
        assert place.settle() == [2]
    assert "1 lines can't be read" in caplog.text
    assert place.files() == [".unreadable"]
    assert place.bench.totals()["accepted"] == 3
    assert place.settle() == [0]


@pytest.mark.parametrize(
    "line", [b"{}", b"\xff", b"null", b'{"id":"m1","token":"t","kind":"odd"}', b"[" * 200_000]
)
def test_any_line_that_cant_be_read_is_set_aside(place: Place, line: bytes) -> None:
    [grant] = started(place.bench, 2)
    path = place.spool.write([accepted(grant)])
    assert path is not None
    path.write_bytes(line + b"\n" + path.read_bytes())
    assert place.settle() == [1]
    assert place.files() == [".unreadable"]
    assert stat.S_IMODE(path.with_suffix(".unreadable").stat().st_mode) == 0o600
    assert place.bench.check() == {"accepted": 2}


def test_a_doubt_in_the_spool_does_not_undo_what_came_since(place: Place) -> None:
    """The lease ended, the sweep put the message in doubt, and a late answer accepted it."""
    [grant] = started(place.bench, 2)
    place.spool.write([Settle(id=grant.id, token=grant.token, kind="doubt", reason="stopped")])
    place.bench.later(60_000)
    place.bench.sweep()
    place.bench.step(settles=[accepted(grant)])
    assert place.settle() == [1]
    assert place.bench.check() == {"accepted": 2}


def test_a_real_server_takes_it_too(valkey: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    bench = Bench(valkey, limit=1000)
    [grant] = started(bench, 2)
    spool = Spool(tmp_path, "default")
    spool.write([accepted(grant)])

    async def body() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            assert await spool.settle(Queue(client, bench.config, "default", time=CLOCK)) == 1

    asyncio.run(body())
    assert bench.check() == {"accepted": 2}
