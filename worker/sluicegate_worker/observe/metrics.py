"""What a worker process counts for Prometheus: plain numbers, made into metrics when scraped.

Drains and the sweep count on the engine's thread, and the exporter's thread copies the numbers. No
label is looked up and nothing is locked while a message is under way. What Redis knows of an
account is not exported here, since every worker would repeat it; ``sluicegate serve`` exports it.
"""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from sluicegate.errors import InvalidConfig, OutboxError, OutboxFull

from ..provider.codes import CODES, OWN
from ..wire import Claimed, Settle, Swept

POST_SECONDS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
CALL_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1, 0.5, 1.0, 5.0)
BATCH_MESSAGES: Final = (1, 2, 5, 10, 20, 50)

PORTS: Final = 50
"""How many ports are tried, starting with the configured one: one for each worker of a host."""

_ENDED: Final = {"its time was up": "time", "another drain runs here": "busy"}
_PREFIX: Final = "sluicegate_worker_"


class Spread:
    """How often values fell between each pair of bounds, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.sum = bounds, 0.0
        self.counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Prometheus's buckets: each upper bound, and how many values were at most that."""
        upto = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        return list(zip(upto, accumulate(self.counts.copy()), strict=True))


class Meters:
    """One account's numbers in this process; the engine's thread counts them.

    ``in_flight`` is how many POSTs are under way.
    """

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.post_seconds = Spread(POST_SECONDS)
        self.in_flight = 0
        self.call_seconds = {"step": Spread(CALL_SECONDS), "sweep": Spread(CALL_SECONDS)}
        self.call_errors: Counter[tuple[str, str]] = Counter()
        self.claims: Counter[str] = Counter()
        self.granted = 0
        self.starts_lost: Counter[str] = Counter()
        self.settled = Spread(BATCH_MESSAGES)
        self.drains: Counter[str] = Counter()
        self.sweeps: Counter[str] = Counter()

    def note_attempt(self, settle: Settle) -> None:
        """A POST ended, or was never begun because its time was over."""
        if settle.kind == "unused":
            self.starts_lost["late"] += 1
            return
        self.attempts[outcome_of(settle), code_class(settle.code)] += 1
        if settle.took_ms > 0:
            self.post_seconds.add(settle.took_ms / 1000)

    def note_refused_starts(self, count: int) -> None:
        """Redis refused these starts: something had changed since the claim."""
        self.starts_lost["refused"] += count

    def note_call(self, call: str, seconds: float) -> None:
        """Redis answered a ``step`` or a ``sweep``."""
        self.call_seconds[call].add(seconds)

    def note_failed_call(self, call: str, error: OutboxError) -> None:
        """Redis did not answer a ``step`` or a ``sweep``, or was full."""
        self.call_errors[call, "full" if isinstance(error, OutboxFull) else "away"] += 1

    def note_step(self, settles: int, claimed: Claimed | None) -> None:
        """A step settled this many outcomes and, unless ``claimed`` is None, claimed messages."""
        if settles:
            self.settled.add(settles)
        if claimed is not None:
            self.claims["granted" if claimed.grants else claimed.why] += 1
            self.granted += len(claimed.grants)

    def note_sweep(self, swept: Swept) -> None:
        """A sweep repaired this much."""
        for action in ("given_back", "in_doubt", "resent", "held", "dropped"):
            self.sweeps[action] += getattr(swept, action)

    def note_drain(self, ended: str) -> None:
        """A drain ended, for this reason."""
        self.drains[_ENDED.get(ended, ended)] += 1


def outcome_of(settle: Settle) -> str:
    """An attempt's outcome in a word; if its message went back uncharged, the cause of that."""
    if settle.kind != "back":
        return settle.kind
    if settle.halt:
        return "halt"
    return "queue_full" if settle.queue_full else "throttled"


def code_class(code: str) -> str:
    """A code as a label: known codes as they are, others by their first digit."""
    if not code or code in CODES or code in OWN:
        return code
    if not code.isascii() or not code.isdigit() or len(code) > 5:
        return "other"
    return code if len(code) == 3 else code[0] + "x" * (len(code) - 1)


