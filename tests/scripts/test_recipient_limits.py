"""Limits on what one recipient gets, from whatever apps and campaigns the messages come."""

from datetime import UTC, datetime
from typing import Any, Literal

import pytest
import redis

from sluicegate.config import Account, AppLimits, Config, PerPrefix, PerRecipient, RecipientLimits
from sluicegate.errors import InvalidConfig, InvalidMessage
from sluicegate.outbox import Outbox
from sluicegate.stored import sent_times
from sluicegate_worker.wire import Grant, Start
from support.bench import Bench
from support.messages import message, plan, recipient

HOUR_MS, DAY_MS = 3_600_000.0, 86_400_000.0
EARLY_MS = 300.0
"""A limit is kept to within so much: a POST may begin a little after its slot."""

TO = "+14152000001"


def limited(
    store: redis.Redis,
    transactional: RecipientLimits | None = None,
    bulk: RecipientLimits | None = None,
    repeat: bool = True,
    **fields: Any,
) -> Bench:
    none = RecipientLimits()
    limits = PerRecipient(transactional=transactional or none, bulk=bulk or none)
    fields = {"per_recipient": limits} | fields
    bench = Bench(store, repeat=repeat, limit=1000, **fields)
    bench.enqueue(message(999_999, priority="bulk", sender="+15550009999"))
    bench.send()  # the provider has answered
    return bench


def sends(bench: Bench, ms: float) -> dict[str, float]:
    """Work for so long; when each message was sent, in hours from now."""
    began = bench.now_ms
    return {one.id: (one.at_ms - began) / HOUR_MS for one in drained(bench, ms)}


def drained(bench: Bench, ms: float) -> list[Any]:
    sent = list[Any]()
    ends = bench.now_ms + ms
    while bench.now_ms < ends:
        sent += bench.drain(min(1000.0, ends - bench.now_ms))
        due = bench.store.zrange(bench.keys("due"), 0, 0, withscores=True)
        ready = any(bench.store.exists(bench.keys(f"ready:{c}")) for c in ("ts", "tm", "bs", "bm"))
        if not ready:  # nothing happens until then
            bench.at(max(bench.now_ms, min(ends, due[0][1]) if due else ends))
    return sent


def test_one_recipient_gets_so_many_in_an_hour_and_the_rest_waits(store: redis.Redis) -> None:
    bench = limited(store, RecipientLimits(hourly=2))
    bench.enqueue(*(message(n, to=TO) for n in range(5)))
    assert list(sends(bench, 3000)) == ["m0", "m1"]
    [waits] = [bench.status(f"m{n}") for n in (2,)]
    assert (waits.state, waits.code) == ("retrying", "too_many")
    assert waits.reason == "at most 2 in an hour to one recipient"
    assert list(sends(bench, HOUR_MS)) == ["m2", "m3"]
    assert list(sends(bench, HOUR_MS)) == ["m4"]
    assert bench.check()["accepted"] == 6
    assert not bench.store.exists(bench.keys("in_line"))
    assert bench.totals()["held_too_many"] == 3


def test_a_quiet_time_is_kept_between_two(store: redis.Redis) -> None:
    bench = limited(store, RecipientLimits(quiet_seconds=60))
    bench.enqueue(*(message(n, to=TO) for n in range(3)))
    bench.enqueue(message(7))
    times = sends(bench, 200_000)
    assert list(times) == ["m0", "m7", "m1", "m2"]
    apart = [HOUR_MS * (times[b] - times[a]) for a, b in (("m0", "m1"), ("m1", "m2"))]
    assert all(60_000 <= ms <= 60_000 + EARLY_MS for ms in apart)
    assert bench.totals()["held_too_soon"] == 2


