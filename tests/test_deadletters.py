"""Dead letters: kept until a person replays or purges them."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from sluicegate.errors import UnknownMessage, WrongState
from sluicegate_worker.deadletters import DeadLetters
from support import SENDER, Bench, message

RETENTION_MS = 60_000


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    made = Bench(store, repeat=True, limit=1000)
    made.enqueue(message(0))
    made.send()
    return made


@pytest.fixture
def letters(bench: Bench) -> DeadLetters:
    return DeadLetters(bench.store, bench.keys, RETENTION_MS)


def died(bench: Bench, number: int = 1, flags: str = "hp") -> None:
    bench.enqueue(message(number))
    bench.send(kind="dead", flags=flags, code="40310", reason="HTTP 400", answer="400 {}")


def test_a_dead_letter_says_why_it_died(bench: Bench, letters: DeadLetters) -> None:
    died(bench)
    letter = letters.get("m1")
    assert (letter.id, letter.to, letter.died_ms) == ("m1", message(1).to, int(bench.now_ms))
    assert (letter.code, letter.reason, letter.answer) == ("40310", "HTTP 400", "400 {}")
    assert (letter.attempts, letter.maybe, letter.generation) == (1, 1, 0)


def test_dead_letters_are_listed_the_latest_first(bench: Bench, letters: DeadLetters) -> None:
    for number in (2, 1, 3):
        died(bench, number)
        bench.later(1000)
    assert len(letters) == 3
    assert [letter.id for letter in letters] == ["m3", "m1", "m2"]


def test_more_than_one_page_of_them_is_listed_once_each(
    bench: Bench, letters: DeadLetters
) -> None:
    bench.store.zadd(bench.keys("dead"), {f"d{n:03d}": n for n in range(401)})
    assert [letter.id for letter in letters] == [f"d{n:03d}" for n in range(400, -1, -1)]


def test_a_dead_letter_never_expires(bench: Bench) -> None:
    died(bench)
    assert bench.store.ttl(bench.keys.record("m1")) == -1


def test_a_replay_is_the_next_generation_and_remembers_no_attempt(
    bench: Bench, letters: DeadLetters
) -> None:
    died(bench)
    bench.enqueue(message(2))
    letters.replay("m1")
    assert len(letters) == 0
    assert bench.lane(f"ts:{SENDER}") == ["m2", "m1"]
    bench.send()
    [grant] = bench.claim_all(1)
    assert (grant.id, grant.generation, grant.attempts, grant.maybe) == ("m1", 1, 0, 0)
    assert grant.request == b"", "its bytes are made anew, under a new key"
    assert not {"key_at", "code", "reason", "answer"} & bench.record("m1").keys()
    assert bench.totals()["dead_replayed"] == 1
    bench.check()


def test_a_replay_wakes_a_worker(bench: Bench, letters: DeadLetters) -> None:
    died(bench)
    bench.store.delete(bench.keys("wake"))
    letters.replay("m1")
    assert bench.store.llen(bench.keys("wake")) == 1


def test_a_replay_that_has_expired_meanwhile_ends_as_expired(bench: Bench) -> None:
    now = datetime.fromtimestamp(bench.now_ms / 1000, UTC)
    bench.enqueue(message(1, expires_at=now + timedelta(seconds=10)))
    bench.send(kind="dead", flags="h")
    bench.later(10_000)
    assert bench.replay("m1") == "replayed"
    assert not bench.claim().grants
    assert bench.status("m1").state == "expired"
    bench.check()


def test_a_purge_keeps_the_id_and_forgets_the_content(bench: Bench, letters: DeadLetters) -> None:
    died(bench)
    letters.purge("m1")
    assert bench.status("m1").state == "purged"
    assert not {"content", "request"} & bench.record("m1").keys()
    assert 0 < bench.store.pttl(bench.keys.record("m1")) <= RETENTION_MS
    assert [result.outcome for result in bench.enqueue(message(1))] == ["known"]
    letters.purge("m1")
    assert bench.totals()["purged"] == 1
    bench.check()


@pytest.mark.parametrize("act", ["replay", "purge"])
def test_only_dead_letters_are_replayed_and_purged(
    bench: Bench, letters: DeadLetters, act: str
) -> None:
    bench.enqueue(message(1))
    before = bench.dump()
    with pytest.raises(WrongState, match="waiting"):
        getattr(letters, act)("m1")
    with pytest.raises(UnknownMessage):
        getattr(letters, act)("nobody")
    assert bench.dump() == before
    with pytest.raises(UnknownMessage):
        letters.get("m1")


def test_one_call_repeated_is_one_generation_and_two_calls_are_refused(
    bench: Bench, letters: DeadLetters
) -> None:
    died(bench)
    assert bench.replay("m1") == "replayed"  # the bench repeats it
    assert bench.record("m1")["generation"] == "1"
    with pytest.raises(WrongState):
        letters.replay("m1")
