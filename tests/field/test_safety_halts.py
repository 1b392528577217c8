"""Whom one app's faults may stop: nobody but itself, whatever senders it names."""

import asyncio
import re
from typing import Any, cast

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate import Message
from sluicegate.config import Sender
from sluicegate.outbox import Outbox
from sluicegate.stored import LaneName
from sluicegate_worker.attempt import Attempts, app_message
from sluicegate_worker.provider.codes import CODES
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.outcome import Accepted, ErrorAnswer, Outcome, decided
from sluicegate_worker.wire import Grant
from support.bench import Bench
from support.command_line import Cli
from support.effort import size
from support.fleet import Fleet
from support.messages import SENDER, message, plan, recipient

HALTING = {
    code: row.verdict for code, row in CODES.items() if row.verdict in ("halt", "halt_sender")
}
OF_SENDERS = sorted(code for code, verdict in HALTING.items() if verdict == "halt_sender")
OF_ACCOUNTS = sorted(code for code, verdict in HALTING.items() if verdict == "halt")
SOME_WRONG = 8


def wrong(number: int) -> str:
    """A sender that is not the account's."""
    return f"+1999{number:07d}"


class Provider:
    """A bench whose provider owns some senders, and refuses others with a code of its own."""

    def __init__(self, store: redis.Redis, **fields: Any) -> None:
        self.bench = Bench(store, limit=10_000, **fields)
        self.shop = Outbox(self.bench.config, "default", "shop")
        self.clinic = Outbox(self.bench.config, "default", "clinic")
        self.refusals: dict[str, ErrorAnswer] = {}
        account = self.bench.config.account("default")
        self._attempts = Attempts(cast("Any", None), account, "default", "test", app_message)

    def enqueue(self, outbox: Outbox, *messages: Message) -> None:
        self.bench.outbox, before = outbox, self.bench.outbox
        self.bench.enqueue(*messages)
        self.bench.outbox = before

    def refuse(self, sender: str, code: str, status: int = 400) -> None:
        self.refusals[sender] = ErrorAnswer(status, code, "Refused")

    def answer(self, grant: Grant, sender: str) -> str:
        """Start one message and answer it, through the table of outcomes."""
        bench = self.bench
        bench.later(max(grant.slot_ms, 0))
        if bench.start(grant) != [True]:
            return "not started"
        refusal = self.refusals.get(sender) or self.refusals.get(self.profile_of(grant))
        outcome: Outcome = decided(refusal) if refusal else Accepted(f"p-{grant.id}")
        failing = refusal is not None and refusal.status >= 500
        attempt = Attempt(outcome, took_ms=20, heard=True, failing=failing)
        settle = self._attempts.settle(grant, attempt)
        return bench.step(settles=[settle]).settled[0]

    def profile_of(self, grant: Grant) -> str:
        found = re.search(rb'"messaging_profile_id":"([^"]*)"', grant.content)
        return found[1].decode() if found else ""

    def work(self, seconds: float = 5.0) -> None:
        """Send what may be sent, until nothing is left or the time is over."""
        bench, ends = self.bench, self.bench.now_ms + 1000 * seconds
        while bench.now_ms < ends:
            claimed = bench.claim(1)
            for grant in claimed.grants:
                lane = bench.store.hget(bench.keys("leases"), grant.id).split(b"|")[4]
                self.answer(grant, LaneName.parse(lane).sender)
            if not claimed.grants:
                if not any(bench.store.scan_iter(match=bench.keys.lane("*"))):
                    return
                bench.later(max(claimed.wait_ms, 1))

    def halted(self) -> list[str]:
        return [halt.level for halt in self.bench.halts.list()]

    def states(self, *ids: str) -> set[str]:
        return {self.bench.record(id)["state"] for id in ids}


@pytest.fixture
def provider(valkey: redis.Redis) -> Provider:
    return Provider(valkey)


