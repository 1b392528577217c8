"""``examples/tonight.md``: its commands, against the simulated Telnyx and on simulated time."""

import asyncio
import csv
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
import redis
from typer.testing import Result

from sluicegate.campaigns.hours import zones_of
from sluicegate_ops.simulator import Settings
from sluicegate_ops.simulator.http.exchange import Request
from sluicegate_ops.simulator.provider import Provider
from sluicegate_worker.drain import Drain
from sluicegate_worker.rendering import GrantRenderer
from sluicegate_worker.transport import GateClosed, Reply
from support.command_line import invoked
from support.fleet import ANSWER_SECONDS, Fleet, Gateway, Wire
from support.receipts import tell

ROOT = Path(__file__).parents[2]
ROWS = 130  # of the example's 2,000
HOUR = 3600
SOME = 45  # messages before the typo is found
FAILS = 7  # one delivery in so many


def commands() -> list[list[str]]:
    """Every command of the page, as a shell would take it apart."""
    page = (ROOT / "examples/tonight.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line.removeprefix("$ ")) for line in lines]


class SimulatedTelnyx(Wire):
    """The simulator on the world's clock, without sockets."""

    def __init__(self, fleet: Fleet, wall: Callable[[], float]) -> None:
        super().__init__(fleet.time)
        self.posts: list[tuple[float, str, str]] = []
        self._wall = wall
        self._provider = Provider(
            Settings(limit=None), monotonic=lambda: fleet.time.now, wall=wall
        )

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        if not gate():
            raise GateClosed("too late")
        request = Request("POST", "/v2/messages", body=body)
        request.authorization = headers["Authorization"].encode()
        request.keys = [headers["Idempotency-Key"].encode()]
        found = re.search(rb'"to":"([^"]*)".*', body)
        assert found
        self.posts.append((self._wall(), found[1].decode(), body.decode()))
        reply = self._provider.handle(request)
        await asyncio.sleep(ANSWER_SECONDS)
        return Reply(reply.status, {}, reply.body)


class NearServer:
    """What a worker reads of plans, at once."""

    def __init__(self, store: redis.Redis) -> None:
        self._store = store

    async def hmget(self, key: str, fields: Sequence[str]) -> Any:
        return self._store.hmget(key, list(fields))


class World(Fleet):
    """A worker and a provider on one clock, which begins now and only goes forward in leaps."""

    def __init__(self, store: redis.Redis) -> None:
        super().__init__(store)
        self.began = time.time() + 60 - self.time.now  # ahead of whoever looks at the real clock
        self.telnyx = SimulatedTelnyx(self, self.wall)
        self.wire = self.telnyx
        self.sync()

    def wall(self) -> float:
        return self.began + self.time.now

    def sync(self) -> None:
        self.bench.at(1000 * self.wall())

    def drain(self, worker: int) -> Drain:
        renderer = GrantRenderer(cast("Any", NearServer(self.store)), self.bench.keys)
        gateway, now = Gateway(self.account, self.wire, self.time), lambda: self.time.now
        queue = self.queue(worker)
        return Drain(queue, gateway, self.account, read=renderer.message, monotonic=now)

    def busy(self) -> bool:
        return bool(self.bench.store.hlen(self.bench.keys("leases")))

    def passes(self, seconds: float, then: Callable[[], bool] = lambda: False) -> None:
        """Let the worker work for so long, or until ``then``, and until it holds nothing."""

        async def main() -> None:
            ends = self.time.now + seconds
            while self.busy() or (self.time.now < ends and not then()):  # noqa: ASYNC110 - time
                await asyncio.sleep(0.2)  # passes by this alone

        self.run(main)


@pytest.fixture
def world(valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    rows = (ROOT / "examples/customers.csv").read_text(encoding="utf-8").splitlines()
    short = "\n".join(rows[:ROWS])
    (tmp_path / "examples/customers.csv").write_text(short, encoding="utf-8")
    return World(valkey)


def test_tonight(world: World, redis_url: str) -> None:
    environment = {"SLUICEGATE_REDIS_URL": redis_url, "COLUMNS": "120"}
    pending = commands()

    def run(verb: str) -> Result:
        """The page's next command, which is this one."""
        program, group, *args = pending.pop(0)
        assert (program, group, args[0]) == ("sluicegate", "campaign", verb)
        result = invoked([group, *args], env=environment)
        assert result.exit_code == 0, (args, result.output, result.exception)
        return result

    assert "beyond ASCII" in run("preview").stdout
    assert "America/Los_Angeles" in run("preflight").stdout
    assert run("test").stdout.count("test-") == 3
    run("start")
    run("hours")
    assert "running" in run("status").stdout
    assert world.bench.campaigns.get("tonight").max_cost == 20

    # The test goes out at once; the customers have their evening, zone after zone.
    world.passes(2)
    tests = [body for _, to, body in world.telnyx.posts if to == "+13125550199"]
    assert len(tests) == 3
    assert all("TEST: Hi " in body for body in tests)
    while len(world.telnyx.posts) < SOME:
        world.time.now += HOUR
        world.passes(5, then=lambda: len(world.telnyx.posts) >= SOME)
    revised_at = world.wall()
    run("revise")
    ledger = world.bench.campaigns.ledger
    while ledger("tonight").pending:
        world.time.now += HOUR
        world.passes(5)

    sent = [post for post in world.telnyx.posts if post[1] != "+13125550199"]
    assert len({to for _, to, _ in sent}) == len(sent) == ledger("tonight").imported > 100
    for at, to, body in sent:
        assert all(18 <= datetime.fromtimestamp(at, ZoneInfo(z)).hour < 21 for z in zones_of(to))
        assert ("is ready" in body) == (at > revised_at), body
    assert {"is ready" in body for *_, body in sent} == {True, False}
    assert ledger("tonight").adds_up

    # Receipts come, and somebody replies STOP.
    ids = [
        key.rpartition(b":")[2].decode() for key in cast("Any", world.store).keys("*:m:tonight.*")
    ]
    for n, id in enumerate(sorted(ids)):
        status = "delivery_failed" if n % FAILS == 0 else "delivered"
        provider_id = world.bench.record(id)["provider_id"]
        assert tell(world.bench, id, status, provider_id=provider_id) == "applied"
    gone = world.bench.record(sorted(ids)[1])["to"]
    assert invoked(["optout", "add", gone], env=environment).exit_code == 0

    assert "delivered" in run("report").stdout
    run("export")
    with Path("tonight.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(sent)
    failed = [line for line in lines if line["delivery"] == "failed"]
    assert len(failed) == -(-len(ids) // FAILS)
    assert all(line["First Name"] or line["Customer"] for line in lines)

    run("start")
    assert ledger("next-week").imported == len(ids) - len(failed) - 1
    assert "next-week" in run("list").stdout
    assert not pending
