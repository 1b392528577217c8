"""What trials in the field found about what nobody can read or find, in numbered order."""

from typing import Any

import pytest
import redis

from support.bench import Bench
from support.command_line import Cli
from support.messages import SENDER, message, plan, recipient

LANE = f"ts:{SENDER}"
POISON = [b"garbage", b"", b"|||", b"m9|x|SMS||+15550000001", b"m9|1|FAX||+1", b"\xff\xfe|1|SMS|"]


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    """Here some tickets are no messages', so scripts are not called twice."""
    return Bench(store, limit=1000)


@pytest.mark.parametrize("text", POISON)
def test_02_an_unreadable_ticket_becomes_a_dead_letter_and_stops_nobody(
    bench: Bench, text: bytes
) -> None:
    bench.enqueue(message(1))
    store: Any = bench.store
    store.lpush(bench.keys.lane(LANE), text)
    bench.enqueue(message(2))
    assert {sent.id for sent in bench.drain(5_000)} == {"m1", "m2"}
    [id] = store.zrange(bench.keys("dead"), 0, -1)
    told = store.hmget(bench.keys.record(id.decode()), "state", "code")
    assert told == [b"dead", b"unreadable"]
    bench.check()


def test_02_a_message_whose_ticket_is_damaged_dies_under_its_own_id(bench: Bench) -> None:
    bench.enqueue(message(1))
    store: Any = bench.store
    store.lset(bench.keys.lane(LANE), 0, b"m1|one|SMS||+15550000001")
    assert bench.drain(2_000) == []
    assert store.zrange(bench.keys("dead"), 0, -1) == [b"m1"]
    bench.check()


@pytest.mark.parametrize("planted", [True, False])
def test_02_a_campaign_goes_on_behind_an_unreadable_ticket(bench: Bench, planted: bool) -> None:
    july, store = plan("july"), bench.store
    bench.campaigns.create(july)
    bench.add("july", *(recipient(july, number) for number in range(3)))
    lane = bench.keys.lane(july.lane)
    if planted:
        store.lpush(lane, b"garbage")
    else:
        store.lset(lane, 0, b"garbage")
    bench.act("july", "start")
    assert len(bench.drain(5_000)) == 2 + planted
    bench.sweep()
    assert bench.campaigns.get("july").state == "finished"
    ledger = bench.campaigns.ledger("july")
    assert ledger.adds_up
    assert ledger.states["dead"] == 1


def test_02_status_and_why_read_past_an_unreadable_ticket(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    store: Any = cli.bench.store
    store.lpush(cli.bench.keys.lane(LANE), b"garbage")
    cli("why")
    cli("lanes")
    cli.bench.drain(3_000)
    assert "1 x unreadable what stood in its lane is no ticket" in cli("status", exits=1).stdout
    [letter] = store.zrange(cli.bench.keys("dead"), 0, -1)
    cli("dead", "list")
    cli("dead", "show", letter.decode())
    cli("dead", "purge", letter.decode(), "--yes")