@pytest.mark.parametrize("code", OF_SENDERS)
def test_3_1_a_sender_that_nobody_knows_halts_nobody(provider: Provider, code: str) -> None:
    # Nothing was accepted yet, and no sender is declared: even so.
    for number in range(SOME_WRONG):
        provider.refuse(wrong(number), code, status=403)
        sent = message(number, sender=wrong(number))
        provider.enqueue(provider.shop, sent)
    provider.work(0.2)
    provider.enqueue(provider.clinic, message(100))
    provider.work()
    assert provider.halted() == []
    wrongs = [f"shop:m{number}" for number in range(SOME_WRONG)]
    assert provider.states(*wrongs) == {"dead"}
    assert provider.bench.record(wrongs[0])["code"] == code
    assert "Refused" in provider.bench.record(wrongs[0])["reason"]
    assert provider.states("clinic:m100") == {"accepted"}


@pytest.mark.parametrize("code", OF_ACCOUNTS)
def test_3_1_what_looks_like_the_account_s_is_the_message_s_where_nobody_knows_its_sender(
    provider: Provider, code: str
) -> None:
    provider.enqueue(provider.clinic, message(100))
    provider.work()
    for number in range(SOME_WRONG):
        provider.refuse(wrong(number), code)
        provider.enqueue(provider.shop, message(number, sender=wrong(number)))
    provider.work()
    provider.enqueue(provider.clinic, message(101))
    provider.work()
    assert provider.halted() == []
    assert provider.states("shop:m0", f"shop:m{SOME_WRONG - 1}") == {"dead"}
    assert provider.states("clinic:m101") == {"accepted"}


@pytest.mark.parametrize(
    ("code", "status"), [("", 401), ("", 402), ("10009", 401), ("20100", 402)]
)
@pytest.mark.parametrize("declared", [True, False])
def test_3_1_what_a_known_sender_meets_still_halts_the_account(
    valkey: redis.Redis, code: str, status: int, declared: bool
) -> None:
    senders = {SENDER: Sender(kind="long_code", per_second=0.0)} if declared else {}
    provider = Provider(valkey, senders=senders)
    if not declared:  # it was accepted before
        provider.enqueue(provider.shop, message(1))
        provider.work()
    provider.refuse(SENDER, code, status)
    provider.enqueue(provider.shop, message(2))
    provider.work(0.5)
    assert provider.halted() == ["account"]
    [halt] = provider.bench.halts.list()
    assert halt.who == "provider, app shop"
    assert provider.states("shop:m2") == {"waiting"}


def test_3_1_before_anything_was_accepted_a_key_that_is_wrong_halts_the_account(
    provider: Provider,
) -> None:
    provider.refuse(SENDER, "10009", 401)
    provider.enqueue(provider.shop, *map(message, range(5)))
    provider.work(0.5)
    assert provider.halted() == ["account"]
    assert provider.states("shop:m0", "shop:m4") == {"waiting"}


def test_3_1_after_an_upgrade_nobody_is_taken_for_a_stranger_at_first(provider: Provider) -> None:
    # Version 0.1 kept no senders: what it had accepted may have been this one's.
    provider.bench.store.hset(provider.bench.keys("totals"), "accepted", 1000)
    senders = [wrong(number) for number in range(4)]
    for number, sender in enumerate(senders):
        provider.refuse(sender, "40312", 403)
        provider.enqueue(provider.shop, message(number, sender=sender))
    provider.work(0.5)
    assert set(provider.halted()) == {f"sender:{sender}" for sender in senders}
    assert provider.states("shop:m0", "shop:m3") == {"waiting"}


def test_3_1_the_same_fault_of_several_known_senders_is_the_account_s(
    provider: Provider,
) -> None:
    known = [f"+1444{number:07d}" for number in range(3)]
    for number, sender in enumerate(known):
        provider.enqueue(provider.shop, message(number, sender=sender))
    provider.work()
    for number, sender in enumerate(known):
        provider.refuse(sender, "40312", 403)
        provider.enqueue(provider.shop, message(10 + number, sender=sender))
    provider.work(0.5)
    assert "account" in provider.halted()


def test_3_1_strangers_are_no_evidence_against_a_known_sender_s_account(
    provider: Provider,
) -> None:
    provider.enqueue(provider.clinic, message(0))
    provider.work()
    for number in range(1, 10):
        provider.refuse(wrong(number), "40305")
        provider.enqueue(provider.shop, message(number, sender=wrong(number)))
    provider.refuse(SENDER, "40305")
    provider.enqueue(provider.clinic, message(20))
    provider.work(0.5)
    assert provider.halted() == [f"sender:{SENDER}"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=size(10, 60))
