"""A campaign whose dead letters went to the lane of another sender: it pauses and ends whole."""

import pytest
import redis

from sluicegate_worker.operator.deadletters import DeadLetters
from sluicegate_worker.operator.edits import Edit, Letters
from support.bench import BY_TEST, Bench
from support.clock import CLOCK
from support.messages import SENDER, plan, recipient

OTHER = "+15550000099"
COUNT = 3
LANE, EDITED = f"bs:{SENDER}#july", f"bs:{OTHER}#july"


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    """A running campaign; one of it waits, and the rest died and are sent from another sender."""
    made = Bench(store, repeat=True, limit=1000)
    july = plan()
    made.campaigns.create(july)
    made.add("july", *[recipient(july, n) for n in range(COUNT + 1)])
    made.act("july", "start")
    letters = DeadLetters(store, made.keys, 60_000, clock=CLOCK)
    texts = Letters(store, made.keys, made.config.accounts["default"])
    died = [made.send(kind="dead", heard=True).id for _ in range(COUNT)]
    edited = [texts.edited(one, Edit(sender=OTHER)) for one in letters.stored(died)]
    assert letters.replay_all(edited, BY_TEST) == ["replayed"] * COUNT
    assert [len(made.lane(lane)) for lane in (LANE, EDITED)] == [1, COUNT]
    return made


def test_they_are_sent_like_the_rest(bench: Bench) -> None:
    assert len(bench.drain(20_000)) == COUNT + 1
    bench.sweep()
    assert bench.campaigns.get("july").state == "finished"
    assert bench.check() == {"accepted": COUNT + 1}


def test_a_campaign_pauses_and_resumes_with_all_its_lanes(bench: Bench) -> None:
    bench.act("july", "pause")
    assert not bench.claim(50).grants
    assert bench.check() == {"waiting": COUNT + 1}
    bench.act("july", "resume")
    bench.check()
    assert len(bench.drain(20_000)) == COUNT + 1


def test_a_paused_campaign_s_letters_wait_for_it(bench: Bench) -> None:
    bench.act("july", "pause")
    assert not bench.drain(3_000)
    assert bench.check() == {"waiting": COUNT + 1}


def test_a_campaign_is_cancelled_with_all_its_lanes(bench: Bench) -> None:
    held = bench.claim_all(2)
    bench.act("july", "cancel")
    for grant in held:
        bench.settle(grant, "unused")
    assert bench.check() == {"cancelled": COUNT + 1}
    assert bench.campaigns.recount("july") == bench.campaigns.ledger("july")
    assert [bench.lane(lane) for lane in (LANE, EDITED)] == [[], []]


def test_a_pace_opens_all_its_lanes(bench: Bench) -> None:
    bench.campaigns.pace("july", 0.001)
    assert len(bench.drain(5_000)) == 1
    bench.campaigns.pace("july")
    bench.check()
    assert len(bench.drain(5_000)) == COUNT
