"""Standstills, each made on one account's scripts: what a person, Redis or the provider stops."""

import time
from collections.abc import Callable

from sluicegate.config import Brand, Registration, Sender
from sluicegate_ops.web.heartbeat import HEARTBEAT
from sluicegate_worker.queue import SWEEP

from .bench import Bench
from .command_line import SENDER
from .messages import message, plan, recipient


def sweep(bench: Bench, deaf: str = "") -> None:
    bench.call(SWEEP, bench.queue.sweep_args("w1", bench.token(), deaf))


def waiting(bench: Bench) -> None:
    """A message waits, a worker is heard, and one was sent a moment ago."""
    bench.at(time.time() * 1000 - 1_500)
    bench.enqueue(message(1), message(2))
    bench.send()
    bench.at(time.time() * 1000)
    sweep(bench)


def halted(level: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        waiting(bench)
        bench.halts.set(level, "a test")

    return make


def daily_cap(bench: Bench) -> None:
    registration = Registration(sms_per_minute=600.0, brand="acme")
    bench.publish(
        limits_version=1,
        senders={SENDER: Sender(kind="10dlc", registration="notices")},
        registrations={"notices": registration},
        brands={"acme": Brand(tmobile_daily=1)},
    )
    waiting(bench)
    bench.claim()


def blocked(bench: Bench) -> None:
    waiting(bench)
    bench.send(kind="back", heard=True, throttled=True, wait_ms=600_000)


def campaign(state: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        bench.at(time.time() * 1000)
        july = plan("july")
        bench.campaigns.create(july)
        bench.add("july", *(recipient(july, number) for number in range(3)))
        if state == "paused":
            bench.act("july", "start")
            bench.act("july", "pause")
        sweep(bench)

    return make


def no_worker(bench: Bench) -> None:
    bench.at(time.time() * 1000 - 60_000)
    bench.enqueue(message(1))
    sweep(bench)


def deaf(why: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        stalled(bench, why)

    return make


def stalled(bench: Bench, why: str = "") -> None:
    """Something is ready, the worker sweeps, and for 45 s nobody has claimed."""
    began = time.time() * 1000 - 45_000
    bench.at(began)
    bench.enqueue(message(1))
    for seconds in range(0, 46, 5):
        bench.at(began + seconds * 1000)
        sweep(bench, why)


def full(bench: Bench) -> None:
    waiting(bench)
    used = int(bench.store.info("memory")["used_memory"])
    bench.store.config_set("maxmemory", int(used / 0.97))
    sweep(bench)


def read_only(bench: Bench) -> None:
    waiting(bench)
    bench.store.execute_command("REPLICAOF", "127.0.0.1", "1")


def provider_away(bench: Bench) -> None:
    bench.at(time.time() * 1000 - 3_000)
    bench.answers_probes = False
    bench.enqueue(*(message(number) for number in range(8)))
    sweep(bench)
    for _ in range(5):
        bench.send(kind="retry", delay_ms=60_000, failing=True)
    bench.at(time.time() * 1000)
    sweep(bench)


def serve_away(bench: Bench) -> None:
    """A message that asked for a receipt was accepted; `serve` was last heard five minutes ago."""
    bench.at(time.time() * 1000 - 300_000)
    bench.call(HEARTBEAT, ["web:1", 3_600_000])
    waiting(bench)
