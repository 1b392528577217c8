"""Who is served next: shares by weight, no arrears and no advantage, nobody in another's way."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import redis

from sluicegate.config.senders import Registration, Sender
from support.bench import Bench, Sent
from support.messages import message, plan, recipient

FIRST, SECOND, THIRD = (f"+1555000000{n}" for n in range(1, 4))
PICTURE = ("https://example.com/a.png",)


def bench(store: redis.Redis, *, repeat: bool = False, **fields: Any) -> Bench:
    """A bench past its cold start."""
    made = Bench(store, repeat=repeat, **({"limit": 1000, "concurrency": 1000} | fields))
    made.enqueue(message(0, id="warm", sender=THIRD))
    made.send()
    return made


def campaign(
    bench: Bench, name: str, people: int, sender: str = FIRST, weight: float = 1, **pace: Any
) -> None:
    """Start a campaign with so many recipients."""
    of = plan(name, text="Hi", sender=sender)
    bench.campaigns.create(of)
    list(bench.campaigns.add(name, [recipient(of, n) for n in range(people)]))
    bench.campaigns.pace(name, weight=weight, **pace)
    bench.act(name, "start")


def backlog(bench: Bench, name: str, people: int, sender: str = FIRST, **fields: Any) -> None:
    """Enqueue so many messages; the first part of their ids is the name."""
    fields = {"priority": "bulk"} | fields
    bench.enqueue(
        *[message(n, id=f"{name}-{n}", sender=sender, **fields) for n in range(1, people + 1)]
    )


def by_name(sent: Sequence[Sent]) -> Counter[str]:
    return Counter(one.id.replace(".", "-").partition("-")[0] for one in sent)


# Shares.


@pytest.mark.parametrize(("limit", "want"), [(1000, 50), (100, 3), (1000, 1)])
@pytest.mark.parametrize("senders", [(FIRST, FIRST, FIRST), (FIRST, SECOND, THIRD)])
def test_campaigns_share_by_their_weights(
    valkey: redis.Redis, senders: Sequence[str], limit: int, want: int
) -> None:
    made = bench(valkey, limit=limit)
    for name, sender, weight in zip("abc", senders, (1, 1, 2), strict=True):
        campaign(made, name, 120 * weight, sender, weight)
    shares = by_name(made.drain(60_000, want=want, most=400))
    assert shares == pytest.approx({"a": 100, "b": 100, "c": 200}, abs=10)
    made.check()


@pytest.mark.long
@pytest.mark.parametrize("weight", [0.01, 0.5, 2, 7, 100])
def test_shares_are_exact_in_the_long_run(valkey: redis.Redis, weight: float) -> None:
    made = bench(valkey)
    campaign(made, "a", 2000)
    campaign(made, "b", 2000, SECOND, weight)
    shares = by_name(made.drain(60_000, most=2000))
    assert shares["b"] / 2000 == pytest.approx(weight / (1 + weight), abs=0.01)


def test_a_weight_changed_live_holds_from_then_on(store: redis.Redis) -> None:
    made = bench(store, limit=100)
    campaign(made, "a", 200)
    campaign(made, "b", 200)
    assert by_name(made.drain(60_000, most=60)) == pytest.approx({"a": 30, "b": 30}, abs=5)
    made.campaigns.pace("b", weight=3)
    assert by_name(made.drain(60_000, most=80)) == pytest.approx({"a": 20, "b": 60}, abs=5)


def test_a_weight_holds_also_on_a_slow_sender_beside_a_fast_one(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=200, senders=declared(20, 0))
    for name, weight in (("a", 1), ("b", 1), ("c", 2)):
        campaign(made, name, 30, FIRST, weight)
    backlog(made, "fast", 450, SECOND)
    shares = by_name(made.drain(2000))
    assert shares["fast"] >= 340
    assert shares["c"] / (shares["a"] + shares["b"]) == pytest.approx(1, rel=0.2)


def test_a_short_campaign_beside_a_long_one_gets_half_until_it_is_done(
    valkey: redis.Redis,
) -> None:
    made = bench(valkey, limit=100)
    campaign(made, "long", 400)
    made.drain(60_000, most=100)
    campaign(made, "short", 60)
    sent = made.drain(60_000, most=120)
    assert by_name(sent) == pytest.approx({"long": 60, "short": 60}, abs=6)
    made.drain(60_000, most=20)
    assert by_name(made.drain(60_000, most=50)) == {"long": 50}


@pytest.mark.parametrize(("size", "want"), [(1, 3), (9, 50), (15, 50)])
def test_a_lane_fed_little_by_little_gets_no_more_than_its_share(
    valkey: redis.Redis, size: int, want: int
) -> None:
    made = bench(valkey, limit=200)
    backlog(made, "full", 150)
    shares: Counter[str] = Counter()
    fed = 0
    while shares.total() < 150:
        if not made.lane(f"bs:{SECOND}"):
            backlog(made, f"fed{fed}", size, SECOND)
            fed += 1
        sent = made.drain(60_000, want=want, most=min(want, 10))
        shares.update(one.id[:3] for one in sent)
    assert shares["fed"] <= shares.total() / 2 + 10


# Arrears and advantages: who was not there has neither.


@pytest.mark.parametrize("cause", ["new", "paused", "halted", "rate"])
def test_a_lane_that_was_away_has_no_arrears(valkey: redis.Redis, cause: str) -> None:
    made = bench(valkey, limit=100)
    campaign(made, "a", 300)
    if cause != "new":
        campaign(made, "b", 200, SECOND)
        made.drain(60_000, most=20)
    if cause == "paused":
        made.act("b", "pause")
    elif cause == "halted":
        made.halts.set("campaign:b", "by a person")
    elif cause == "rate":
        made.campaigns.pace("b", per_second=0.001)
        made.drain(100)
    assert set(by_name(made.drain(60_000, most=100))) == {"a"}
    if cause == "new":
        campaign(made, "b", 200, SECOND)
    elif cause == "paused":
        made.act("b", "resume")
    elif cause == "halted":
        assert made.halts.clear("campaign:b")
    else:
        made.campaigns.pace("b")
    assert by_name(made.drain(60_000, most=60)) == pytest.approx({"a": 30, "b": 30}, abs=6)


def declared(*per_second: float, **fields: Any) -> dict[str, Sender]:
    """FIRST, SECOND and THIRD with these rates; those beyond have none."""
    rates = [*per_second, 0.0, 0.0, 0.0]
    return {
        sender: Sender(kind="toll_free", per_second=rates[n], **fields)
        for n, sender in enumerate((FIRST, SECOND, THIRD))
    }


def test_who_is_parked_again_and_again_gets_no_more_than_its_share(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=50, senders=declared(40))
    backlog(made, "slow", 100, FIRST)
    for name in ("a", "b", "c"):
        campaign(made, name, 80, SECOND)
    assert by_name(made.drain(4000))["slow"] == pytest.approx(50, abs=8)


def test_a_campaign_s_own_rate_gives_it_no_more_than_its_share(store: redis.Redis) -> None:
    made = bench(store)
    campaign(made, "slow", 100, weight=0.1, per_second=100)
    for name in ("a", "b", "c"):
        campaign(made, name, 120)
    assert by_name(made.drain(300))["slow"] <= 20


# Priorities and types.


def test_of_one_priority_sms_and_mms_share(store: redis.Redis) -> None:
    made = bench(store, limit=100)
    backlog(made, "sms", 100)
    backlog(made, "mms", 100, media_urls=PICTURE)
    assert by_name(made.drain(60_000, most=80)) == pytest.approx({"sms": 40, "mms": 40}, abs=5)


@pytest.mark.parametrize("urgent", [(), PICTURE])
@pytest.mark.parametrize("bulk", [(), PICTURE])
def test_transactional_goes_first_and_bulk_gets_one_in_ten_of_either_type(
    valkey: redis.Redis, urgent: Sequence[str], bulk: Sequence[str]
) -> None:
    made = bench(valkey, repeat=True, limit=100)
    backlog(made, "bulk", 30, SECOND, media_urls=bulk)
    backlog(made, "urgent", 70, FIRST, media_urls=urgent, priority="transactional")
    order = [one.id.startswith("bulk") for one in made.drain(60_000, most=60)]
    assert not order[0]
    assert all(order[n : n + 10].count(True) == 1 for n in range(50))


def test_bulk_goes_on_where_transactional_is_held_back_by_its_sender(store: redis.Redis) -> None:
    made = bench(store, limit=100, senders=declared(1))
    backlog(made, "urgent", 20, FIRST, priority="transactional")
    backlog(made, "bulk", 300, SECOND)
    shares = by_name(made.drain(2000))
    assert shares["bulk"] >= 0.95 * 2 * 98
    assert shares["urgent"] in (2, 3)


def test_what_waits_for_its_own_sender_s_rate_is_transactional_first(store: redis.Redis) -> None:
    made = bench(store, repeat=True, senders=declared(10))
    backlog(made, "bulk", 30, FIRST)
    made.drain(500)
    backlog(made, "urgent", 8, FIRST, priority="transactional")
    assert by_name(made.drain(60_000, most=8))["urgent"] >= 7


# Nobody in another's way.


def test_a_registration_s_senders_are_parked_as_one(valkey: redis.Redis) -> None:
    many = [f"+1555{n:07d}" for n in range(1000, 1300)]
    senders = {name: Sender(kind="10dlc", registration="notices") for name in many}
    made = bench(
        valkey,
        limit=100,
        senders=senders | declared(0, 0, 0),
        registrations={"notices": Registration(sms_per_minute=60)},
    )
    made.enqueue(*[message(n, sender=name, priority="bulk") for n, name in enumerate(many)])
    made.drain(200)
    assert made.store.zcard(made.keys("parked:b")) == 1
    backlog(made, "other", 40, SECOND)
    calls, granted = 0, 0
    while granted < 20:
        claimed = made.claim(3)
        calls += 1
        granted += len(claimed.grants)
        assert claimed.why in ("", "rate")
        made.later(claimed.wait_ms or 30)
    assert calls <= 22
    made.check()


def test_a_sender_s_many_campaigns_are_parked_as_one(valkey: redis.Redis) -> None:
    made = bench(valkey, senders=declared(1))
    for n in range(40):
        campaign(made, f"c{n}", 2)
    backlog(made, "other", 300, SECOND)
    shares = by_name(made.drain(250))
    assert made.store.zcard(made.keys("parked:b")) == 1
    assert shares["other"] >= 240


def test_every_sender_of_a_shared_registration_gets_its_turn(store: redis.Redis) -> None:
    senders = {
        name: Sender(kind="10dlc", registration="notices") for name in (FIRST, SECOND, THIRD)
    }
    registrations = {"notices": Registration(sms_per_minute=600)}
    made = bench(store, senders=senders, registrations=registrations)
    for name, sender in zip("abc", senders, strict=True):
        backlog(made, name, 40, sender)
    assert by_name(made.drain(6000)) == pytest.approx({"a": 20, "b": 20, "c": 20}, abs=1)


def test_a_lane_without_a_message_to_send_is_gone_after_a_look(store: redis.Redis) -> None:
    made = bench(store, repeat=True, senders=declared(10))
    campaign(made, "a", 5)
    backlog(made, "b", 5, SECOND)
    assert len(made.drain(3000)) == 10
    assert made.claim().why == "idle"
    assert not made.store.keys(made.keys("ready:*"))
    assert not made.sweep().work
