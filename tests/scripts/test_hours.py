"""Hours of campaigns in the scripts: what is refused, until when, and what ends with them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

import pytest
import redis

from sluicegate.audit import Audit
from sluicegate.campaigns.hours import Classes, HoursClass, SendingHours
from sluicegate.errors import WrongCampaignState
from sluicegate.stored import LaneName
from support.bench import Bench
from support.messages import SENDER, SINCE, plan, recipient

DAY_MS = 86_400_000


def at_ms(text: str) -> float:
    """A time in UTC, as wall milliseconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000


def in_hours(store: redis.Redis, windows: str, count: int = 3, **fields: Any) -> Bench:
    """A bench whose campaign has ``count`` recipients in San Francisco, where it is 14:13:20."""
    bench = Bench(store, repeat=True, limit=1000)
    hours = SendingHours(windows=windows, **fields)
    bench.campaign(plan(hours=hours), count)
    return bench


def test_nothing_is_granted_before_the_hours_and_everything_then(store: redis.Redis) -> None:
    bench = in_hours(store, "16:00-18:00")
    claimed = bench.claim(3)
    assert claimed.grants == []
    assert bench.drain(3_000) == []
    bench.at(at_ms("2023-11-14T23:59:59.900"))
    first, *rest = bench.drain(5_000, want=3)
    assert len(rest) == 2
    assert first.at_ms >= at_ms("2023-11-15T00:00")  # 16:00 in San Francisco
    bench.check()


def test_what_is_not_sent_by_the_close_waits_for_the_next_day(store: redis.Redis) -> None:
    bench = in_hours(store, "10:00-14:14")
    assert len(bench.drain(60_000, most=1)) == 1
    bench.at(at_ms("2023-11-14T22:14"))
    assert bench.drain(3_000) == []
    bench.at(at_ms("2023-11-15T17:59"))
    assert bench.drain(3_000) == []
    bench.at(at_ms("2023-11-15T17:59:58"))
    assert len(bench.drain(10_000)) == 2
    bench.check()


def test_a_grant_is_not_started_once_its_hours_are_over(store: redis.Redis) -> None:
    bench = in_hours(store, "10:00-14:14", count=1)
    bench.at(at_ms("2023-11-14T22:13:59.890"))
    [grant] = bench.claim_all(1)
    bench.at(at_ms("2023-11-14T22:13:59.930"))
    assert bench.start(grant) == [False]  # its POST might be written after the close
    assert bench.campaigns.ledger("july").states["waiting"] == 1
    assert bench.record(grant.id) == {}
    bench.at(at_ms("2023-11-15T18:00"))
    assert len(bench.drain(5_000)) == 1
    bench.check()


def test_on_close_what_waits_expires_once_and_is_never_sent(store: redis.Redis) -> None:
    bench = in_hours(store, "10:00-14:14", count=5, on_close="expire")
    assert len(bench.drain(1_000, most=2)) == 2
    assert bench.tend() == 0
    bench.at(at_ms("2023-11-14T22:14"))
    assert bench.tend() == 3
    states = bench.campaigns.ledger("july").states
    assert (states["accepted"], states["expired"], states["waiting"]) == (2, 3, 0)
    bench.sweep()
    assert bench.campaigns.get("july").state == "finished"
    bench.at(at_ms("2023-11-15T18:00"))
    assert bench.drain(3_000) == []
    assert bench.campaigns.recount("july") == bench.campaigns.ledger("july")
    bench.check()


def test_expiry_comes_also_while_nothing_is_open(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True, limit=1000)
    expires_at = datetime(2023, 11, 15, 3, tzinfo=UTC)
    bench.campaign(plan(hours=SendingHours(windows="10:00-12:00"), expires_at=expires_at), 4)
    bench.at(at_ms("2023-11-15T02:59:59.999"))
    assert bench.tend() == 0
    bench.later(1)
    assert bench.tend() == 4
    bench.check()


def test_whoever_comes_after_hours_that_are_over_has_the_next(store: redis.Redis) -> None:
    bench = in_hours(store, "10:00-14:14", count=1, on_close="expire")
    bench.at(at_ms("2023-11-14T22:14"))
    assert bench.tend() == 1
    bench.add("july", recipient(bench.campaigns.get("july").plan, 7))
    assert bench.tend() == 0
    bench.at(at_ms("2023-11-15T18:00"))
    assert len(bench.drain(5_000)) == 1
    bench.check()


