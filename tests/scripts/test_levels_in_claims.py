"""What each level allows and gives back: rates, a brand's cap, halts, published limits."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis

from sluicegate.config.senders import Brand, Registration, Sender
from sluicegate_worker.wire import Grant
from support.bench import Bench, Sent
from support.messages import message, plan, recipient

ONE, TWO, OTHER = "+15550000001", "+15550000002", "+15550000003"
PICTURE = ("https://example.com/a.png",)
LONG = "x" * 400  # three segments
SLACK_MS = 50.0
HEARD = {"heard": True}
PACIFIC = ZoneInfo("America/Los_Angeles")


def toll_free(per_second: float) -> Sender:
    return Sender(kind="toll_free", per_second=per_second)


def registered(per_second: float = 0.0) -> Sender:
    return Sender(kind="10dlc", registration="notices", per_second=per_second)


FREE = {OTHER: toll_free(0)}


def bench(store: redis.Redis, *, repeat: bool = True, **fields: Any) -> Bench:
    """A bench past its cold start; its senders are those given, and OTHER without a rate."""
    senders = FREE | fields.pop("senders", {})
    fields = {"limit": 1000, "concurrency": 1000, "senders": senders} | fields
    made = Bench(store, repeat=repeat, **fields)
    made.enqueue(message(0, id="warm", sender=OTHER))
    made.send()
    made.later(1000)
    return made


def branded(store: redis.Redis, cap: int, share: float = 1.0, **fields: Any) -> Bench:
    """A bench with a brand of that cap, one registration without a rate, and its sender ONE."""
    return bench(
        store,
        senders={ONE: registered()},
        registrations={"notices": Registration(sms_per_minute=0, brand="acme")},
        brands={"acme": Brand(tmobile_daily=cap, tmobile_share=share)},
        **fields,
    )


def backlog(bench: Bench, name: str, people: int, sender: str = ONE, **fields: Any) -> None:
    bench.enqueue(
        *[message(n, id=f"{name}-{n}", sender=sender, **fields) for n in range(1, people + 1)]
    )


def campaign(bench: Bench, name: str, people: int, sender: str = OTHER, **pace: Any) -> None:
    of = plan(name, text="Hi", sender=sender)
    bench.campaigns.create(of)
    list(bench.campaigns.add(name, [recipient(of, n) for n in range(people)]))
    bench.campaigns.pace(name, **pace)
    bench.act(name, "start")


def named(sent: Sequence[Sent], name: str) -> list[Sent]:
    return [one for one in sent if one.id.replace(".", "-").startswith(f"{name}-")]


def assert_paced(sent: Sequence[Sent], per_second: float, segments: int = 1) -> None:
    """In no stretch more than its rate allows, beyond one message and the slack.

    Wall milliseconds are exact to a quarter of a microsecond as floats, and two are subtracted.
    """
    times = [one.at_ms for one in sent]
    for first, last in itertools.combinations(range(len(times)), 2):
        lasted_ms = times[last] - times[first] + 0.0005
        allowed = (lasted_ms + SLACK_MS) * per_second / 1000 + segments
        assert (last - first + 1) * segments <= allowed + 1e-6, (times[first], times[last])


def granted(bench: Bench, ms: float = 200) -> Grant:
    """The one message that may be sent now."""
    [grant] = bench.claim_all(1, within_ms=ms)
    bench.later(max(0.0, grant.slot_ms))
    return grant


def begun(bench: Bench) -> Grant:
    grant = granted(bench)
    assert bench.start(grant) == [True]
    return grant


# Rates.


@pytest.mark.parametrize(
    ("per_second", "text", "segments"),
    [(0.1, "hi", 1), (3, "hi", 1), (40, "hi", 1), (30, LONG, 3)],
)
def test_a_sender_goes_at_its_rate_exactly_and_slows_nobody(
    valkey: redis.Redis, per_second: float, text: str, segments: int
) -> None:
    made = bench(valkey, repeat=False, limit=100, senders={ONE: toll_free(per_second)})
    ms = min(40_000.0, 20_000 * segments / per_second)
    backlog(made, "one", 40, text=text)
    backlog(made, "other", 300, OTHER)
    sent = made.drain(ms, want=50, most=300)
    lasted = made.now_ms - sent[0].at_ms
    assert_paced(named(sent, "one"), per_second, segments)
    due = lasted / 1000 * per_second / segments
    assert len(named(sent, "one")) >= min(40, 0.99 * due - 1)
    assert len(sent) >= 0.97 * min(300, lasted / 10), "the account's slots were used"
    made.check()


@pytest.mark.parametrize("per_second", [2, 20, 70])
def test_a_rate_that_binds_is_used_to_99_percent(valkey: redis.Redis, per_second: float) -> None:
    made = bench(valkey, repeat=False, senders={ONE: toll_free(per_second)})
    backlog(made, "one", 110)
    sent = made.drain(100_000 / per_second, most=100)
    assert_paced(sent, per_second)
    seconds = (sent[-1].at_ms - sent[0].at_ms) / 1000
    assert len(sent) - 1 >= 0.99 * per_second * seconds


def test_a_registration_s_rate_is_that_of_its_senders_and_campaigns_together(
    store: redis.Redis,
) -> None:
    made = bench(
        store,
        repeat=False,
        senders={ONE: registered(), TWO: registered()},
        registrations={
            "notices": Registration(sms_per_minute=600),
            "other": Registration(sms_per_minute=0),
        },
    )
    campaign(made, "a", 60, ONE)
    campaign(made, "b", 60, TWO)
    backlog(made, "c", 60, ONE)
    backlog(made, "free", 60, OTHER)
    sent = made.drain(5000)
    shared = [one for one in sent if not one.id.startswith("free")]
    assert_paced(shared, 10)
    assert len(shared) >= 49
    assert named(sent, "free")[-1].at_ms - sent[0].at_ms < 200
    assert len(named(sent, "c")) >= 30, "transactional first"


@pytest.mark.parametrize("held", ["sms", "mms"])
def test_a_type_at_the_account_s_rate_does_not_stop_the_other(
    store: redis.Redis, held: str
) -> None:
    made = bench(store, repeat=False, limit=50, **{f"{held}_per_second": 0.5})
    backlog(made, "sms", 60, OTHER, text=LONG if held == "sms" else "hi")
    backlog(made, "mms", 60, OTHER, media_urls=PICTURE)
    sent = made.drain(1050)
    free = "mms" if held == "sms" else "sms"
    assert len(named(sent, held)) == 1
    assert len(named(sent, free)) >= 46


def test_a_type_at_the_account_s_rate_makes_nobody_wait_for_it(valkey: redis.Redis) -> None:
    """What another level allows sooner is asked for sooner."""
    made = bench(valkey, repeat=False, mms_per_second=0.2, senders={ONE: toll_free(10)})
    backlog(made, "mms", 5, OTHER, media_urls=PICTURE)
    backlog(made, "one", 60, ONE)
    sent = made.drain(5000)
    assert len(named(sent, "one")) >= 49


def test_a_campaign_s_own_rate_holds_and_changes_live(valkey: redis.Redis) -> None:
    made = bench(valkey, repeat=False, limit=100)
    campaign(made, "slow", 100, per_second=5)
    campaign(made, "fast", 100)
    sent = made.drain(2000)
    assert len(named(sent, "fast")) == 100
    assert_paced(named(sent, "slow"), 5)
    assert len(named(sent, "slow")) >= 10
    made.campaigns.pace("slow", per_second=20)
    sent = made.drain(1000)
    assert_paced(sent, 20)
    assert len(sent) >= 20
    made.campaigns.pace("slow")
    assert len(made.drain(1000)) >= 60


# What was not sent costs no rate.


def given_back(bench: Bench, grant: Grant) -> None:
    assert bench.settle(grant, "unused") == "applied"


def cancelled(bench: Bench, grant: Grant) -> None:
    assert bench.cancel(grant.id) == "cancelled"


def opted_out(bench: Bench, grant: Grant) -> None:
    bench.store.hset(bench.keys("optouts"), message(int(grant.id[4:])).to, "0 test")
    assert bench.start(grant) == [False]


def halted(bench: Bench, grant: Grant) -> None:
    bench.halts.set(f"sender:{ONE}", "by a person")
    assert bench.start(grant) == [False]
    bench.halts.clear(f"sender:{ONE}")


@pytest.mark.parametrize("end", [given_back, cancelled, opted_out, halted])
@pytest.mark.parametrize("level", ["sender", "registration"])
def test_a_grant_that_was_not_started_leaves_its_rate_to_the_next(
    valkey: redis.Redis, level: str, end: Callable[[Bench, Grant], None]
) -> None:
    if level == "sender":
        made = bench(valkey, senders={ONE: toll_free(0.1)})
    else:
        registrations = {"notices": Registration(sms_per_minute=6)}
        made = bench(valkey, senders={ONE: registered()}, registrations=registrations)
    backlog(made, "one", 3, text=LONG)
    grant = granted(made)
    assert not made.claim().grants
    end(made, grant)
    begun(made)
    made.later(29_900)
    assert not made.claim().grants
    made.later(60)
    assert made.claim().grants
    made.check()


def test_a_pause_at_the_start_leaves_a_campaign_its_rate(store: redis.Redis) -> None:
    made = bench(store)
    campaign(made, "a", 3, per_second=0.1)
    grant = granted(made)
    made.act("a", "pause")
    assert made.start(grant) == [False]
    made.act("a", "resume")
    made.later(60)
    assert made.claim_all(1, within_ms=100)


def test_a_lease_that_ends_unused_gives_back_only_what_could_still_be_used(
    store: redis.Redis,
) -> None:
    made = bench(store, senders={ONE: toll_free(0.1)})
    backlog(made, "one", 4)
    granted(made)  # by a worker that falls silent
    for _ in range(2):
        made.later(5000)
        made.sweep()
    times = [made.now_ms]
    begun(made)
    made.later(5000)
    assert made.sweep().given_back == 1
    for _ in range(2):
        [grant] = made.claim_all(1, within_ms=20_000)
        times.append(made.now_ms)
        made.start(grant)
    assert [after - before for before, after in itertools.pairwise(times)] == pytest.approx(
        [10_000, 10_000], abs=SLACK_MS + 1
    )


def test_the_rest_of_a_long_message_s_time_is_given_back(store: redis.Redis) -> None:
    made = bench(store, senders={ONE: toll_free(0.1)})
    backlog(made, "one", 2, text=LONG)  # 30 s
    granted(made)
    for _ in range(3):
        made.later(5000)
        made.sweep()
    assert begun(made)


# A brand's cap.


def pacific(bench: Bench, day: str, time: str) -> datetime:
    """Set the clock to a local time of the carrier."""
    at = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=PACIFIC)
    bench.at(at.timestamp() * 1000)
    return at


DAYS = ["2026-03-07", "2026-03-08", "2026-03-09", "2026-10-31", "2026-11-01", "2026-11-02"]


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("time", ["00:10:00", "23:10:00"])
def test_a_brand_s_day_ends_at_the_carrier_s_midnight(
    valkey: redis.Redis, day: str, time: str
) -> None:
    made = branded(valkey, cap=3)
    began = pacific(made, day, time)
    backlog(made, "one", 8)
    assert len(made.drain(500)) == 3
    assert made.claim().why == "idle"
    following = datetime.combine(began.date() + timedelta(days=1), datetime.min.time(), PACIFIC)
    made.at(following.timestamp() * 1000 - 40)
    assert not made.claim(5).grants
    made.later(40)
    assert len(made.claim_all(5, within_ms=200)) == 3
    made.check()


def test_no_day_has_more_than_its_cap_around_midnight(store: redis.Redis) -> None:
    made = branded(store, cap=20, repeat=False)
    pacific(made, "2026-03-08", "23:59:59.900")
    backlog(made, "one", 15)
    sent = made.drain(95)
    backlog(made, "more", 30)
    sent += made.drain(300)
    days = Counter(datetime.fromtimestamp(one.at_ms / 1000, PACIFIC).day for one in sent)
    assert (days[8] <= 20, days[9]) == (True, 20)


def test_a_slot_after_midnight_counts_for_its_own_day_and_is_given_back_to_it(
    store: redis.Redis,
) -> None:
    made = branded(store, cap=2, limit=20)
    pacific(made, "2026-06-01", "23:59:59.990")
    backlog(made, "one", 6)
    made.claim_all(1)
    [late] = made.claim_all(1)  # 50 ms after the first: already of the next day
    made.later(1000)
    assert len(made.drain(500)) == 1
    assert made.settle(late, "unused") == "applied"
    assert len(made.drain(500)) == 1


@pytest.mark.parametrize(
    ("kind", "attempt", "back"),
    [
        ("back", HEARD | {"throttled": True}, True),
        ("retry", HEARD, True),
        ("dead", HEARD, True),
        ("unused", {}, True),
        ("retry", HEARD | {"perhaps": True}, False),
        ("dead", HEARD | {"perhaps": True}, False),
        ("doubt", {}, False),
        ("accepted", HEARD, False),
    ],
)
def test_what_was_surely_not_sent_does_not_count_for_the_cap(
    valkey: redis.Redis, kind: str, attempt: dict[str, bool], back: bool
) -> None:
    made = branded(valkey, cap=3)
    backlog(made, "one", 3, text=LONG)
    grant = begun(made)
    assert not made.claim().grants
    assert made.settle(grant, kind, **attempt, delay_ms=60_000, wait_ms=0) == "applied"
    made.later(100)
    assert bool(made.claim_all(1, within_ms=200)) == back


def test_a_refusal_of_yesterday_s_gives_today_nothing(store: redis.Redis) -> None:
    made = branded(store, cap=3)
    pacific(made, "2026-06-01", "23:59:59")
    backlog(made, "one", 9)
    grant = begun(made)
    made.later(1000)
    assert len(made.drain(500)) == 3
    made.settle(grant, "dead")
    assert not made.drain(500)


def test_only_the_carrier_s_numbers_count_each_by_its_share(store: redis.Redis) -> None:
    made = branded(store, cap=3, share=0.4)
    for n in range(1, 21):
        to = f"+44770090{n:04d}" if n % 2 else f"+1555{n:07d}"
        made.enqueue(message(n, sender=ONE, to=to))
    sent = made.drain(500)
    mine = [one for one in sent if int(one.id[1:]) % 2 == 0]
    assert len(mine) == 7  # 2.8 of 3
    assert len(sent) == 15
    backlog(made, "other", 3, OTHER)
    assert len(made.drain(100)) == 3


# What the provider says of a sender's queue.


@pytest.mark.parametrize("hold_ms", [0.0, 999.0, 1000.0, 20_000.0, 5_000_000.0])
def test_a_queue_at_the_provider_slows_its_sender_alone(
    valkey: redis.Redis, hold_ms: float
) -> None:
    made = bench(valkey)
    backlog(made, "one", 3, ONE)
    backlog(made, "other", 3, OTHER)
    grant = next(g for g in made.claim_all(6) if g.id.startswith("one"))
    made.sweep()
    made.later(40)
    assert made.start(grant) == [True]
    made.settle(grant, "accepted", provider_id="p", heard=True, hold_ms=hold_ms)
    backlog(made, "late", 1, ONE)
    backlog(made, "free", 1, OTHER)
    held = min(hold_ms, 900_000.0) if hold_ms >= 1000 else 0.0
    ends = made.now_ms + held
    ids = {grant.id for grant in made.claim(2).grants}
    assert ids == ({"free-1"} if held else {"late-1", "free-1"})
    if held:
        made.at(ends - SLACK_MS - 20)
        assert not made.claim().grants
        made.at(ends)
        assert made.claim().grants


def full(bench: Bench, *grants: Grant) -> None:
    for grant in grants:
        bench.start(grant)
        assert (
            bench.settle(grant, "back", heard=True, queue_full=True, code="40318", reason="full")
            == "applied"
        )


def test_a_full_queue_is_left_alone_for_longer_each_time_and_recovers(store: redis.Redis) -> None:
    made = bench(store)
    backlog(made, "one", 5)
    for seconds in (30, 60, 120, 240, 480, 900, 900):
        grants = made.claim_all(3, within_ms=200)
        made.later(max(grant.slot_ms for grant in grants))
        full(made, *grants)  # one burst counts once
        made.later(seconds * 1000 - SLACK_MS - 20)
        assert not made.claim().grants, seconds
        made.later(SLACK_MS + 40)
    made.later(900_000)
    made.settle(begun(made), "accepted", provider_id="p", heard=True)
    made.later(1_000_000)
    full(made, begun(made))
    made.later(30_010)
    assert made.claim_all(1, within_ms=100)
    made.check()


# Halts.

HALTS = [f"sender:{ONE}", "campaign:a", "registration:notices", "brand:acme"]


def with_all_levels(store: redis.Redis) -> Bench:
    made = branded(store, cap=1000)
    campaign(made, "a", 6, ONE)
    backlog(made, "free", 30, OTHER, priority="bulk")
    return made


@pytest.mark.parametrize("level", HALTS)
def test_a_halt_stops_its_level_alone_and_ends_when_it_is_lifted(
    store: redis.Redis, level: str
) -> None:
    made = with_all_levels(store)
    held = [g for g in made.claim_all(20) if g.id.startswith("a.")]
    made.halts.set(level, "by a person")
    assert held
    assert not any(made.start(*held))
    sent = made.drain(200)
    assert len(named(sent, "free")) == 10 + len(held)
    assert not named(sent, "a")
    made.later(7_200_000)
    assert not made.drain(100)
    assert not made.sweep().work
    assert made.halts.clear(level)
    assert made.sweep().work
    assert len(made.drain(200)) == 6
    made.check()


@pytest.mark.parametrize("level", HALTS)
def test_a_halt_ends_at_its_time(valkey: redis.Redis, level: str) -> None:
    made = with_all_levels(valkey)
    made.halts.set(level, "by a person", 600)
    ends = made.now_ms + 600_000
    assert not named(made.drain(200), "a")
    made.at(ends - 60)
    assert not made.claim().grants
    made.at(ends)
    assert made.claim_all(6, within_ms=100)


def test_a_halt_that_replaces_another_may_end_sooner(store: redis.Redis) -> None:
    made = with_all_levels(store)
    made.halts.set("campaign:a", "by a person")
    made.drain(200)
    made.halts.set("campaign:a", "for a minute", 60)
    made.drain(200)
    made.later(60_000)
    assert len(made.drain(100)) == 6


def test_a_provider_s_halt_of_a_sender_ends_at_midnight_utc(store: redis.Redis) -> None:
    made = with_all_levels(store)
    made.halts.set(f"sender:{OTHER}", "out of the way")
    grant = begun(made)
    made.settle(grant, "back", halt="sender", halt_ends="midnight", reason="daily limit")
    assert made.halts.list()[1].level == f"sender:{ONE}"
    assert not made.drain(500)
    day_ms = 86_400_000
    made.at((made.now_ms // day_ms + 1) * day_ms - 60)
    assert not made.claim().grants
    made.later(60)
    assert made.claim_all(1, within_ms=100)


def test_of_two_halts_over_one_lane_lifting_one_is_not_enough(store: redis.Redis) -> None:
    made = with_all_levels(store)
    for level in ("campaign:a", "brand:acme"):
        made.halts.set(level, "by a person")
    made.drain(200)
    for level in ("campaign:a", "brand:acme"):
        assert not made.drain(100)
        made.halts.clear(level)
    assert len(made.drain(100)) == 6


# Published limits.


def in_force(bench: Bench) -> str:
    found: Any = bench.store.hget(bench.keys("limits"), f"sender:{ONE}")
    return str(found.decode())


def test_the_highest_version_holds_and_of_equal_ones_the_last(store: redis.Redis) -> None:
    made = bench(store, limits_version=2, senders={ONE: toll_free(10)})
    for version, per_second, holds in [
        (1, 20, False),
        (2, 50, True),
        (3, 40, True),
        (2, 10, False),
    ]:
        senders = FREE | {ONE: toll_free(per_second)}
        assert made.publish(limits_version=version, senders=senders) == holds
        assert (in_force(made) == f"{1000 / per_second:g}|{1000 / per_second:g}|") == holds


def test_publishing_what_is_in_force_changes_nothing(store: redis.Redis) -> None:
    made = bench(store, senders={ONE: toll_free(1)})
    backlog(made, "one", 3)
    backlog(made, "other", 30, OTHER)
    made.drain(20)
    before = made.dump()
    assert made.publish()
    assert made.dump() == before


def test_two_workers_with_different_files_go_at_one_rate(store: redis.Redis) -> None:
    made = bench(store, repeat=False, senders={ONE: toll_free(10)})
    older = Bench(store, limit=5000, senders=FREE | {ONE: toll_free(1000)})
    assert made.publish(limits_version=1)
    assert not older.publish()
    backlog(made, "one", 60)
    sent = []
    for worker in (made, older) * 4:
        worker.at(max(made.now_ms, older.now_ms))
        sent += worker.drain(250)
    assert_paced(sent, 10)
    assert len(sent) >= 19


@pytest.mark.parametrize("parked", [False, True])
def test_a_sender_moves_to_another_registration_with_what_waits(
    store: redis.Redis, parked: bool
) -> None:
    registrations = {
        "notices": Registration(sms_per_minute=0.06),
        "other": Registration(sms_per_minute=6000),
    }
    made = bench(
        store, senders={ONE: registered(), TWO: registered()}, registrations=registrations
    )
    backlog(made, "one", 4)
    backlog(made, "two", 4, TWO)
    if parked:
        assert len(made.drain(500)) == 1
    moved = Sender(kind="10dlc", registration="other")
    made.publish(senders=FREE | {ONE: moved, TWO: registered()})
    made.check()
    sent = made.drain(500)
    assert len(named(sent, "one")) >= 3
    assert len(named(sent, "two")) <= 1
    made.publish(senders=FREE | {ONE: moved, TWO: moved})
    made.drain(500)
    assert made.check()["waiting"] == 0


def test_a_sender_becomes_undeclared_and_declared_again_with_what_waits(
    store: redis.Redis,
) -> None:
    made = bench(store, senders={ONE: registered()},
                 registrations={"notices": Registration(sms_per_minute=0.06)})  # fmt: skip
    backlog(made, "one", 6)
    made.drain(200)
    made.publish(senders={}, registrations={})
    made.check()
    grants = made.claim_all(2)
    made.publish(senders={ONE: toll_free(1000)})
    assert [made.settle(grant, "unused") for grant in grants] == ["applied"] * 2
    assert len(made.drain(500)) == 5
    made.check()


def test_after_everything_is_lost_claims_say_so_and_go_on_once_limits_are_published(
    store: redis.Redis,
) -> None:
    made = bench(store, senders={ONE: toll_free(10)})
    backlog(made, "lost", 3)
    lost = begun(made)
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    made.later(0)
    backlog(made, "one", 3)
    assert made.claim().why == "unconfigured"
    assert made.settle(lost, "accepted", provider_id="p") == "stale"
    assert made.publish()
    assert len(made.claim_all(1)) == 1
    made.check()