@given(data=st.data())
def test_3_1_however_they_are_mixed_the_healthy_ones_all_go(
    valkey: redis.Redis, data: st.DataObject
) -> None:
    valkey.flushdb()
    provider = Provider(valkey)
    codes = st.sampled_from(OF_SENDERS)
    order = data.draw(st.lists(st.none() | codes, min_size=5, max_size=40))
    healthy = []
    for number, code in enumerate(order):
        if code is None:
            provider.enqueue(provider.clinic, message(number))
            healthy.append(f"clinic:m{number}")
        else:
            provider.refuse(wrong(number), code, data.draw(st.sampled_from([400, 403, 422])))
            provider.enqueue(provider.shop, message(number, sender=wrong(number)))
        if data.draw(st.booleans()):
            provider.work(data.draw(st.sampled_from([0.02, 0.2])))
    provider.work(20)
    assert provider.halted() == []
    assert provider.states(*healthy) <= {"accepted"}
    provider.bench.check()


def test_3_1_an_mms_that_a_sender_can_t_send_stops_its_mms_and_no_text(
    valkey: redis.Redis,
) -> None:
    provider = Provider(valkey, senders={SENDER: Sender(kind="long_code", per_second=0.0)})
    provider.enqueue(provider.shop, message(1, media_urls=("https://a.example/1.png",)))
    provider.refuse(SENDER, "40308")
    provider.work(0.2)
    provider.refusals.clear()
    provider.enqueue(provider.clinic, message(2))
    provider.work()
    provider.enqueue(provider.clinic, message(3, media_urls=("https://a.example/1.png",)))
    provider.work(1)
    assert provider.halted() == [f"mms:{SENDER}"]
    assert provider.states("shop:m1", "clinic:m3") == {"waiting"}
    assert provider.states("clinic:m2") == {"accepted"}
    assert provider.bench.halts.clear(f"mms:{SENDER}")
    provider.work(5)
    assert provider.states("shop:m1", "clinic:m3") == {"accepted"}


@pytest.mark.parametrize(("code", "status"), [("10005", 404), ("", 404), ("40312", 403)])
@pytest.mark.parametrize("declared", [True, False])
def test_3_1_a_wrong_profile_beside_a_known_sender_is_the_message_s_fault(
    valkey: redis.Redis, code: str, status: int, declared: bool
) -> None:
    senders = {SENDER: Sender(kind="long_code", per_second=0.0)} if declared else {}
    provider = Provider(valkey, senders=senders)
    provider.enqueue(provider.clinic, message(100))
    provider.work()
    provider.refuse("nobody-s", code, status)
    for number in range(5):
        provider.enqueue(provider.shop, message(number, messaging_profile_id="nobody-s"))
    provider.enqueue(provider.clinic, message(101))
    provider.work()
    assert provider.halted() == []
    assert provider.states("shop:m0", "shop:m4") == {"dead"}
    assert provider.states("clinic:m101") == {"accepted"}


def test_3_1_a_profile_that_was_accepted_with_its_sender_is_evidence(provider: Provider) -> None:
    provider.enqueue(provider.shop, message(1, messaging_profile_id="ours"))
    provider.work()
    provider.refuse("ours", "40312", 403)
    provider.enqueue(provider.shop, message(2, messaging_profile_id="ours"))
    provider.work(0.5)
    assert provider.halted() == [f"sender:{SENDER}"]
    assert provider.states("shop:m2") == {"waiting"}


def test_3_1_a_profile_of_the_configuration_is_evidence_at_once(valkey: redis.Redis) -> None:
    senders = {SENDER: Sender(kind="long_code", per_second=0.0)}
    provider = Provider(valkey, senders=senders, messaging_profiles=("ours",))
    provider.refuse("ours", "40312", 403)
    provider.enqueue(provider.shop, message(2, messaging_profile_id="ours"))
    provider.work(0.5)
    assert provider.halted() == [f"sender:{SENDER}"]