def test_a_draft_has_its_hours_from_its_start_on(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True, limit=1000)
    july = plan(hours=SendingHours(windows="10:00-14:14", on_close="expire"))
    bench.campaigns.create(july)
    bench.add("july", recipient(july, 1))
    bench.at(at_ms("2023-11-15T01:00"))
    assert bench.tend() == 0
    bench.act("july", "start")
    assert bench.tend() == 0
    bench.at(at_ms("2023-11-15T18:00"))
    assert len(bench.drain(5_000)) == 1


def test_a_campaign_whose_times_are_not_known_is_closed(store: redis.Redis) -> None:
    bench = in_hours(store, "00:00-24:00", count=2)
    lane = LaneName("bulk", "SMS", SENDER, "july").format()
    bench.store.rename(class_lane(bench), bench.keys.lane(lane))
    store.delete(bench.keys("hours:july"))
    bench.sweep()
    assert bench.drain(5_000) == []


def class_lane(bench: Bench) -> bytes:
    [lane] = bench.store.smembers(bench.keys.other_lanes("july"))
    return bench.keys.lane(lane.decode()).encode()


def test_times_are_reckoned_on_before_they_end(store: redis.Redis) -> None:
    bench = in_hours(store, "10:00-12:00", count=30)
    for day in range(1, 31):
        bench.at(at_ms("2023-11-14T17:30") + day * DAY_MS)  # 9:30
        bench.tend()
        assert not bench.claim(1).grants
        bench.later(45 * 60_000)
        assert len(bench.drain(60_000, most=1)) == 1
    assert bench.campaigns.ledger("july").states["waiting"] == 0


def test_lanes_of_a_campaign_share_its_weight(store: redis.Redis) -> None:
    bench = Bench(store, limit=1000)
    hours = SendingHours(windows="00:00-24:00", zone_column="zone")
    july, june = plan(hours=hours), plan("june")
    bench.campaigns.create(july)
    rows = [
        recipient(july, number)._replace(hours=one)
        for number, one in zip(range(240), in_zones(hours), strict=False)
    ]
    bench.add("july", *rows)
    bench.act("july", "start")
    bench.campaign(june, 240)
    bench.tend()
    sent = bench.drain(60_000, most=400)
    of_july = sum(one.id.startswith("july.") for one in sent[-200:])
    assert 90 <= of_july <= 110


def in_zones(hours: SendingHours) -> Iterator[HoursClass]:
    classes = Classes(hours, lambda: SINCE)
    names = ("Europe/Berlin", "Asia/Tokyo", "America/New_York", "UTC")
    return cycle([classes.of("+14152000000", name) for name in names])


def scheduled(store: redis.Redis, **fields: Any) -> Bench:
    """A bench whose campaign starts an hour later."""
    bench = Bench(store, repeat=True, limit=1000)
    july = plan(**fields)
    bench.campaigns.create(july)
    bench.add("july", recipient(july, 1), recipient(july, 2))
    bench.campaigns.schedule("july", datetime.fromtimestamp(SINCE + 3600, UTC))
    return bench


def test_a_scheduled_campaign_starts_at_its_time(store: redis.Redis) -> None:
    bench = scheduled(store)
    assert bench.campaigns.get("july").at_ms == (SINCE + 3600) * 1000
    assert bench.sweep().tend
    bench.later(3_599_999)
    assert bench.tend() == 0
    assert bench.campaigns.get("july").state == "scheduled"
    assert bench.drain(1) == []
    bench.later(1)
    bench.tend()
    assert bench.campaigns.get("july").state == "running"
    assert len(bench.drain(5_000)) == 2
    assert not bench.sweep().tend
    bench.check()
    assert [entry.action for entry in Audit(store, bench.keys)] == ["start", "schedule"]


def test_it_is_put_off_started_now_or_not_at_all(store: redis.Redis) -> None:
    bench = scheduled(store)
    later = datetime.fromtimestamp(SINCE + 7200, UTC)
    assert bench.campaigns.schedule("july", later) == "scheduled"
    bench.later(3_600_000)
    bench.tend()
    assert bench.campaigns.get("july").state == "scheduled"
    assert bench.campaigns.schedule("july", None) == "draft"
    bench.later(3_600_000)
    bench.tend()
    assert bench.campaigns.get("july").state == "draft"
    assert bench.campaigns.schedule("july", later) == "scheduled"
    assert bench.act("july", "start") == "running"
    with pytest.raises(WrongCampaignState, match="running"):
        bench.campaigns.schedule("july", later)
    bench.tend()
    assert len(bench.drain(5_000)) == 2


