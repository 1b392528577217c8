"""What trials in the field found about indexes that were lost, in numbered order."""

from typing import Any

import pytest
import redis

from sluicegate.config import Registration, Sender
from sluicegate_worker.operator.repair import Repair
from support.bench import Bench
from support.clock import CLOCK
from support.command_line import Cli
from support.messages import SENDER, message, plan, recipient

OTHER = "+15550000077"
LOST = [
    *(
        "ready:ts",
        f"ready:ts:s|{OTHER}",
        "ready:ts:r|notices",
        "ready:bs",
        "parked:t",
        "parked_by",
    ),
    *("virtual", "granted", "started", "due", "dead", "doubts"),
    *("running", "closed", "campaigns"),
]


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    """Something stands in each index; scripts are not called twice, since keys are deleted."""
    bench = Bench(
        store,
        limit=1000,
        senders={
            SENDER: Sender(kind="10dlc", registration="notices"),
            OTHER: Sender(kind="toll_free", per_second=0.001),
        },
        registrations={"notices": Registration(sms_per_minute=6000.0)},
    )
    for number, kind in enumerate(("dead", "retry", "doubt")):
        bench.enqueue(message(number))
        bench.send(kind=kind, delay_ms=-1 if kind == "doubt" else 60_000, heard=True)
    bench.enqueue(message(9, send_at=None), *(message(n, sender=OTHER) for n in (10, 11)))
    bench.drain(3_000, most=2)  # the second of the slow sender is parked
    bench.enqueue(*(message(number) for number in range(20, 26)))
    started, _ = bench.claim_all(2)
    bench.later(max(started.slot_ms, 0))
    bench.start(started)
    for name in ("july", "august"):
        bench.campaigns.create(plan(name))
        bench.add(name, *(recipient(plan(name), number) for number in range(3)))
    bench.act("july", "start")
    bench.campaigns.create(plan("draft"))
    bench.sweep()
    return bench


def whole(bench: Bench) -> bool:
    """Whether every index agrees with what it is derived from."""
    bench.check()
    return True


@pytest.mark.parametrize("index", LOST)
def test_02_the_sweep_builds_a_lost_index_again(bench: Bench, index: str) -> None:
    store: Any = bench.store
    assert store.delete(bench.keys(index)) == 1, f"{index} was empty"
    for _ in range(20):
        bench.sweep()
    assert whole(bench)
    assert store.hlen(bench.keys("mended")) > 1


@pytest.mark.parametrize("index", LOST)
def test_02_repair_builds_a_lost_index_again(bench: Bench, index: str) -> None:
    store: Any = bench.store
    store.delete(bench.keys(index))
    repair = Repair(store, bench.keys, 15_000, clock=CLOCK)
    assert repair.run().total() > 0
    assert whole(bench)
    assert repair.run().total() == 0


def test_02_nothing_is_mended_where_nothing_is_lost(bench: Bench) -> None:
    for _ in range(20):
        assert bench.sweep().mended == 0
        bench.drain(500)
    assert not bench.store.exists(bench.keys("mended"))


def test_02_status_names_what_was_lost_until_repair_has_looked(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.sweep()
    store: Any = cli.bench.store
    store.delete(cli.bench.keys("ready:ts"))
    cli.bench.sweep()
    cli.bench.sweep()
    status = cli("status", exits=1).stdout
    assert "Redis lost entries of an index, and they are put back: 1 in ready" in status
    assert "sluicegate repair" in status
    assert cli("repair").stdout == "nothing is lost\n"
    assert "Redis lost" not in cli("status").stdout
    store.delete(cli.bench.keys("ready:ts"))
    assert cli.document("repair")["put_back"] == {"ready": 1}