def test_every_window_is_kept_and_names_itself(store: redis.Redis) -> None:
    bench = limited(store, RecipientLimits(hourly=1, daily=2, weekly=3))
    bench.enqueue(*(message(n, to=TO) for n in range(4)))
    assert list(sends(bench, 2 * HOUR_MS)) == ["m0", "m1"]
    assert bench.status("m2").reason == "at most 2 in 24 hours to one recipient"
    assert list(sends(bench, DAY_MS)) == ["m2"]
    assert bench.status("m3").reason == "at most 3 in 7 days to one recipient"
    assert list(sends(bench, 6 * DAY_MS)) == ["m3"]


@pytest.mark.parametrize("beyond", ["wait", "end"])
def test_two_campaigns_and_an_app_obey_one_limit(
    store: redis.Redis, beyond: Literal["wait", "end"]
) -> None:
    bench = limited(store, bulk=RecipientLimits(daily=2, beyond=beyond))
    for name in ("june", "july"):
        of = plan(name, text="Hi", sender=f"+1555000{len(name)}000")
        bench.campaigns.create(of)
        bench.add(name, recipient(of, 1), recipient(of, 2))
        bench.act(name, "start")
    bench.enqueue(*(message(n, to=TO, priority="bulk") for n in range(2)))
    bench.enqueue(message(9, to=TO))  # transactional: it doesn't count, and isn't held up
    assert len(sends(bench, 5000)) == 2 + 2 + 1
    states = bench.check()
    held = states["retrying"] if beyond == "wait" else states["suppressed"]
    assert held == 2
    counted = "held_too_many" if beyond == "wait" else "too_many"
    assert bench.totals()[counted] == 2
    later = sends(bench, DAY_MS)
    assert len(later) == (2 if beyond == "wait" else 0)


def test_what_ends_says_why_in_its_record_its_list_and_the_ledger(store: redis.Redis) -> None:
    bench = limited(store, bulk=RecipientLimits(daily=1, beyond="end"))
    of = plan(text="Hi")
    bench.campaigns.create(of)
    bench.add("july", recipient(of, 1))
    bench.enqueue(message(1, to=TO, priority="bulk"), message(2, to=TO, priority="bulk"))
    sends(bench, 2000)
    ended = bench.status("m2")
    assert (ended.state, ended.code) == ("suppressed", "too_many")
    assert ended.reason == "at most 1 in 24 hours to one recipient"
    bench.act("july", "start")
    sends(bench, 2000)
    ledger = bench.campaigns.ledger("july")
    assert ledger.states["suppressed"] == 1
    assert ledger.ended == {"too_many": 1}
    assert bench.check()["suppressed"] == 2
    assert bench.campaigns.recount("july") == ledger


def granted(bench: Bench, *numbers: int, **fields: Any) -> list[Grant]:
    bench.enqueue(*(message(n, **{"to": TO} | fields) for n in numbers))
    return bench.claim_all(1, within_ms=1000)


def begun(bench: Bench, *numbers: int, **fields: Any) -> Grant:
    [grant] = granted(bench, *numbers, **fields)
    bench.later(max(0.0, grant.slot_ms))
    assert bench.start(grant) == [True]
    return grant


def log(bench: Bench, name: str = f"t{TO}") -> list[int]:
    for key in bench.store.scan_iter(bench.keys("got:*")):
        if (found := bench.store.hget(key, name)) is not None:
            return sent_times(found)
    return []


ONE_A_DAY = RecipientLimits(daily=1)


def test_a_grant_that_nobody_used_does_not_count(store: redis.Redis) -> None:
    bench = limited(store, ONE_A_DAY)
    [grant] = granted(bench, 1, 2)
    assert len(log(bench)) == 1
    bench.settle(grant, "unused")
    assert log(bench) == []
    assert list(sends(bench, 2000)) == ["m1"]


@pytest.mark.parametrize("how", ["lease", "cancel"])
def test_nor_does_one_whose_worker_died_or_that_was_cancelled(
    store: redis.Redis, how: str
) -> None:
    bench = limited(store, ONE_A_DAY)
    granted(bench, 1, 2)
    if how == "cancel":
        bench.cancel("m1")
    else:
        for _ in range(4):
            bench.later(5000)
            bench.sweep()
    assert log(bench) == []
    assert list(sends(bench, 2000)) == (["m2"] if how == "cancel" else ["m1"])


