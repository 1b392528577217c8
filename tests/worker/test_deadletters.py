"""Dead letters: kept until a person replays or purges them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from sluicegate.audit import Audit, By, act
from sluicegate.errors import (
    BadTemplate,
    BadValue,
    InvalidMessage,
    UnknownMessage,
    WrongRenderer,
    WrongState,
)
from sluicegate.message import decode
from sluicegate_worker.operator.deadletters import (
    PURGE,
    REPLAY,
    DeadLetters,
    Replay,
    purge_args,
    replay_args,
)
from sluicegate_worker.operator.edits import Edit, Letters
from support.bench import BY_TEST, Bench
from support.clock import CLOCK
from support.messages import SENDER, message, plan, recipient

RETENTION_MS = 60_000
OTHER = "+15550000099"


@pytest.fixture
def letters(bench: Bench) -> DeadLetters:
    return DeadLetters(bench.store, bench.keys, RETENTION_MS, clock=CLOCK)


def died(bench: Bench, number: int = 1, perhaps: bool = True) -> None:
    bench.enqueue(message(number))
    bench.send(
        kind="dead",
        heard=True,
        perhaps=perhaps,
        code="40310",
        reason="HTTP 400",
        answer="400 {}",
    )


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
    bench.send(kind="dead", heard=True)
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


# Many of them.


@pytest.mark.parametrize("first", [False, True])
def test_letters_that_died_at_once_are_listed_once_each_while_others_go(
    bench: Bench, letters: DeadLetters, first: bool
) -> None:
    bench.store.zadd(bench.keys("dead"), {f"d{n:04d}": 5 for n in range(1_100)} | {"late": 6})
    found = []
    for letter in letters.died(first=first):
        found.append(letter.id)
        bench.store.zrem(bench.keys("dead"), letter.id)
    assert sorted(found) == [*(f"d{n:04d}" for n in range(1_100)), "late"]
    assert found[-1 if first else 0] == "late"


def test_letters_of_a_time(bench: Bench, letters: DeadLetters) -> None:
    bench.store.zadd(bench.keys("dead"), {f"d{n}": n for n in range(10)})
    assert [letter.id for letter in letters.died(3, 5, first=True)] == ["d3", "d4", "d5"]
    assert letters.count(3, 5) == 3


@pytest.mark.parametrize("script", [REPLAY, PURGE])
def test_a_call_on_many_answers_each_and_may_be_repeated(bench: Bench, script: Any) -> None:
    for number in (1, 2, 3):
        died(bench, number)
    bench.enqueue(message(4))
    meant = [Replay("m1"), Replay("m2", 7), Replay("m3", 0), Replay("m4"), Replay("nobody")]
    token = bench.token()
    if script is REPLAY:
        args, done = replay_args(meant, BY_TEST, token), b"replayed"
    else:
        args, done = purge_args(meant, BY_TEST, token, RETENTION_MS), b"purged"
    expected = [done, b"replayed meanwhile", done, b"waiting", b"unknown"]
    assert bench.call(script, args) == expected  # the bench repeats it
    if script is REPLAY:
        bench.cancel("m4")
        for _ in range(2):
            bench.send(kind="dead", heard=True)
        assert bench.call(script, args) == expected
        assert bench.record("m1")["generation"] == "1", "dead again, and not replayed again"
    bench.check()


# The audit.


def test_a_replay_says_who_did_it_and_why(bench: Bench, letters: DeadLetters) -> None:
    died(bench)
    letters.replay("m1", By("ann", "fixed"))
    [entry] = Audit(bench.store, bench.keys)
    assert (entry.at_ms, entry.count, entry.ids) == (int(bench.now_ms), 1, ("m1",))
    assert (entry.who, entry.why, entry.action) == ("ann", "fixed", "replay")
    assert bench.record("m1")["replayed_by"] == "ann"
    bench.send(kind="dead", heard=True)
    assert letters.get("m1").replayed_by == "ann"
    assert "content" in bench.record("m1")


def test_the_calls_of_one_run_are_one_entry_until_somebody_else_acts(
    bench: Bench, letters: DeadLetters
) -> None:
    for number in range(1, 5):
        died(bench, number)
    began, run = int(bench.now_ms), act(By("ann", "a run"), "replay")
    letters.replay_all([Replay("m1")], run)
    bench.later(1000)
    letters.replay_all([Replay("m2"), Replay("m1")], run)
    assert [(one.count, one.at_ms) for one in Audit(bench.store, bench.keys)] == [(2, began)]
    letters.purge("m3", By("bob"))
    letters.replay_all([Replay("m4")], run)
    assert [one.who for one in Audit(bench.store, bench.keys)] == ["ann", "bob", "ann"]


def test_the_audit_is_kept_whole(bench: Bench, letters: DeadLetters) -> None:
    audit = Audit(bench.store, bench.keys)
    old = act(By("old"), "replay").said()
    bench.store.lpush(bench.keys("audit"), *[b'{"at_ms":1,"count":1,' + old[1:]] * 10_000)
    died(bench)
    letters.purge("m1", By("ann"))
    assert len(audit) == 10_001
    assert next(iter(audit)).who == "ann"
    assert sum(1 for _ in audit) == 10_001


# Edits.


@pytest.fixture
def texts(bench: Bench) -> Letters:
    return Letters(bench.store, bench.keys, bench.config.accounts["default"])


def edited(bench: Bench, letters: DeadLetters, texts: Letters, id: str, edit: Edit) -> None:
    [stored] = letters.stored([id])
    [answer] = letters.replay_all([texts.edited(stored, edit)], BY_TEST)
    assert answer == "replayed"


def blast(bench: Bench, **fields: Any) -> str:
    made = plan(**fields)
    bench.campaigns.create(made)
    bench.add("july", recipient(made, 1, "Ann", "77"))
    bench.act("july", "start")
    return bench.send(kind="dead", code="40302", heard=True).id


def test_an_app_s_message_is_edited_and_still_known_by_its_first_content(
    bench: Bench, letters: DeadLetters, texts: Letters
) -> None:
    died(bench)
    edited(bench, letters, texts, "m1", Edit(OTHER, "й" * 71))
    assert bench.lane(f"ts:{OTHER}") == ["m1"]
    [grant] = bench.claim_all(1)
    sent = decode(grant.content, "m1")
    assert (sent.sender, sent.text, grant.generation) == (OTHER, "й" * 71, 1)
    assert bench.record("m1")["ticket"] == f"m1|2|SMS||{message(1).to}"
    assert [result.outcome for result in bench.enqueue(message(1))] == ["known"]
    bench.check()


def test_a_recipient_is_rendered_anew_and_again_from_what_it_was_imported_with(
    bench: Bench, letters: DeadLetters, texts: Letters
) -> None:
    id = blast(bench)
    edited(bench, letters, texts, id, Edit(text="Dear {{ first_name }}"))
    assert bench.lane(f"bs:{SENDER}#july") == [id.partition(".")[2]]
    first = bench.send(kind="dead", heard=True)
    assert decode(first.content, id).text == "Dear Ann"
    edited(bench, letters, texts, id, Edit(sender=OTHER))
    second = bench.send(kind="dead", heard=True)
    sent = decode(second.content, id)
    assert (sent.text, sent.sender) == ("Dear Ann", OTHER)
    edited(bench, letters, texts, id, Edit(text="Code {{ code }}"))
    third = bench.send()
    assert (decode(third.content, id).text, third.generation) == ("Code 77", 3)
    assert decode(third.content, id).sender == OTHER
    assert "content" not in bench.record(id)
    assert bench.check()["accepted"] == 2


def test_an_edit_of_what_somebody_replayed_meanwhile_changes_nothing(
    bench: Bench, letters: DeadLetters, texts: Letters
) -> None:
    died(bench)
    [stored] = letters.stored(["m1"])
    made = texts.edited(stored, Edit(text="other"))
    letters.replay("m1")
    bench.send(kind="dead", heard=True)
    before = bench.dump()
    assert letters.replay_all([made], BY_TEST) == ["replayed meanwhile"]
    assert bench.dump() == before


@pytest.fixture(params=["app", "campaign"])
def letter(request: pytest.FixtureRequest, bench: Bench) -> Iterator[str]:
    """A dead letter of an app's, and of a campaign's."""
    if request.param == "app":
        died(bench)
        yield "m1"
    else:
        yield blast(bench)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Edit(sender="no sender!"), "sender"),
        (Edit(sender="ACME"), "needed by an alphanumeric sender"),
        (Edit(text="x" * 2000), "at most 10 are sent"),
    ],
)
def test_an_edit_is_held_to_the_rules_for_messages(
    letters: DeadLetters, texts: Letters, letter: str, edit: Edit, reason: str
) -> None:
    [stored] = letters.stored([letter])
    with pytest.raises(InvalidMessage, match=reason) as caught:
        texts.edited(stored, edit)
    assert caught.value.id == letter


def test_a_recipient_s_text_is_a_template_and_an_app_s_is_not(
    bench: Bench, letters: DeadLetters, texts: Letters
) -> None:
    died(bench)
    [app, recipient] = letters.stored(["m1", blast(bench)])
    with pytest.raises(InvalidMessage, match="goes out as it is written"):
        texts.edited(app, Edit(text="Hi {{ first_name }}"))
    with pytest.raises(BadValue, match="no variable of campaign july; there are first_name, code"):
        texts.edited(recipient, Edit(text="Hi {{ city }}"))
    with pytest.raises(BadTemplate):
        texts.edited(recipient, Edit(text="Hi {first_name}"))
    with pytest.raises(InvalidMessage, match="blank"):
        texts.edited(app, Edit(text=""))


@pytest.mark.parametrize("edit", [Edit(sender=OTHER), Edit(text="New {{ code }}")])
def test_a_damaged_ticket_ends_its_own_letter_s_edit_alone(
    bench: Bench, letters: DeadLetters, texts: Letters, edit: Edit
) -> None:
    [stored] = letters.stored([blast(bench)])
    content = texts.edited(stored, Edit(sender=OTHER)).content
    damaged = msgspec.structs.replace(stored, ticket=b"half|a tick", content=content)
    with pytest.raises(InvalidMessage, match="ticket = '11 bytes'") as caught:
        texts.edited(damaged, edit)
    assert caught.value.id == stored.id


def test_a_text_of_another_renderer_is_not_rendered_by_this_one(
    bench: Bench, letters: DeadLetters, texts: Letters
) -> None:
    [stored] = letters.stored([blast(bench, renderer="other/9")])
    with pytest.raises(WrongRenderer):
        texts.edited(stored, Edit(sender=OTHER))
    assert texts.edited(stored, Edit(text="New {{ code }}")).content