def test_3_1_hundreds_of_wrong_senders_through_drains_hold_nobody_up(valkey: redis.Redis) -> None:
    fleet = Fleet(valkey, workers=2)
    many = size(200, 1000)
    shop = Outbox(fleet.bench.config, "default", "shop")
    clinic = Outbox(fleet.bench.config, "default", "clinic")
    fleet.wire.mood = lambda to: "403" if "+1999" in to else "well"

    async def main() -> None:
        fleet.sync()
        fleet.bench.outbox = shop
        for at in range(0, many, 100):
            wrongs = (message(n, sender=wrong(n)) for n in range(at, at + 100))
            fleet.bench.enqueue(*wrongs)
        fleet.bench.outbox = clinic
        fleet.bench.enqueue(*(message(10_000 + n) for n in range(20)))
        began = fleet.time.now
        while fleet.bench.totals()["accepted"] < 20:
            # Two apps share the rate: twice what twenty take alone, and the bucket's cold start.
            assert fleet.time.now - began < 2 * 20 / 50 + 1.5
            await asyncio.sleep(0.1)
        while fleet.bench.totals()["dead"] < many:
            assert fleet.time.now - began < 60
            await asyncio.sleep(0.5)

    fleet.run(main)
    assert fleet.bench.halts.list() == []
    assert fleet.bench.totals()["accepted"] == 20


def test_3_1_failures_of_strangers_do_not_open_the_breaker_while_others_are_accepted(
    provider: Provider,
) -> None:
    for number in range(20):
        provider.refuse(wrong(number), "10007", 500)
        provider.enqueue(provider.shop, message(number, sender=wrong(number)))
        provider.enqueue(provider.clinic, message(100 + number))
    provider.work(4)
    assert provider.bench.totals()["accepted"] == 20
    assert provider.bench.totals()["breaker_opened"] == 0


def test_3_1_a_stranger_s_429_does_not_slow_the_account_while_others_are_accepted(
    provider: Provider,
) -> None:
    provider.enqueue(provider.clinic, message(99))
    provider.work()
    began = provider.bench.now_ms
    for number in range(20):
        provider.refuse(wrong(number), "10011", 429)
        provider.enqueue(provider.shop, message(number, sender=wrong(number)))
        provider.enqueue(provider.clinic, message(100 + number))
    provider.work(2)
    assert provider.bench.totals()["accepted"] == 21
    assert provider.bench.bucket()["block"] <= began


def test_3_1_an_outage_is_heard_from_strangers_too(provider: Provider) -> None:
    provider.enqueue(provider.clinic, message(100))
    provider.work()
    provider.bench.later(31_000)
    for number in range(10):
        provider.refuse(wrong(number), "10007", 500)
        provider.enqueue(provider.shop, message(number, sender=wrong(number)))
    provider.work(2)
    assert provider.bench.totals()["breaker_opened"] == 1


def test_3_1_a_campaign_s_wrong_sender_halts_it_alone_and_kills_nobody(provider: Provider) -> None:
    bench, july = provider.bench, plan("july", sender=wrong(1))
    provider.enqueue(provider.clinic, message(100))
    provider.work()
    bench.campaigns.create(july)
    bench.add("july", *(recipient(july, number) for number in range(20)))
    bench.act("july", "start")
    for code, status in (("40305", 400), ("10009", 401)):
        provider.refuse(wrong(1), code, status)
        provider.work(0.5)
        provider.enqueue(provider.clinic, message(200 + status))
        provider.work(0.5)
        assert provider.halted() == [f"sender:{wrong(1)}"]
        assert provider.states(f"clinic:m{200 + status}") == {"accepted"}
        bench.halts.clear(f"sender:{wrong(1)}")
    assert bench.campaigns.ledger("july").states["dead"] == 0


def test_3_1_who_was_accepted_is_kept_exactly_and_not_without_end(provider: Provider) -> None:
    bench = provider.bench
    store: Any = bench.store
    old = {f"+1777{number:07d}": number for number in range(10_000)}
    store.zadd(bench.keys("senders"), old)
    provider.enqueue(provider.clinic, message(1))
    provider.work()
    assert store.zcard(bench.keys("senders")) == 10_000
    assert store.zscore(bench.keys("senders"), SENDER) == pytest.approx(bench.now_ms, abs=1000)
    assert store.zscore(bench.keys("senders"), "+17770000000") is None


def test_3_1_a_declared_sender_costs_no_entry(valkey: redis.Redis) -> None:
    provider = Provider(valkey, senders={SENDER: Sender(kind="long_code", per_second=0.0)})
    provider.enqueue(provider.clinic, message(1))
    provider.work()
    assert not valkey.exists(provider.bench.keys("senders"))


