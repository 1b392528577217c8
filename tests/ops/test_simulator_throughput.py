"""The simulator's message throughput, its spend cap, and its record of arrivals."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate_ops.simulator import Settings
from sluicegate_ops.simulator.throughput import QueueItem, Queues, RateQueue
from support.simulated import Client, Still, simulated

OTHER = "+13125550009"
RATES = st.floats(0.1, 100)
SENDS = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 10)), min_size=1, max_size=60)


@given(RATES, SENDS, st.floats(0, 3))
def test_a_queue_is_first_in_first_out_and_never_faster_than_its_rate_and_burst(
    rate: float, sends: list[tuple[float, int]], burst_seconds: float
) -> None:
    queue, now, leaves = RateQueue(rate), 0.0, list[tuple[float, int]]()
    for gap, segments in sends:
        now += gap
        leaves.append((now + queue.wait_seconds(now, burst_seconds), segments))
        queue.put(segments, now)
    assert leaves == sorted(leaves, key=lambda one: one[0])
    allowed_at_once = max(1.0, burst_seconds * rate)
    for first, (start, _) in enumerate(leaves):
        passed = 0
        for end, segments in leaves[first:]:
            # What leaves last is under way: it is counted once its own segments have gone.
            assert passed <= allowed_at_once + rate * (end - start) + 1e-6
            passed += segments


def test_under_its_rate_a_sender_waits_for_nothing() -> None:
    still = Still(sender_rates={"+13125550001": 2}, burst_seconds=0)
    for _ in range(20):
        assert still.wait() == 0
        still.now += 0.5


def test_over_its_rate_each_message_has_its_place_in_the_queue() -> None:
    still = Still(sender_rates={"+13125550001": 2}, burst_seconds=0)
    assert [still.wait() for _ in range(4)] == [0, 0.5, 1, 1.5]
    assert still.wait(OTHER) == 0
    still.now += 1.25
    assert still.wait() == 0.75


def test_a_second_of_the_rate_passes_at_once_after_a_pause() -> None:
    still = Still(default_sender_rate=10)
    assert [still.wait() for _ in range(12)] == [0] * 10 + [0.1, 0.2]


def test_throughput_is_counted_in_segments_and_an_mms_is_one() -> None:
    still = Still(default_sender_rate=1, burst_seconds=0)
    still.wait(text="x" * 161)
    assert still.wait(media_urls=["https://a.example/1.png"]) == 2
    assert still.wait() == 3


def test_the_longest_wait_of_sender_and_account_is_told() -> None:
    still = Still(default_sender_rate=1, account_sms_rate=2, account_mms_rate=0.5, burst_seconds=0)
    picture = ["https://a.example/1.png"]
    assert [still.wait(f"+1312555000{n}") for n in range(4)] == [0, 0.5, 1, 1.5]
    assert still.wait("+13125550000") == 2
    assert [still.wait(f"+1312555001{n}", media_urls=picture) for n in range(2)] == [0, 2]


def test_a_pool_is_a_sender_by_its_profile() -> None:
    still = Still(sender_rates={"pool": 1}, burst_seconds=0)
    pool: dict[str, Any] = {"from": None, "messaging_profile_id": "pool"}
    assert [still.wait(**pool) for _ in range(3)] == [0, 1, 2]


def test_beyond_a_full_queue_it_is_40318_until_there_is_room() -> None:
    still = Still(default_sender_rate=1, burst_seconds=0, queue_seconds=3, block_status=403)
    assert [still.wait() for _ in range(3)] == [0, 1, 2]
    assert still.code() == (403, "40318")
    assert still.wait(OTHER) == 0
    still.now += 1
    assert still.wait() == 2
    assert still.code() == (403, "40318")


def test_a_message_of_many_segments_passes_an_empty_queue_shorter_than_itself() -> None:
    still = Still(default_sender_rate=0.1, queue_seconds=0)
    assert still.wait(text="x" * 1000) == 0
    assert still.code() == (400, "40318")


def test_a_refusal_takes_no_place_in_any_queue() -> None:
    settings = Settings(sender_rates={"full": 1}, account_sms_rate=1, queue_seconds=2)
    queues = Queues()
    full, other = QueueItem("full", False, 3), QueueItem("other", False, 1)
    assert queues.take(full, 0.0, settings) == 0
    assert queues.take(full, 0.0, settings) is None
    assert queues.take(other, 3.0, settings) == 0


def test_a_changed_rate_keeps_the_segments_that_wait() -> None:
    queue = RateQueue(1)
    queue.put(10, 0.0)
    queue.change(5, 5.0)
    assert queue.wait_seconds(5.0, 0.0) == pytest.approx(1.0)


def test_a_replay_has_the_first_answer_and_no_place_of_its_own() -> None:
    still = Still(default_sender_rate=1, burst_seconds=0)
    still.wait()
    first, again = still.send(key="k"), still.send(key="k")
    assert first.body == again.body
    assert b'"wait_seconds":1.0' in first.body
    assert still.wait() == 2


def test_the_spend_cap_lasts_until_midnight_of_the_simulators_clock() -> None:
    still = Still(spend_cap=2, clock_offset_seconds=-3600)
    still.wait(), still.wait()
    reply = still.send()
    assert (reply.status, b"retry-after" in reply.headers) == (429, False)
    assert still.code() == (429, "40333")
    still.now += 3599
    assert still.code() == (429, "40333")
    still.now += 1
    assert [still.wait(), still.wait()] == [0, 0]
    assert still.code() == (429, "40333")


def test_each_messaging_profile_has_its_own_spend_cap() -> None:
    still = Still(spend_cap=1)
    assert still.wait(messaging_profile_id="one") == 0
    assert still.code(messaging_profile_id="one") == (429, "40333")
    assert still.wait(messaging_profile_id="two") == 0


# -- over HTTP


def page(client: Client, query: str) -> list[int]:
    return [one["number"] for one in client.face(f"arrivals?{query}")]


def test_arrivals_in_order_page_by_page() -> None:
    with simulated(Settings(limit=None, default_sender_rate=1, burst_seconds=0)) as client:
        ids = [client.send(key=f"k{n}").json()["data"]["id"] for n in range(2)]
        client.send("+15555555000")  # refused: not in the record
        client.send(key="k0")  # a replay: not in it either
        client.send("+13125550003", text="x" * 200, **{"from": "+13125550004"})
        first, second, third = client.face("arrivals")
        assert [first["id"], second["id"]] == ids
        assert (first["idempotency_key"], third["idempotency_key"]) == ("k0", "")
        assert (third["from"], third["to"]) == ("+13125550004", "+13125550003")
        assert [one["segments"] for one in (first, second, third)] == [1, 1, 2]
        assert first["wait_seconds"] == 0 < second["wait_seconds"]
        assert first["arrived"] <= second["arrived"] <= third["arrived"]
        assert [page(client, f"after={n}&limit=2") for n in range(4)] == [[0, 1], [1, 2], [2], []]
        assert client.simulator.arrivals(1, 1)[0].id == ids[1]
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            client.face("arrivals?after=-1")


def test_rates_and_caps_change_while_it_runs() -> None:
    with simulated(Settings(limit=None)) as client:
        assert client.send().json()["data"]["wait_seconds"] == 0
        client.face("settings", {"sender_rates": {"+13125550001": 0.1}, "spend_cap": 2})
        waits = [client.send().json()["data"]["wait_seconds"] for _ in range(2)]
        assert waits[0] == 0 < waits[1]
        assert client.send().json()["errors"][0]["code"] == "40333"
        client.face("settings", {"sender_rates": {}, "spend_cap": None})
        assert client.send().json()["data"]["wait_seconds"] == 0


@pytest.mark.parametrize(
    "setting",
    [
        {"sender_rates": {"+13125550001": 0}},
        {"default_sender_rate": -1},
        {"account_sms_rate": 0},
        {"account_mms_rate": 0},
        {"queue_seconds": -1},
        {"burst_seconds": -1},
        {"spend_cap": -1},
    ],
)
def test_senseless_rates_are_refused_by_name(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Settings(**setting)  # type: ignore[arg-type] # any setting, by name
