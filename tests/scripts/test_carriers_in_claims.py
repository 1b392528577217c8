"""Carriers' levels charge what is theirs, and let others go on while they refuse."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate import Message
from sluicegate.campaigns.ledger import Ledgers
from sluicegate.keys import Keys
from sluicegate.stored import Bill, BrandDay, LaneName, Lease, Record
from sluicegate_worker.wire import Grant
from support.carried import NAMES, PACIFIC, SENDER, Carried, bill_of, carrier_of
from support.messages import message
from support.receipts import tell

HOUR_MS = 3_600_000.0
DAY_MS = 24 * HOUR_MS
MAIN, CAPPED, SLOWED = (f"bs:{SENDER}{side}" for side in ("", "~t", "~a"))


def of(carrier: str, many: int, first: int = 1) -> list[int]:
    """Numbers of test messages whose recipients are that carrier's."""
    found = (n for n in range(first, 100_000) if carrier_of(f"+1555{n:07d}") == carrier)
    return [next(found) for _ in range(many)]


def lane(made: Carried, name: str) -> list[str]:
    return made.bench.lane(name)


def known(made: Carried, *numbers: int) -> None:
    """Let the carriers of these numbers be learned."""
    for n in numbers:
        made.enqueue(n, id=f"known{n}")
    made.run(60_000)
    made.answer_all()
    made.sent.clear()


# Ten thousand rows, in small and in full.


@pytest.mark.parametrize("rows", [500, pytest.param(10_000, marks=pytest.mark.long)])
def test_rows_of_unknown_carriers_take_the_days_of_those_that_are_the_cap_s(
    valkey: redis.Redis, rows: int
) -> None:
    cap = rows // 5
    made = Carried(valkey, cap=cap, latency_ms=300)
    made.campaign(range(rows))
    began = made.bench.now_ms
    made.run(2 * DAY_MS)
    made.answer_all()
    assert len(made.sent) == rows
    assert made.bench.now_ms - began < 2 * DAY_MS
    days = made.by_day("t_mobile")
    assert max(days.values()) <= cap, days
    assert len(days) == 2
    first_hour = [one for one in made.sent if one.at_ms < began + HOUR_MS]
    assert len(first_hour) >= cap / 0.35 * 0.97, "others go while the cap has room"
    assert made.bench.check()["accepted"] == rows


def test_those_known_to_be_others_go_within_the_hour(valkey: redis.Redis) -> None:
    made = Carried(valkey, cap=30, limit=200)
    everybody = range(1, 301)
    made.campaign(everybody, name="first")  # in which their carriers are learned
    made.run(12 * DAY_MS)
    made.answer_all()
    assert len(made.sent) == 300
    made.bench.later(DAY_MS)
    made.sent.clear()
    began = made.bench.now_ms
    made.campaign(everybody, name="second")
    made.run(HOUR_MS)
    others = [one for one in made.sent if one.carrier != "t_mobile"]
    assert len(others) == sum(carrier_of(f"+1415{2_000_000 + n}") != "t_mobile" for n in everybody)
    assert len(made.sent) - len(others) == 30
    assert made.sent[-1].at_ms - began < 60_000
    made.bench.check()


@pytest.mark.parametrize(("per_minute", "rows", "used"), [(2400, 600, 0.85), (75, 60, 0.6)])
def test_att_s_rate_is_used_by_its_own_numbers(
    valkey: redis.Redis, per_minute: float, rows: int, used: float
) -> None:
    # At a low rate, one message of an unknown number is under way at a time.
    made = Carried(valkey, per_minute=per_minute, latency_ms=200, limit=500)
    made.campaign(range(rows))
    made.run(HOUR_MS)
    assert len(made.sent) == rows
    theirs = [one.at_ms for one in made.sent if one.carrier == "att"]
    lasted = (theirs[-1] - theirs[0]) / 60_000
    assert len(theirs) >= used * per_minute * lasted
    assert len(theirs) <= per_minute * (lasted + 0.001) * 1.1 + 2
    made.answer_all()
    made.bench.check()


# What is charged, and what corrects it.