@pytest.mark.parametrize("kind", ["dead", "retry", "back"])
def test_what_was_refused_does_not_count(store: redis.Redis, kind: str) -> None:
    bench = limited(store, ONE_A_DAY)
    bench.settle(begun(bench, 1), kind, heard=True, delay_ms=600_000)
    assert log(bench) == []
    bench.enqueue(message(2, to=TO))
    assert list(sends(bench, 2000)) == (["m1"] if kind == "back" else ["m2"])


def test_a_doubt_counts_and_its_resend_does_not_count_again(store: redis.Redis) -> None:
    bench = limited(store, RecipientLimits(daily=2))
    bench.settle(begun(bench, 1), "doubt", delay_ms=60_000)
    [first] = log(bench)
    bench.enqueue(message(2, to=TO))
    assert list(sends(bench, 2000)) == ["m2"]
    bench.later(60_000)
    bench.sweep()
    assert list(sends(bench, 2000)) == ["m1"]  # it is not held up: it may have been sent already
    both = log(bench)
    assert len(both) == 2
    assert max(both) > first + 60_000  # and it counts from its last attempt
    bench.enqueue(message(3, to=TO))
    assert sends(bench, 2000) == {}


def test_a_doubt_that_was_none_counts_no_more(store: redis.Redis) -> None:
    bench = limited(store, ONE_A_DAY)
    grant = begun(bench, 1)
    for _ in range(4):
        bench.later(5000)
        bench.sweep()
    assert bench.status("m1").state == "in_doubt"
    assert len(log(bench)) == 1
    bench.settle(grant, "retry", heard=True, delay_ms=600_000)
    assert log(bench) == []


def test_a_resend_that_was_given_back_may_still_have_been_sent(store: redis.Redis) -> None:
    bench = limited(store, ONE_A_DAY)
    bench.settle(begun(bench, 1), "doubt", delay_ms=1000)
    bench.later(1000)
    bench.sweep()
    [grant] = bench.claim_all(1)
    bench.settle(grant, "unused")
    bench.enqueue(message(2, to=TO))
    assert len(log(bench)) == 1
    assert list(sends(bench, 2000)) == ["m1"]
    assert len(log(bench)) == 1


def test_what_would_wait_beyond_its_expiry_ends_at_once(store: redis.Redis) -> None:
    bench = limited(store, ONE_A_DAY)
    soon = datetime.fromtimestamp(bench.now_ms / 1000 + 7200, UTC)
    bench.enqueue(message(1, to=TO), message(2, to=TO, expires_at=soon))
    sends(bench, 2000)
    assert (bench.status("m2").state, bench.status("m2").code) == ("suppressed", "too_many")


def test_those_behind_the_first_expire_while_they_wait(store: redis.Redis) -> None:
    bench = limited(store, RecipientLimits(hourly=1))
    soon = datetime.fromtimestamp(bench.now_ms / 1000 + 5400, UTC)
    bench.enqueue(*(message(n, to=TO, expires_at=soon) for n in range(3)))
    assert list(sends(bench, 3 * HOUR_MS)) == ["m0", "m1"]
    assert bench.status("m2").state in ("expired", "suppressed")


@pytest.mark.parametrize("end", ["cancel", "optout"])
def test_the_next_is_called_where_the_first_of_a_line_ends(store: redis.Redis, end: str) -> None:
    bench = limited(store, RecipientLimits(quiet_seconds=600))
    bench.enqueue(*(message(n, to=TO) for n in range(4)))
    assert list(sends(bench, 2000)) == ["m0"]
    if end == "cancel":
        bench.cancel("m1")
        assert list(sends(bench, 650_000)) == ["m2"]
    else:
        bench.store.hset(bench.keys("optouts"), TO, "1 person")
        assert sends(bench, 3000_000) == {}
        assert bench.check()["suppressed"] == 3
    assert bench.store.zcard(bench.keys("in_line")) == (1 if end == "cancel" else 0)


