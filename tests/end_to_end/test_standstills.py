"""Real workers through a full server, a failover, and what people do to them in Flower."""

import time
from typing import Any

import pytest
from celery import Celery

from sluicegate_ops.inspect import Waits
from sluicegate_ops.simulator import Settings
from support.deployment import Account, deployment, eventually

PROVIDER = Settings(limit=None)


def wait_out(account: Account, *, first: int) -> None:
    """All workers live, one more comes up, and what is enqueued then is sent."""
    workers = account.deployment.workers
    assert all(worker.alive for worker in workers)
    account.enqueue(first, first + 5)
    eventually(account.has_accepted(first + 5), 30, account.deployment)
    eventually(
        lambda: len(account.deployment.workers_heard()) == len(workers), 30, account.deployment
    )


def test_workers_wait_out_a_failover_and_a_full_server() -> None:
    with deployment(PROVIDER) as account:
        store = account.store
        account.enqueue(0, 5)
        eventually(account.has_accepted(5), 20, account.deployment)
        store.execute_command("REPLICAOF", "127.0.0.1", "1")
        late = account.deployment.start_worker()
        waits = "the broker takes no writes, waiting"
        eventually(lambda: waits in late.log.read_text(), 30, account.deployment)
        store.execute_command("REPLICAOF", "NO", "ONE")
        wait_out(account, first=5)
        store.config_set("maxmemory", int(store.info("memory")["used_memory"] * 0.9))
        time.sleep(3)
        store.config_set("maxmemory", 0)
        wait_out(account, first=10)
        logs = [worker.log.read_text() for worker in account.deployment.workers]
        assert not any("Unrecoverable" in log for log in logs)
        assert account.books() == {"accepted": 15}


def control(account: Account) -> Any:
    """Celery's remote control, as Flower uses it."""
    app = Celery(broker=account.deployment.config.broker)
    app.conf.broker_transport_options = {"global_keyprefix": "sluicegate-broker:"}
    return app.control


@pytest.mark.long
@pytest.mark.parametrize("act", ["cancel", "limit"])
def test_what_people_do_in_flower_is_named(act: str) -> None:
    with deployment(PROVIDER, drain_seconds=1.0) as account:
        [worker] = account.deployment.workers
        name = f"{worker.name}@sluicegate"
        if act == "cancel":
            control(account).cancel_consumer(f"sluicegate.{name}", destination=[name])
        else:
            control(account).rate_limit("sluicegate.drain", "1/h", destination=[name])
            time.sleep(2)
            account.enqueue(0, 1)  # the one drain of this hour
        time.sleep(8)  # a drain that was under way ends
        account.enqueue(1, 6)

        def deaf() -> str:
            workers = Waits(account.store, account.keys).facts.standstill.deaf
            return workers[0].why if workers else ""

        eventually(lambda: bool(deaf()), 30, account.deployment)
        said = "no longer consumed" if act == "cancel" else "has a rate limit"
        assert said in deaf()
        if act == "cancel":
            control(account).add_consumer(f"sluicegate.{name}", destination=[name])
        else:
            control(account).rate_limit("sluicegate.drain", "0", destination=[name])
        eventually(account.has_accepted(5 + (act == "limit")), 30, account.deployment)
        eventually(lambda: not deaf(), 10, account.deployment)


@pytest.mark.long
def test_a_worker_of_another_queue_sends_all_the_same() -> None:
    """Its own queue is always among those that it consumes."""
    with deployment(PROVIDER, 0) as account:
        account.deployment.start_worker("-Q", "other")
        account.enqueue(0, 5)
        eventually(account.has_accepted(5), 30, account.deployment)