def test_what_nobody_knows_is_reserved_and_given_back_when_it_was_another_s(
    valkey: redis.Redis,
) -> None:
    made = Carried(valkey, cap=1, repeat=True)
    other, theirs = of("other", 1)[0], of("t_mobile", 2)
    made.enqueue(other, theirs[0])
    [grant] = made.bench.claim_all(1)
    assert made.used == 1
    assert not made.bench.claim(5).grants, "the cap is reserved"
    made.bench.later(max(0, grant.slot_ms))
    made.bench.start(grant)
    made.bench.settle(
        grant, "accepted", provider_id="p", heard=True, bill=bill_of(f"+1555{other:07d}")
    )
    assert made.used == 0
    sent = made.bench.send(bill=bill_of(f"+1555{theirs[0]:07d}"))
    assert sent.id == f"m{theirs[0]}"
    assert made.used == 1
    made.enqueue(other, id="again")
    made.enqueue(theirs[1])
    assert [g.id for g in made.bench.claim_all(2, within_ms=500)] == ["again"]
    assert made.used == 1
    assert lane(made, CAPPED) == [f"m{theirs[1]}"]
    made.bench.check()


def test_parts_as_told_correct_the_charge_and_so_does_a_receipt(valkey: redis.Redis) -> None:
    made = Carried(valkey, cap=10, repeat=True)
    one, two = of("t_mobile", 2)
    made.enqueue(one, two)
    made.bench.send(bill=Bill(carrier="t_mobile", carrier_name="T-Mobile", parts=3))
    assert made.used == 3
    tell(made.bench, f"m{one}", "sent", bill=Bill(parts=2, carrier="t_mobile"))
    assert made.used == 2
    made.bench.send()
    assert made.used == 3, "nobody said whose it is"
    tell(made.bench, f"m{two}", bill=Bill(carrier="att", carrier_name="AT&T"))
    assert made.used == 2
    tell(made.bench, f"m{one}", event_id="e9", bill=Bill(carrier="other", carrier_name="Verizon"))
    assert made.used == 0
    made.bench.later(DAY_MS)
    made.bench.check()


def test_a_receipt_of_another_day_corrects_nothing(valkey: redis.Redis) -> None:
    made = Carried(valkey, cap=10, repeat=True)
    one, two = of("t_mobile", 2)
    made.enqueue(one)
    made.bench.send(bill=bill_of("+15550000000"[:-7] + f"{one:07d}"))
    made.bench.later(DAY_MS)
    made.enqueue(two)
    made.bench.send(bill=Bill(carrier="t_mobile", carrier_name="T-Mobile"))
    assert made.used == 1
    tell(made.bench, f"m{one}", bill=Bill(carrier="other", carrier_name="Verizon"))
    assert made.used == 1


def test_a_share_is_what_an_unknown_number_is_reserved_as(valkey: redis.Redis) -> None:
    made = Carried(valkey, cap=10, tmobile_share=0.25, repeat=True)
    theirs, other = of("t_mobile", 1)[0], of("other", 1)[0]
    known(made, *of("att", 1))
    made.enqueue(theirs, other)
    first, second = made.bench.claim_all(2)
    assert made.used == 0.5
    made.bench.later(max(first.slot_ms, second.slot_ms, 0))
    assert made.bench.start(first, second) == [True, True]
    for grant, n in ((first, theirs), (second, other)):
        made.bench.settle(
            grant, "accepted", provider_id=f"p{n}", heard=True, bill=bill_of(f"+1555{n:07d}")
        )
    assert made.used == 1


def test_a_number_abroad_counts_nowhere(valkey: redis.Redis) -> None:
    made = Carried(valkey, cap=1)
    known(made, *of("att", 1))
    made.enqueue(*of("t_mobile", 3))
    made.enqueue(4, id="abroad", to="+447700900123")
    sent = {grant.id for grant in made.bench.claim_all(4, within_ms=500)}
    assert "abroad" in sent
    assert len(sent) == 2


def test_a_doubt_counts_until_it_is_known(valkey: redis.Redis) -> None:
    made = Carried(valkey, cap=10, repeat=True)
    one, two = of("t_mobile", 1)[0], of("other", 1)[0]
    made.enqueue(one, two)
    made.bench.send(kind="doubt", delay_ms=1000.0)
    second = made.bench.send(kind="doubt", delay_ms=1000.0)
    assert made.used == 2
    made.bench.settle(
        second, "accepted", provider_id="p", heard=True, bill=bill_of(f"+1555{two:07d}")
    )
    assert made.used == 1
    made.bench.later(700_000)
    made.bench.sweep()
    made.bench.send(bill=bill_of(f"+1555{one:07d}"))
    assert made.used == 1, "of its attempts the carrier got one"
    made.bench.check()


# Side lanes.