class WorkerMetrics(Collector):
    """Every account's meters of this process as metrics; read from any thread."""

    def __init__(self, meters: Mapping[str, Meters]) -> None:
        self._meters = meters

    def collect(self) -> Iterator[Metric]:
        yield from self._attempts()
        yield from self._work()
        yield from self._redis()

    def _attempts(self) -> Iterator[Metric]:
        ended = _counter("attempts", "POSTs that came to an end.", "outcome", "code")
        took = _histogram("post_seconds", "How long POSTs took, from the call to the outcome.")
        now = GaugeMetricFamily(
            f"{_PREFIX}posts_in_flight", "POSTs under way.", labels=["account"]
        )
        lost = _counter("starts_lost", "Starts that led to no POST.", "why")
        for account, meters in self._meters.items():
            _add(ended, account, meters.attempts)
            _spread(took, [account], meters.post_seconds)
            now.add_metric([account], meters.in_flight)
            _add(lost, account, meters.starts_lost)
        yield from (ended, took, now, lost)

    def _work(self) -> Iterator[Metric]:
        drains = _counter("drains", "Drains that ended, by why.", "ended")
        claims = _counter("claims", "Queue, by their answer.", "why")
        granted = _counter("granted_messages", "Messages that claims brought.")
        sweeps = _counter("sweep_actions", "What sweeps of this process repaired.", "action")
        for account, meters in self._meters.items():
            _add(drains, account, meters.drains)
            _add(claims, account, meters.claims)
            granted.add_metric([account], meters.granted)
            _add(sweeps, account, meters.sweeps)
        yield from (drains, claims, granted, sweeps)

    def _redis(self) -> Iterator[Metric]:
        took = _histogram("redis_call_seconds", "From a call on Redis to its answer.", "call")
        failed = _counter("redis_errors", "Calls without an answer.", "call", "kind")
        settled = _histogram("settle_batch_messages", "Outcomes that one call settled.")
        for account, meters in self._meters.items():
            for call, seconds in meters.call_seconds.items():
                _spread(took, [account, call], seconds)
            _add(failed, account, meters.call_errors)
            _spread(settled, [account], meters.settled)
        yield from (took, failed, settled)


class Exporter:
    """Serves the metrics over HTTP at ``host`` and ``port`` until it is closed."""

    def __init__(self, meters: Mapping[str, Meters], host: str, port: int) -> None:
        registry = CollectorRegistry()
        registry.register(WorkerMetrics(meters))
        ProcessCollector(registry=registry)
        self._server, self._thread = start_http_server(port, host, registry)
        self.host, self.port = host, int(self._server.server_port)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def export(meters: Mapping[str, Meters], host: str, port: int) -> Exporter:
    """Serve at the first free port from ``port`` on, or at any free port if that is 0.

    Each worker process has a port of its own. Raises OSError if ``PORTS`` ports are taken, or if
    ``host`` is no address of this machine.
    """
    for candidate in range(port, min(port + PORTS, 65_536)):
        try:
            return Exporter(meters, host, candidate)
        except OSError as error:
            last = error
    raise last


def listen_at(environ: Mapping[str, str] = os.environ) -> tuple[str, int] | None:
    """Host and port from SLUICEGATE_METRICS_HOST and _PORT; None if no port is set.

    Raises InvalidConfig if the port is not a port number.
    """
    text = environ.get("SLUICEGATE_METRICS_PORT", "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) > 65_535:
        raise InvalidConfig("SLUICEGATE_METRICS_PORT", "must be a port, 0 for any that is free")
    return environ.get("SLUICEGATE_METRICS_HOST", "").strip() or "127.0.0.1", int(text)


def _counter(name: str, help: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, help, labels=["account", *labels])


def _histogram(name: str, help: str, *labels: str) -> HistogramMetricFamily:
    return HistogramMetricFamily(_PREFIX + name, help, labels=["account", *labels])


def _add(
    family: CounterMetricFamily,
    account: str,
    counts: Mapping[str, int] | Mapping[tuple[str, str], int],
) -> None:
    for labels, count in dict(counts).items():
        names = (labels,) if isinstance(labels, str) else labels
        family.add_metric([account, *names], count)


def _spread(family: HistogramMetricFamily, labels: Sequence[str], spread: Spread) -> None:
    family.add_metric(labels, spread.buckets(), spread.sum)