def texts_started(bench: Bench, text: str, most: int = 10) -> list[str]:
    """Claim and start what there is, all with that text; who began."""
    went = list[str]()
    for _ in range(20):
        claimed = bench.claim(most)
        if not (grants := claimed.grants):
            bench.later(max(1.0, min(50.0, claimed.wait_ms)))
            continue
        bench.at(max(bench.now_ms, *(bench.now_ms + grant.slot_ms for grant in grants)))
        starts = [Start(g.id, g.token, b"{}", text) for g in grants]
        for grant, ok in zip(grants, bench.step(starts=starts).started, strict=True):
            if ok:
                went.append(grant.id)
                bench.settle(grant, "accepted", provider_id=f"p-{grant.id}", heard=True)
    return went


@pytest.mark.parametrize("beyond", ["wait", "end"])
def test_the_same_text_goes_once_in_its_time(
    store: redis.Redis, beyond: Literal["wait", "end"]
) -> None:
    bench = limited(store, RecipientLimits(same_text_seconds=3600, beyond=beyond))
    bench.enqueue(*(message(n, to=TO) for n in range(3)), message(7))
    assert texts_started(bench, "abcdefg") == ["m2", "m7"]  # the last of a call starts first
    assert bench.check()["retrying" if beyond == "wait" else "suppressed"] == 2
    assert bench.status("m1").code == "same_text"
    bench.enqueue(message(8, to=TO))
    assert texts_started(bench, "another") == ["m8"]
    bench.later(HOUR_MS + EARLY_MS)
    assert texts_started(bench, "abcdefg") == (["m1"] if beyond == "wait" else [])
    bench.later(HOUR_MS + EARLY_MS)
    assert texts_started(bench, "abcdefg") == (["m0"] if beyond == "wait" else [])


def test_a_text_that_was_refused_may_go_again(store: redis.Redis) -> None:
    bench = limited(store, RecipientLimits(same_text_seconds=3600))
    bench.enqueue(message(1, to=TO))
    [grant] = bench.claim_all(1)
    bench.later(max(0, grant.slot_ms))
    assert bench.step(starts=[Start(grant.id, grant.token, b"{}", "abcdefg")]).started == [True]
    bench.settle(grant, "dead", heard=True)
    bench.enqueue(message(2, to=TO))
    assert texts_started(bench, "abcdefg") == ["m2"]


def test_an_app_may_be_held_to_less_and_what_others_sent_counts(store: redis.Redis) -> None:
    own = AppLimits(transactional=RecipientLimits(daily=1, beyond="end"))
    limits = PerRecipient(transactional=RecipientLimits(daily=3), apps={"shop": own})
    bench = limited(store, per_recipient=limits)
    bench.enqueue(message(1, to=TO))
    assert list(sends(bench, 2000)) == ["m1"]
    shop = Bench(store, repeat=True, app="shop", limit=1000, per_recipient=limits)
    shop.at(bench.now_ms)
    shop.enqueue(message(2, to=TO), message(3))
    assert list(sends(shop, 2000)) == ["shop:m3"]
    bench.at(shop.now_ms)
    bench.enqueue(*(message(n, to=TO) for n in (4, 5, 6)))
    assert list(sends(bench, 2000)) == ["m4", "m5"]