def test_the_order_for_each_carrier_stays_and_retries_return_to_the_head(
    valkey: redis.Redis,
) -> None:
    made = Carried(valkey, cap=1, repeat=True)
    theirs, others = of("t_mobile", 4), of("other", 4)
    known(made, *others)
    made.bench.later(DAY_MS)
    known(made, theirs[0])  # the day's one
    made.enqueue(*(n for pair in zip(theirs, others, strict=True) for n in pair))
    made.run(5000)
    assert [one.id for one in made.sent] == [f"m{n}" for n in others]
    assert lane(made, CAPPED) == [f"m{n}" for n in theirs]
    made.bench.later(DAY_MS)
    grant = made.bench.send(kind="retry", delay_ms=1000.0)
    assert grant.id == f"m{theirs[0]}"
    made.bench.later(1000)
    grant = made.bench.send(bill=bill_of(f"+1555{theirs[0]:07d}"))
    assert grant.id == f"m{theirs[0]}"
    assert lane(made, CAPPED) == [f"m{n}" for n in theirs[1:]]
    made.bench.check()


def test_a_later_message_of_the_carrier_does_not_go_before_an_earlier_one(
    valkey: redis.Redis,
) -> None:
    made = Carried(valkey, cap=2, repeat=True)
    theirs = of("t_mobile", 3)
    known(made, theirs[0])
    made.enqueue(theirs[0], id="long", text="x" * 400)  # three segments, and there is room for one
    made.enqueue(theirs[1])
    made.run(5000)
    assert not made.sent
    assert lane(made, CAPPED) == ["long", f"m{theirs[1]}"]


def test_transactional_messages_wait_in_order_unless_all_let_others_go(
    valkey: redis.Redis,
) -> None:
    for choice, goes in (("bulk", []), ("all", ["m"])):
        valkey.flushdb()
        made = Carried(valkey, cap=1, uncapped_first=choice)
        theirs, other = of("t_mobile", 1)[0], of("other", 1)[0]
        known(made, other)
        known(made, theirs)
        made.enqueue(theirs, id="theirs", priority="transactional")
        made.enqueue(other, id="m", priority="transactional")
        made.run(3000)
        assert [one.id for one in made.sent] == goes, choice
        made.bench.check()


def test_without_it_bulk_waits_in_order_as_well(valkey: redis.Redis) -> None:
    made = Carried(valkey, cap=1, uncapped_first="none")
    theirs, other = of("t_mobile", 1)[0], of("other", 1)[0]
    known(made, other)
    known(made, theirs)
    made.enqueue(theirs, id="theirs")
    made.enqueue(other, id="m")
    made.run(3000)
    assert not made.sent
    made.bench.later(DAY_MS)
    made.run(3000)
    assert {one.id for one in made.sent} == {"theirs", "m"}


def test_a_campaign_s_side_lane_is_paused_resumed_recounted_and_cancelled_with_it(
    valkey: redis.Redis,
) -> None:
    made = Carried(valkey, cap=1, repeat=True)
    made.campaign(range(30))
    made.run(10_000)
    made.answer_all()
    bench, ledgers = made.bench, Ledgers(valkey, Keys("default"))
    side = f"{CAPPED}#july"
    left = len(lane(made, side))
    assert 0 < left == 30 - len(made.sent)
    assert LaneName.parse(side).carrier == "t_mobile"
    bench.act("july", "pause")
    assert ledgers.recount("july") == ledgers.read("july")
    bench.later(DAY_MS)
    assert not bench.claim(5).grants
    bench.act("july", "resume")
    before = len(made.sent)
    made.run(10_000)
    made.answer_all()
    assert made.by_day("t_mobile").most_common(1)[0][1] == 1
    assert len(made.sent) > before
    bench.check()
    bench.act("july", "cancel")
    assert not lane(made, side)
    assert ledgers.recount("july") == ledgers.read("july")
    assert bench.check()["cancelled"] == 30 - len(made.sent)


def message_to(number: int, id: str) -> Message:
    return message(number, id=id, sender=SENDER, priority="bulk")


def commands(store: Any) -> int:
    stats = store.info("commandstats")
    return sum(value["calls"] for name, value in stats.items() if "info" not in name)


