"""What a worker counts, as Prometheus reads it from the worker's own port."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sluicegate import OutboxFull, OutboxUnavailable
from sluicegate.errors import InvalidConfig
from sluicegate_worker.observe.metrics import (
    Exporter,
    Meters,
    Spread,
    WorkerMetrics,
    code_class,
    export,
    listen_at,
    outcome_of,
)
from sluicegate_worker.provider.codes import CODES, OWN
from sluicegate_worker.wire import Claimed, Grant, Settle, Swept

HOST = "127.0.0.1"


def settle(kind: str = "accepted", **fields: object) -> Settle:
    return Settle(**({"id": "m1", "token": "t", "kind": kind} | fields))  # type: ignore[arg-type] # of the test's own


def grant() -> Grant:
    return Grant("m1", "t", 0, 0, 0, 0, 0, b"{}", b"")


def scraped(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values, in the order of the labels' names."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def collected(meters: Mapping[str, Meters]) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(WorkerMetrics(meters))
    return scraped(generate_latest(registry).decode())


@contextmanager
def served(meters: Mapping[str, Meters], port: int = 0) -> Iterator[Exporter]:
    exporter = export(meters, HOST, port)
    try:
        yield exporter
    finally:
        exporter.close()


def read(exporter: Exporter) -> dict[tuple[str, ...], float]:
    with urlopen(f"http://{HOST}:{exporter.port}/metrics", timeout=5) as answer:
        return scraped(answer.read().decode())


def test_attempts_are_told_apart_by_account_outcome_and_code() -> None:
    meters = {"default": Meters(), "clinic": Meters()}
    for _ in range(2):
        meters["default"].note_attempt(settle(took_ms=40))
    meters["default"].note_attempt(settle("dead", code="40300", took_ms=40))
    meters["clinic"].note_attempt(settle("doubt", code="no_answer", took_ms=30_500))
    found = collected(meters)
    attempts = "sluicegate_worker_attempts_total"
    assert found[attempts, "default", "", "accepted"] == 2
    assert found[attempts, "default", "40300", "dead"] == 1
    assert found[attempts, "clinic", "no_answer", "doubt"] == 1
    buckets = "sluicegate_worker_post_seconds_bucket"
    assert (found[buckets, "default", "0.025"], found[buckets, "default", "0.05"]) == (0, 3)
    assert (found[buckets, "clinic", "30"], found[buckets, "clinic", "+Inf"]) == (0, 1)
    assert found["sluicegate_worker_post_seconds_sum", "clinic"] == 30.5


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (settle(), "accepted"),
        (settle("retry"), "retry"),
        (settle("back", heard=True, throttled=True), "throttled"),
        (settle("back", heard=True, queue_full=True), "queue_full"),
        (settle("back", heard=True, halt="sender"), "halt"),
    ],
)
def test_what_goes_back_is_told_apart_by_its_cause(ended: Settle, outcome: str) -> None:
    assert outcome_of(ended) == outcome


def test_a_start_that_led_to_no_post_is_no_attempt() -> None:
    meters = Meters()
    meters.note_attempt(settle("unused"))
    meters.note_refused_starts(1)
    assert not meters.attempts
    assert meters.starts_lost == {"late": 1, "refused": 1}


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("", ""),
        ("40300", "40300"),
        ("503", "503"),
        ("not_sent", "not_sent"),
        ("49999", "4xxxx"),
        ("+15551234567", "other"),
        ("15551234567", "other"),
        ("a proxy's own words", "other"),
    ],
)
def test_a_code_that_is_not_known_is_not_a_label_of_its_own(code: str, label: str) -> None:
    assert code_class(code) == label


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{1,12}", fullmatch=True))
def test_no_answer_can_make_labels_without_end(code: str) -> None:
    label = code_class(code)
    known = label in CODES or label in OWN
    assert known or re.fullmatch(r"|other|[0-9]{3}|[0-9]x{0,4}", label)


@given(st.lists(st.floats(0, 100, allow_nan=False), max_size=50))
def test_a_spreads_buckets_count_what_is_no_greater_than_their_bound(values: list[float]) -> None:
    spread = Spread((0.5, 1.0, 10.0))
    for value in values:
        spread.add(value)
    bounds = [("0.5", 0.5), ("1", 1.0), ("10", 10.0), ("+Inf", float("inf"))]
    assert spread.buckets() == [(name, sum(v <= at for v in values)) for name, at in bounds]


def test_claims_settles_and_sweeps_are_counted_by_call() -> None:
    meters = Meters()
    meters.note_step(3, Claimed(0, "", [grant(), grant()]))
    meters.note_step(0, Claimed(50, "rate"))
    meters.note_step(1, None)
    meters.note_call("step", 0.003)
    meters.note_failed_call("step", OutboxFull("full"))
    meters.note_failed_call("sweep", OutboxUnavailable("away"))
    meters.note_sweep(Swept(2, 1, 0, 0, 0, True))
    meters.note_drain("its time was up")
    found = collected({"default": meters})
    prefix = "sluicegate_worker_"
    assert found[f"{prefix}claims_total", "default", "granted"] == 1
    assert found[f"{prefix}claims_total", "default", "rate"] == 1
    assert found[f"{prefix}granted_messages_total", "default"] == 2
    assert found[f"{prefix}settle_batch_messages_count", "default"] == 2
    assert found[f"{prefix}settle_batch_messages_sum", "default"] == 4
    assert found[f"{prefix}redis_call_seconds_bucket", "default", "step", "0.005"] == 1
    assert found[f"{prefix}redis_errors_total", "default", "step", "full"] == 1
    assert found[f"{prefix}redis_errors_total", "default", "sweep", "away"] == 1
    assert found[f"{prefix}sweep_actions_total", "default", "given_back"] == 2
    assert found[f"{prefix}drains_total", "default", "time"] == 1


def test_a_scrape_sees_what_was_counted_since_the_last() -> None:
    meters = Meters()
    with served({"default": meters}) as exporter:
        meters.in_flight = 7
        assert read(exporter)["sluicegate_worker_posts_in_flight", "default"] == 7
        meters.in_flight = 0
        assert read(exporter)["sluicegate_worker_posts_in_flight", "default"] == 0


def test_workers_of_one_host_take_one_port_after_the_other() -> None:
    with served({}) as first, served({}, first.port) as second:
        assert second.port > first.port
        assert read(second)


def test_every_metric_is_there_before_anything_happened() -> None:
    families = [family.name for family in WorkerMetrics({}).collect()]
    assert families == [family.name for family in WorkerMetrics({"a": Meters()}).collect()]
    assert all(name.startswith("sluicegate_worker_") for name in families)


@pytest.mark.parametrize(
    ("environ", "at"),
    [
        ({}, None),
        ({"SLUICEGATE_METRICS_PORT": " "}, None),
        ({"SLUICEGATE_METRICS_PORT": "9470"}, ("127.0.0.1", 9470)),
        (
            {"SLUICEGATE_METRICS_PORT": "0", "SLUICEGATE_METRICS_HOST": "0.0.0.0"},  # noqa: S104 - it only reads it
            ("0.0.0.0", 0),  # noqa: S104 - it only reads it
        ),
    ],
)
def test_it_listens_where_the_environment_says_else_on_loopback_only(
    environ: dict[str, str], at: tuple[str, int] | None
) -> None:
    assert listen_at(environ) == at


@pytest.mark.parametrize("port", ["x", "-1", "65536", "94.7"])
def test_what_is_no_port_is_refused_by_its_name(port: str) -> None:
    with pytest.raises(InvalidConfig, match="SLUICEGATE_METRICS_PORT"):
        listen_at({"SLUICEGATE_METRICS_PORT": port})