def test_numbers_that_begin_alike_are_braked_and_others_are_not(store: redis.Redis) -> None:
    brake = PerPrefix(messages=5, window_seconds=100, digits=4, prefixes={"+1": 0, "+2376": 2})
    bench = limited(store, per_prefix=brake)
    bench.enqueue(*(message(n, to=f"+4477{n:06d}") for n in range(12)))
    bench.enqueue(*(message(n, to=f"+23760{n:06d}") for n in range(20, 24)))
    bench.enqueue(*(message(n) for n in range(30, 40)))
    bench.enqueue(*(message(n, to=f"+4477{n:06d}", priority="bulk") for n in range(50, 60)))
    went = sends(bench, 3000)
    assert len([id for id in went if 0 <= int(id[1:]) < 12]) == 5
    assert len([id for id in went if 20 <= int(id[1:]) < 24]) == 2
    assert len([id for id in went if int(id[1:]) >= 30]) == 20
    assert bench.status("m11").code == "prefix"
    assert bench.status("m11").reason == "at most 5 in 100 s to numbers from +4477 on"
    times = sorted([*went.values(), *sends(bench, 500_000).values()])
    assert len(times) == 12 + 4 + 20
    assert bench.check()["accepted"] == 37


def test_a_changed_limit_remembers_what_was_sent_before(store: redis.Redis) -> None:
    bench = limited(store, RecipientLimits(hourly=1))
    bench.enqueue(message(1, to=TO))
    assert list(sends(bench, 2000)) == ["m1"]
    bench.publish(per_recipient=PerRecipient(transactional=RecipientLimits(daily=1)))
    bench.enqueue(message(2, to=TO))
    assert sends(bench, 2 * HOUR_MS) == {}
    bench.publish(per_recipient=PerRecipient())
    assert list(sends(bench, 2 * DAY_MS)) == ["m2"]  # what waited looks again on its own
    assert bench.store.hget(bench.keys("limits"), "recipient") is None


def test_nothing_is_kept_where_nothing_is_limited(store: redis.Redis) -> None:
    bench = limited(store)
    bench.enqueue(*(message(n, to=TO) for n in range(5)))
    assert len(sends(bench, 2000)) == 5
    assert not list(bench.store.scan_iter(bench.keys("got:*")))


@pytest.mark.parametrize("size", [1000, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_looping_app_reaches_its_recipient_so_often_and_delays_nobody(
    store: redis.Redis, size: int
) -> None:
    bench = limited(store, RecipientLimits(hourly=4), repeat=False)
    for first in range(0, size, 500):
        bench.enqueue(*(message(n, to=TO, id=f"loop{n}") for n in range(first, first + 500)))
    bench.enqueue(*(message(n) for n in range(10)))
    began = bench.now_ms
    went = sends(bench, HOUR_MS - 10_000)
    assert len([id for id in went if id.startswith("loop")]) == 4
    assert all(HOUR_MS * went[f"m{n}"] < 2000 for n in range(10))
    bench.at(max(bench.now_ms, began + HOUR_MS + 10_000))
    went = sends(bench, HOUR_MS / 2)
    assert len(went) == 4


def test_bulk_has_its_turn_while_a_loop_is_held_up(store: redis.Redis) -> None:
    bench = limited(store, RecipientLimits(hourly=1), repeat=False)
    bench.enqueue(*(message(n, to=TO, id=f"loop{n}") for n in range(400)))
    bench.enqueue(*(message(n, priority="bulk") for n in range(20)))
    claimed = [grant.id for _ in range(3) for grant in bench.claim(20).grants]
    assert any(id.startswith("m") for id in claimed)


def test_an_account_may_send_to_some_countries_alone() -> None:
    outbox = Outbox(Config(accounts={"default": Account(countries=("US", "DE"))}), "default")
    known = [message(1, to="+12125550123"), message(2, to="+491511234567")]
    assert [outbox.checked(one) for one in known] == known
    for to, why in (("+447700900123", "a number of GB"), ("+2105551234", "country is not known")):
        with pytest.raises(InvalidMessage, match=f"{why}.*the account sends to US, DE"):
            outbox.checked(message(3, to=to))
    [(_, refused)] = outbox.batch([message(4, to="+447700900123")]).refused
    assert refused.outcome == "invalid"
    with pytest.raises(InvalidConfig, match="the United Kingdom is GB"):
        Outbox(Config(accounts={"default": Account(countries=("UK",))}), "default")