def test_a_claim_costs_the_same_however_many_are_capped(valkey: redis.Redis) -> None:
    def cost(many: int) -> int:
        valkey.flushdb()
        made = Carried(valkey, cap=1)
        [theirs], [other] = of("t_mobile", 1), of("other", 1)
        known(made, other, theirs)
        made.bench.enqueue(*[message_to(theirs, f"c{n}") for n in range(many)])
        made.run(2000)
        made.bench.enqueue(message_to(other, "goes"))
        before = commands(valkey)
        assert [grant.id for grant in made.bench.claim(5).grants] == ["goes"]
        return commands(valkey) - before

    assert cost(1000) <= cost(10) + 3


# The sum, whatever happens.

ACTS = ("claim", "claim", "answer", "refuse", "back", "crash", "doubt", "receipt", "midnight")


class Model:
    """What a brand's day must say, from outside: who holds what, what became of others."""

    def __init__(self, made: Carried, numbers: Sequence[int]) -> None:
        self.made, self.bench = made, made.bench
        self.held: list[Grant] = []
        self.counts: dict[str, tuple[int, float]] = {}
        many = [message_to(number, f"m{n}") for n, number in enumerate(numbers)]
        self.bench.enqueue(*many)

    @property
    def today(self) -> int:
        moment = datetime.fromtimestamp(self.bench.now_ms / 1000, PACIFIC)
        return moment.toordinal() - date(1970, 1, 1).toordinal()

    def lease(self, id: str) -> Lease | None:
        text = self.bench.store.hget(self.bench.keys("leases"), id)
        return Lease.parse(text) if text else None

    def charged(self, id: str) -> float:
        lease = self.lease(id)
        return float(lease is not None and lease.charged_for in ("u", "t"))

    def check(self) -> None:
        today = self.today
        expected = sum(amount for day, amount in self.counts.values() if day == today)
        expected += sum(self.charged(grant.id) for grant in self.held)
        text = self.bench.store.hget(self.bench.keys("levels"), "brand:acme")
        day = BrandDay.parse(text.decode()) if text else BrandDay(today, 0)
        assert (day.segments if day.day == today else 0) == expected
        assert day.segments <= 6
        self.bench.check()

    def claim(self, _: int) -> None:
        for grant in self.bench.claim(2).grants:
            self.bench.later(max(0.0, grant.slot_ms))
            if self.bench.start(grant) == [True]:
                self.held.append(grant)

    def midnight(self, _: int) -> None:
        if not self.held:
            self.bench.later(DAY_MS)

    def receipt(self, which: int) -> None:
        for id in sorted(self.counts)[which : which + 1]:
            record = Record.parse(self.bench.store.hgetall(self.bench.keys.record(id)))
            if record.state == "accepted":
                tell(self.bench, id, bill=bill_of(record.to))

    def crash(self, _: int) -> None:
        for grant in self.held:
            self.counts[grant.id] = (self.today, self.charged(grant.id))
        self.held.clear()
        for _ in range(3):
            self.bench.later(16_000)
            self.bench.sweep()

    def end(self, which: int, kind: str, **fields: Any) -> None:
        if not self.held:
            return
        grant = self.held.pop(which % len(self.held))
        lease = self.lease(grant.id)
        assert lease
        if kind == "accepted":
            theirs = carrier_of(lease.ticket.to) == "t_mobile"
            self.counts[grant.id] = (self.today, float(theirs))
            fields |= {"provider_id": f"p-{grant.id}", "bill": bill_of(lease.ticket.to)}
        elif kind == "doubt":
            self.counts[grant.id] = (self.today, self.charged(grant.id))
        self.bench.settle(grant, kind, heard=True, **fields)

    def answer(self, which: int) -> None:
        self.end(which, "accepted")

    def refuse(self, which: int) -> None:
        self.end(which, "retry", delay_ms=1.0, code="x")

    def back(self, which: int) -> None:
        self.end(which, "unused")

    def doubt(self, which: int) -> None:
        self.end(which, "doubt", delay_ms=-1.0)


@given(
    st.permutations(of("t_mobile", 3) * 3 + of("other", 3) * 3),
    st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 20)), max_size=25),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_used_of_a_cap_is_what_the_carrier_got_and_what_is_under_way(
    valkey: redis.Redis, numbers: list[int], acts: list[tuple[str, int]]
) -> None:
    valkey.flushdb()
    model = Model(Carried(valkey, cap=6), numbers)
    for act, which in acts:
        getattr(model, act)(which)
        model.check()


def test_the_names_of_the_world_are_known() -> None:
    assert Counter(bill_of(f"+1555000{n:04d}").carrier for n in range(100)).keys() == NAMES.keys()