def test_3_1_a_stranger_s_dead_letter_is_advised_on_without_a_halt(cli: Cli) -> None:
    cli.bench.enqueue(message(1, sender=wrong(1)))
    cli.bench.send(kind="back", halt="sender", code="40305", reason="HTTP 400 40305", heard=True)
    assert cli.lines("halt", "list") == []
    [letter] = cli.lines("dead", "list", "--all")
    assert letter["code"] == "40305"
    assert letter["advice"] == "Assign the number to the messaging profile, then replay it."
    assert "halt" not in cli("dead", "list").stdout


# Lifting a halt.


@pytest.fixture
def halted(provider: Provider) -> Provider:
    """Three known senders of the shop have halted the account, and more of them wait."""
    known = [f"+1444{number:07d}" for number in range(3)]
    for number, sender in enumerate(known):
        provider.enqueue(provider.shop, message(number, sender=sender))
    provider.work()
    for number, sender in enumerate(known):
        provider.refuse(sender, "40312", 403)
        provider.enqueue(provider.shop, message(10 + number, sender=sender))
    provider.work(0.3)
    assert "account" in provider.halted()
    return provider


def test_3_1_a_halt_lifted_is_not_brought_back_by_one_sender(halted: Provider) -> None:
    halted.bench.halts.clear()
    halted.enqueue(halted.clinic, message(100))
    halted.work(1)
    assert "account" not in halted.halted()
    assert halted.states("clinic:m100") == {"accepted"}


def test_3_1_poisoned_messages_at_the_head_do_not_bring_a_halt_back(provider: Provider) -> None:
    provider.enqueue(provider.clinic, message(100))
    provider.work()
    provider.bench.halts.set("account", "a test")
    for number in range(50):
        provider.refuse(wrong(number), "10005", 404)
        provider.enqueue(provider.shop, message(number, sender=wrong(number)))
    provider.enqueue(provider.clinic, message(101))
    provider.bench.halts.clear()
    provider.work()
    assert provider.halted() == []
    assert provider.states("clinic:m101") == {"accepted"}


def test_3_1_halt_clear_says_what_waits_and_what_goes_first(cli: Cli) -> None:
    bench = cli.bench
    shop = Outbox(bench.config, "default", "shop")
    bench.enqueue(message(1))
    bench.send()
    bench.enqueue(message(2))
    bench.send(kind="back", halt="account", code="20100", reason="HTTP 402 No credit", heard=True)
    bench.outbox = shop
    bench.enqueue(*(message(n, sender=wrong(n)) for n in range(3)))
    told = cli("halt", "clear", "--yes").stderr
    assert "behind it 4 messages wait" in told
    assert "3 of them from 3 senders neither declared nor accepted before" in told
    assert "a dead letter, and halts nothing" in told
    assert "first goes shop:m0 of app shop, from +1999" in told


def test_3_1_halt_clear_says_how_the_first_was_refused(cli: Cli) -> None:
    bench = cli.bench
    bench.enqueue(message(1))
    bench.send()
    bench.enqueue(message(2))
    reason = "HTTP 402 No credit for +15551234567"
    bench.send(kind="back", halt="account", code="20100", reason=reason, heard=True)
    told = cli("halt", "clear", stdin="n\n", exits=1).stderr
    assert f"first goes m2, from {SENDER}" in told
    assert "it was refused before: HTTP 402 No credit for +1555•••67" in told
    assert "Let it go on?" in told


def test_3_1_halt_clear_says_it_as_json_too(cli: Cli) -> None:
    bench = cli.bench
    bench.outbox = Outbox(bench.config, "default", "shop")
    bench.enqueue(message(1, sender=wrong(1)), message(2, sender=wrong(1)))
    cli("halt", "set", f"sender:{wrong(1)}", "--why", "a test", "--yes")
    cli("halt", "set", "account", "--why", "a test", "--yes")
    [line] = cli.lines("halt", "clear", "--yes")
    assert line["behind"]["waiting"] == line["behind"]["unknown"] == 2
    assert "first" not in line["behind"]  # the other halt stands
    [line] = cli.lines("halt", "clear", f"sender:{wrong(1)}", "--yes")
    first = line["behind"]["first"]
    assert (first["id"], first["app"], first["known"]) == ("shop:m1", "shop", False)