def test_a_scheduled_campaign_is_cancelled_and_takes_more_recipients(store: redis.Redis) -> None:
    bench = scheduled(store)
    bench.add("july", recipient(plan(), 3))
    assert bench.claim(3).grants == []
    assert bench.act("july", "cancel") == "cancelled"
    bench.later(3_600_000)
    bench.tend()
    assert bench.campaigns.get("july").state == "cancelled"
    assert bench.campaigns.ledger("july").states["cancelled"] == 3
    bench.check()


def test_hours_of_a_scheduled_campaign_begin_at_its_time(store: redis.Redis) -> None:
    hours = SendingHours(windows="10:00-14:30", on_close="expire")  # it is 14:13 now
    bench = scheduled(store, hours=hours)
    bench.later(3_600_000)
    assert bench.tend() == 0
    assert bench.campaigns.get("july").state == "running"
    bench.at(at_ms("2023-11-15T18:00"))
    assert len(bench.drain(5_000)) == 2


def test_a_schedule_that_was_lost_is_found_again(valkey: redis.Redis) -> None:
    bench = scheduled(valkey, hours=SendingHours(windows="00:00-24:00"))
    valkey.delete(bench.keys("scheduled"), bench.keys("closed"), bench.keys("hours_due"))
    bench.sweep()
    bench.later(3_600_000)
    bench.tend()
    assert bench.campaigns.get("july").state == "running"
    assert bench.store.zscore(bench.keys("hours_due"), "july") > 0


def test_local_times_open_zone_by_zone(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True, limit=1000)
    july = plan(hours=SendingHours(begins="2023-11-14T18:00"))
    classes = Classes(SendingHours(begins="2023-11-14T18:00"), lambda: SINCE)
    bench.campaigns.create(july)
    zones = ("America/New_York", "America/Chicago", "America/Los_Angeles")
    rows = [
        recipient(july, number)._replace(hours=classes.of("+14152000000", zone))
        for number, zone in enumerate(zones)
    ]
    bench.add("july", *rows)
    bench.act("july", "start")
    for hour in (23, 24, 26):  # 18:00 in each of them, in UTC
        bench.at(at_ms("2023-11-14T00:00") + hour * DAY_MS / 24 - 1_000)
        assert not bench.claim(3).grants
        [sent] = bench.drain(3_000, most=1)
        assert sent.at_ms >= at_ms("2023-11-14T00:00") + hour * DAY_MS / 24


def test_cancelling_takes_steps_where_many_classes_wait(store: redis.Redis) -> None:
    bench = Bench(store, limit=1000)
    hours = SendingHours(windows="00:00-24:00", zone_column="zone")
    bench.campaigns.create(plan(hours=hours))
    rows = [
        recipient(plan(hours=hours), number)._replace(hours=one)
        for number, one in zip(range(8), in_zones(hours), strict=False)
    ]
    bench.add("july", *rows)
    bench.act("july", "start")
    lanes = [lane.decode() for lane in bench.store.smembers(bench.keys.other_lanes("july"))]
    for lane in lanes:  # void ones, of which a lane may hold any number
        bench.store.rpush(
            bench.keys.lane(lane), *bench.store.lrange(bench.keys.lane(lane), 0, -1) * 5000
        )
    assert bench.act("july", "cancel") == "cancelled"
    assert not any(bench.store.exists(bench.keys.lane(lane)) for lane in lanes)
    assert bench.campaigns.ledger("july").states["cancelled"] == 8


def test_what_a_cancelling_that_was_cut_short_left_is_set_aside(valkey: redis.Redis) -> None:
    bench = in_hours(valkey, "10:00-12:00")
    lane = class_lane(bench)
    bench.act("july", "cancel")
    bench.store.rename(bench.keys.unsent("july", "cancelled"), lane)
    bench.tend()
    assert not bench.store.exists(lane)
    assert bench.campaigns.recount("july") == bench.campaigns.ledger("july")
