"""What trials in the field found about the words of screens, in numbered order."""

import time

import pytest
import redis

from sluicegate_ops.operating.words import lasting
from sluicegate_worker.queue import worker_tag
from support.command_line import Cli
from support.messages import message, plan, recipient
from support.receipts import tell

ANSWER = "HTTP 503 Service Unavailable"


def fail(cli: Cli, count: int, reason: str = ANSWER, first: int = 100) -> None:
    """Let so many attempts of different messages fail, as the provider's own fault."""
    cli.bench.enqueue(*(message(number) for number in range(first, first + count)))
    for _ in range(count):
        asked = {"kind": "retry", "delay_ms": 60_000.0, "failing": True, "heard": True}
        cli.bench.send(code="503", reason=reason, **asked)


def blast(cli: Cli, count: int = 3) -> None:
    july = plan()
    cli.bench.campaigns.create(july)
    cli.bench.add("july", *(recipient(july, n, "Ann", "77") for n in range(count)))
    cli.bench.act("july", "start")


def test_11_the_breaker_says_what_the_provider_answered(cli: Cli) -> None:
    fail(cli, 5)
    for asked in ("status", "why"):
        assert f"5 of 5: {ANSWER}" in " ".join(cli(asked).stdout.split())
    assert cli.document("status")["breaker"]["cause"] == f"5 of 5: {ANSWER}"


def test_11_half_of_many_is_told_as_that_and_numbers_stay_hidden(cli: Cli) -> None:
    for number in range(5):
        cli.bench.enqueue(message(number))
        cli.bench.send()
        fail(cli, 1, "HTTP 500 to +15550000099", first=100 + number)
    cause = cli.document("status")["breaker"]["cause"]
    assert cause.startswith("5 of 10: HTTP 500 to ")
    assert "+15550000099" not in cause + cli("why").stdout + cli("status").stdout


def test_11_silence_is_told_as_that(cli: Cli) -> None:
    cli.bench.enqueue(*(message(number) for number in range(9)))
    cli.bench.send()
    for _ in range(5):
        cli.bench.start(*cli.bench.claim_all(1))
    cli.bench.later(1500)
    cli.bench.step(want=1)
    assert cli.document("status", exits=1)["breaker"]["cause"] == "5 of 5: no answer"


@pytest.mark.parametrize("stop", ["breaker", "no worker", "halt"])
def test_11_there_is_no_expected_end_while_nothing_is_sent(cli: Cli, stop: str) -> None:
    blast(cli)
    cli.bench.send()
    if stop != "no worker":
        cli.bench.sweep()
        cli.bench.store.zadd(cli.bench.keys("workers"), {"w": time.time() * 1000})
        assert cli.document("campaign", "status", "july")["finish"]
    if stop == "breaker":
        fail(cli, 5)
        cli.bench.store.hset(cli.bench.keys("breaker"), "state", "open")
    elif stop == "halt":
        cli("halt", "set", "campaign:july", "--why", "a test", "--yes")
    assert cli.document("campaign", "status", "july")["finish"] is None
    assert "done about" not in cli("why", "campaign", "july").stdout


def test_11_a_length_of_time_is_never_nothing() -> None:
    assert [lasting(seconds) for seconds in (0, 0.4, 1, 59, 60)] == [
        *("less than 1 s", "less than 1 s", "1 s"),
        *("59 s", "1 min"),
    ]


def test_11_causes_of_a_sample_are_not_told_as_those_of_all(cli: Cli) -> None:
    cli.doubt(*range(55))
    shown = " ".join(cli("status", exits=1).stdout.split())
    assert "55 messages in doubt are held for you" in shown
    assert "of the latest 50: 50 x no_answer" in shown


def test_11_a_worker_that_fell_silent_is_not_among_the_living(
    cli: Cli, valkey: redis.Redis
) -> None:
    now_ms = time.time() * 1000
    heard = {"here": now_ms, "gone": now_ms - 60_000}
    valkey.zadd(cli.bench.keys("workers"), heard)
    shown = cli("status").stdout
    [here] = [line for line in shown.splitlines() if "here (" in line]
    [gone] = [line for line in shown.splitlines() if "gone (" in line]
    assert "silent worker" in gone
    assert "silent" not in here
    workers = {one["name"]: one for one in cli.document("status")["workers"]}
    assert (workers["here"]["silent"], workers["gone"]["silent"]) == (False, True)


def test_11_an_attempt_names_its_worker(cli: Cli, valkey: redis.Redis) -> None:
    cli.die(1)
    valkey.hset(cli.bench.keys.record("m1"), "history", f"1,2,3,dead,40300,{worker_tag('wk@1')}")
    valkey.zadd(cli.bench.keys("workers"), {"wk@1": time.time() * 1000})
    for asked in (("message", "show", "m1"), ("dead", "show", "m1")):
        assert "wk@1" in cli(*asked).stdout
    assert f"wk@1 ({worker_tag('wk@1')})" in cli("status", exits=1).stdout


def test_11_content_that_cannot_be_read_is_said_in_its_place(
    cli: Cli, valkey: redis.Redis
) -> None:
    cli.bench.enqueue(message(1))
    valkey.hset(cli.bench.keys.record("m1"), "content", '{"to": 7')
    shown = cli("message", "show", "m1").stdout
    assert "waiting" in shown
    assert "can't be read, 8 bytes of JSON" in shown
    assert cli.document("message", "show", "m1")["unreadable"].startswith("8 bytes of JSON")


def test_11_the_advice_on_a_key_names_its_variable(cli: Cli) -> None:
    cli.bench.halts.set("account", "HTTP 401 10009 Authentication failed")
    cli.bench.enqueue(message(1))
    for asked, exits in ((("status",), 1), (("why",), 0)):
        shown = " ".join(cli(*asked, exits=exits).stdout.split())
        assert "Put a working key in SLUICEGATE_TELNYX_API_KEY, restart" in shown


def test_11_a_doubt_that_a_receipt_has_proved_is_counted_no_more(cli: Cli) -> None:
    cli.doubt(1, 2)
    tell(cli.bench, "m1")
    state = cli.document("status", exits=1)
    assert state["counts"]["in_doubt"] == 1
    assert [one["id"] for one in cli.lines("doubt", "list")] == ["m2"]
