"""What is remembered of numbers' carriers: where, how small, for how long, and how many."""

from collections import defaultdict
from hashlib import sha1
from typing import Any

import pytest
import redis

from support.carried import Carried, bill_of, carrier_of
from support.messages import HASH_KEY

SHARDS = 4096
DAY_MS = 86_400_000.0
CODES = {"other": 0, "att": 1, "t_mobile": 2}


def place(to: str) -> tuple[int, int]:
    digits = sha1(HASH_KEY + to.encode(), usedforsecurity=False).hexdigest()
    return int(digits[:8], 16) % SHARDS, int(digits[8:16], 16) - 2**31


def value(to: str, now_ms: float) -> int:
    return 3 * (int(now_ms // DAY_MS) % 2700) + CODES[carrier_of(to)] - 4096


def number(n: int) -> str:
    return f"+1555{n:07d}"


def sent(made: Carried, n: int, id: str) -> str:
    """Send one message to number ``n``; returns what it was charged for."""
    made.enqueue(n, id=id)
    [grant] = made.bench.claim_all(1)
    made.bench.later(max(0.0, grant.slot_ms))
    lease = made.bench.store.hget(made.bench.keys("leases"), grant.id).decode()
    made.bench.start(grant)
    made.bench.settle(
        grant, "accepted", provider_id=f"p-{id}", heard=True, bill=bill_of(number(n))
    )
    return str(lease.split("|")[2][-1])


def test_a_number_s_carrier_stands_under_a_keyed_hash_and_grows_old(valkey: redis.Redis) -> None:
    made = Carried(valkey, repeat=True, carrier_days=10)
    letter = {"t_mobile": "t", "att": "a", "other": "o"}
    for n in range(1, 6):
        assert sent(made, n, f"first{n}") == "u"
        shard, field = place(number(n))
        stored = made.bench.store.hget(made.bench.keys(f"carriers:{SHARDS}:{shard}"), str(field))
        assert int(stored) == value(number(n), made.bench.now_ms)
        assert sent(made, n, f"second{n}") == letter[carrier_of(number(n))]
    made.bench.later(10 * DAY_MS)
    assert sent(made, 1, "later") == letter[carrier_of(number(1))]
    made.bench.later(11 * DAY_MS)
    assert sent(made, 1, "too-late") == "u"
    names = [key.decode() for key in valkey.scan_iter("*carriers:*")]
    assert not any(number(n) in name for n in range(1, 6) for name in names)


def test_the_oldest_make_room(valkey: redis.Redis) -> None:
    made = Carried(valkey, carrier_numbers=SHARDS)  # one in each hash
    shards = defaultdict(list)
    for n in range(1, 20_000):
        shards[place(number(n))[0]].append(n)
    old, new = next(those[:2] for those in shards.values() if len(those) > 1)
    assert sent(made, old, "old") == "u"
    made.bench.later(DAY_MS)
    assert sent(made, new, "new") == "u"
    assert sent(made, new, "new-again") != "u"
    assert sent(made, old, "old-again") == "u"


def test_nothing_is_remembered_where_no_level_asks_or_none_is_wanted(valkey: redis.Redis) -> None:
    made = Carried(valkey, carrier_numbers=0)
    assert [sent(made, 1, f"m{n}") for n in range(2)] == ["u", "u"]
    assert not list(valkey.scan_iter("*carriers:*"))


@pytest.mark.parametrize("many", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_a_known_number_takes_at_most_16_bytes(valkey: redis.Redis, many: int) -> None:
    shards: dict[int, dict[Any, Any]] = defaultdict(dict)
    for n in range(many):
        digest = sha1(HASH_KEY + number(n).encode(), usedforsecurity=False).digest()
        shard = int.from_bytes(digest[:4]) % SHARDS
        shards[shard][int.from_bytes(digest[4:8]) - 2**31] = 3 * (20_000 % 2700) + n % 3 - 4096
    pipeline = valkey.pipeline(transaction=False)
    for shard, fields in shards.items():
        pipeline.hset(f"sluicegate:{{default}}:carriers:{SHARDS}:{shard}", mapping=fields)
    pipeline.execute()
    for shard in shards:
        pipeline.memory_usage(f"sluicegate:{{default}}:carriers:{SHARDS}:{shard}", samples=0)
    taken = sum(pipeline.execute()) / many
    assert taken <= 16, taken
