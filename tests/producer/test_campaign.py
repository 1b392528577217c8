"""Campaigns: each recipient once whatever the files, exact control, and a ledger that adds up.

A machine plays importers, people and workers against the scripts; after every step each ledger
must be what a recount of all tickets, leases, lists and records says.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from scripts.test_states import ANSWERS, CONCURRENCY, SENDERS, TO_REST_MS, Books
from sluicegate.campaigns.campaign import IMPORT, Action
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.import_batch import IMPORT_BATCH, ImportResult
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient, Recipients, Rejected
from sluicegate.campaigns.rejects import Rejects
from sluicegate.errors import (
    CampaignExists,
    InvalidMessage,
    UnknownCampaign,
    WrongCampaignState,
    WrongState,
)
from sluicegate.optouts import START_TO_POST_SECONDS
from sluicegate_worker.operator.deadletters import DeadLetters
from sluicegate_worker.wire import Grant, Settle
from support.bench import Bench
from support.messages import member_id, message, plan, recipient

JULY = plan()
ACTIONS: tuple[Action, ...] = ("start", "pause", "resume", "cancel")
LEASE_MS = 15_000.0


def people(*numbers: int, of: Plan = JULY) -> list[Recipient]:
    return [recipient(of, number) for number in numbers]


def id_of(number: int, of: Plan = JULY) -> str:
    return member_id(of.name, recipient(of, number))


def to_of(number: int) -> str:
    return recipient(JULY, number).to


def blast(bench: Bench, count: int, of: Plan = JULY) -> Plan:
    """A campaign with recipients 0 to ``count``, started."""
    bench.campaigns.create(of)
    assert bench.add(of.name, *people(*range(count), of=of)) == "a" * count
    assert bench.act(of.name, "start") == "running"
    return of


def started(bench: Bench, count: int) -> list[Grant]:
    """Claim and start so many."""
    grants = bench.claim_all(count)
    bench.later(max(0.0, *(grant.slot_ms for grant in grants), 0.0))
    assert bench.start(*grants) == [True] * count
    return grants


def states(bench: Bench, name: str = "july") -> dict[str, int]:
    """The ledger's counters above zero, once they are proved."""
    ledger = bench.campaigns.ledger(name)
    assert ledger.adds_up
    assert ledger == bench.campaigns.recount(name)
    bench.check()
    return {state: count for state, count in ledger.states.items() if count}


def away(bench: Bench, ms: float) -> None:
    """Let time pass in which other workers call; nobody hears of this one's leases."""
    for _ in range(int(ms // 5000)):
        bench.later(5000)
        bench.step()


def ids(grants: Sequence[Grant]) -> list[str]:
    return [grant.id for grant in grants]


# Identity: the recipient, never the row.


class Files:
    """CSV files of one test, imported as a command line does it."""

    def __init__(self, bench: Bench, folder: Path, of: Plan) -> None:
        self.bench, self.folder, self.plan = bench, folder, of
        bench.campaigns.create(of)

    def write(
        self, rows: Iterable[Sequence[object]], header: str = "phone,first name,code"
    ) -> Path:
        path = self.folder / "people.csv"
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        return path

    def add(self, path: Path) -> Counter[ImportResult]:
        found = list(Recipients(self.plan, CsvFile(path)))
        with Rejects(self.folder / "rejects.csv", CsvFile(path)) as rejects:
            for row in found:
                if isinstance(row, Rejected):
                    rejects.add(row)
        recipients = [row for row in found if isinstance(row, Recipient)]
        answers = [outcome for _, outcome in self.bench.campaigns.add(self.plan.name, recipients)]
        states(self.bench, self.plan.name)
        return Counter(answers)


ROWS = [(f"+1415200{n:04d}", f"Ann{n}", n) for n in range(300)]


@pytest.fixture
def files(bench: Bench, tmp_path: Path) -> Files:
    return Files(bench, tmp_path, plan(region="US"))


@pytest.mark.parametrize(
    "again",
    [
        ROWS,
        ROWS[10:],
        random.Random(1).sample(ROWS, len(ROWS)),
        [(to, name.upper(), "other") for to, name, _ in ROWS],
        [(f"({to[2:5]}) {to[5:8]}-{to[8:]}", name, code) for to, name, code in ROWS],
        [(f"1.{to[2:5]}.{to[5:8]}.{to[8:]}", name, code) for to, name, code in ROWS],
        [(to.replace("+", "00"), name, code) for to, name, code in ROWS],
    ],
    ids=["same", "shifted", "shuffled", "other values", "national", "dotted", "00"],
)
def test_a_file_imported_again_adds_nobody(files: Files, again: list[Any]) -> None:
    assert files.add(files.write(ROWS)) == {"added": len(ROWS)}
    assert files.add(files.write(again)) == {"duplicate": len(again)}
    assert files.bench.campaigns.ledger("july").imported == len(ROWS)


def test_what_an_import_left_undone_is_added_by_the_next(files: Files) -> None:
    files.add(files.write(ROWS[:100]))
    assert files.add(files.write(ROWS)) == {"added": 200, "duplicate": 100}


def test_a_number_twice_in_one_file_is_one_recipient(files: Files) -> None:
    rows = [("+14152000000", "Ann", 1), ("(415) 200-0000", "Ben", 2)]
    assert files.add(files.write(rows)) == {"added": 1, "duplicate": 1}


def test_rejects_are_corrected_and_imported_again(files: Files) -> None:
    bad = [("12", "Ann", 1), ("+14152000999", "", 2)]
    assert files.add(files.write([*ROWS[:5], *bad])) == {"added": 5}
    rejects = files.folder / "rejects.csv"
    text = rejects.read_text(encoding="utf-8-sig")
    assert files.add(rejects) == {}
    again = rejects.read_text(encoding="utf-8-sig")
    assert again.splitlines()[0] == text.splitlines()[0], "its notes are replaced, not doubled"
    corrected = text.replace(",12,Ann", ",4152000998,Ann").replace(
        ",'+14152000999,,", ",'+14152000999,Eve,"
    )
    rejects.write_text(corrected, encoding="utf-8-sig")
    assert files.add(rejects) == {"added": 2}
    assert files.add(rejects) == {"duplicate": 2}


def test_a_key_column_sends_several_messages_to_one_number(bench: Bench, tmp_path: Path) -> None:
    files = Files(bench, tmp_path, plan(region="US", key_column="order"))
    header = "phone,first name,code,order"
    rows = [("+14152000000", "Ann", 1, "A-1"), ("4152000000", "Ann", 2, "A-2")]
    assert files.add(files.write(rows, header)) == {"added": 2}
    moved = [("+14152000001", "Ann", 1, "A-1 "), ("+14152000000", "Ann", 3, "A-3")]
    assert files.add(files.write(moved, header)) == {"added": 1, "duplicate": 1}
    bench.act("july", "start")
    sent = [bench.send() for _ in range(3)]
    assert [grant.content.split(b"|")[4] for grant in sent] == [b"+14152000000"] * 3
    assert len({grant.id for grant in sent}) == 3


def test_an_import_repeated_after_a_lost_reply_answers_the_same(bench: Bench) -> None:
    bench.campaigns.create(JULY)
    bench.store.hset(bench.keys("optouts"), to_of(2), "0 test")
    args = bench.campaigns.import_args("july", people(0, 1, 1, 2))
    assert bench.call(IMPORT, args) == b"aads"
    assert bench.call(IMPORT, args) == b"aads"
    assert bench.store.pttl(bench.keys("import:july")) > 3_600_000, "its source may pause for long"
    assert bench.add("july", *people(0, 1, 2)) == "ddd", "another call's are duplicates"
    assert states(bench) == {"waiting": 2, "suppressed": 1}


def test_two_campaigns_know_nothing_of_each_other(bench: Bench) -> None:
    august = plan("august")
    blast(bench, 3)
    blast(bench, 3, august)
    assert sorted(ids(bench.claim_all(6))) == sorted(
        [id_of(n, of) for n in range(3) for of in (JULY, august)]
    )


def test_importing_more_than_a_batch(store: redis.Redis) -> None:
    bench = Bench(store)
    bench.campaigns.create(JULY, expected_rows=2 * IMPORT_BATCH + 1)
    rows = people(*range(2 * IMPORT_BATCH + 1))
    added = list(bench.campaigns.add("july", iter(rows)))
    assert added == [(row, "added") for row in rows]
    assert states(bench) == {"waiting": len(rows)}


def test_a_source_that_fails_fails_the_import_once_what_was_before_is_told(
    store: redis.Redis,
) -> None:
    bench = Bench(store)
    bench.campaigns.create(JULY, expected_rows=IMPORT_BATCH + 1)
    rows = people(*range(IMPORT_BATCH + 1))

    def source() -> Iterator[Recipient]:
        yield from rows
        raise OSError("the file ended early")

    added = bench.campaigns.add("july", source())
    told = [next(added)[0] for _ in range(IMPORT_BATCH)]
    with pytest.raises(OSError, match="ended early"):
        next(added)
    assert told == rows[:IMPORT_BATCH]
    assert states(bench) == {"waiting": IMPORT_BATCH}


def test_importing_into_each_state(bench: Bench) -> None:
    bench.campaigns.create(JULY)
    assert bench.add("july", *people(0)) == "a"
    assert bench.claim().why == "idle", "a draft sends nothing"
    bench.act("july", "start")
    assert bench.add("july", *people(1)) == "a"
    assert ids([bench.send(), bench.send()]) == [id_of(0), id_of(1)]
    bench.act("july", "pause")
    assert bench.add("july", *people(2)) == "a"
    assert bench.claim().why == "idle", "nor does one that is paused"
    bench.act("july", "resume")
    assert bench.send().id == id_of(2)
    bench.sweep()
    finished = bench.campaigns.get("july")
    assert (finished.state, finished.ended_ms) == ("finished", round(bench.now_ms))
    assert bench.add("july", *people(2)) == "d"
    assert bench.campaigns.get("july") == finished, "duplicates wake nothing"
    assert bench.add("july", *people(3)) == "a"
    again = bench.campaigns.get("july")
    assert (again.state, again.ended_ms) == ("running", 0)
    assert bench.send().id == id_of(3)
    bench.add("july", *people(4))
    bench.act("july", "cancel")
    with pytest.raises(WrongCampaignState, match="july is cancelled: it can't take recipients"):
        list(bench.campaigns.add("july", people(5)))
    assert states(bench) == {"accepted": 4, "cancelled": 1}


def test_only_who_opted_out_of_a_finished_campaign_s_import_does_not_run_it(bench: Bench) -> None:
    blast(bench, 1)
    bench.send()
    bench.sweep()
    bench.store.hset(bench.keys("optouts"), to_of(1), "0 test")
    assert bench.add("july", *people(1)) == "s"
    assert bench.campaigns.get("july").state == "finished"


# Campaigns themselves.


def test_a_name_stands_for_one_plan(bench: Bench) -> None:
    made = bench.campaigns.create(JULY)
    assert (made.state, made.created_ms, made.started_ms, made.ended_ms) == (
        "draft", round(bench.now_ms), 0, 0,
    )  # fmt: skip
    bench.later(5)
    assert bench.campaigns.create(plan()) == made
    with pytest.raises(CampaignExists, match="july"):
        bench.campaigns.create(plan(text="Other {{ first_name }}"))
    assert bench.campaigns.get("july") == made


def test_the_latest_campaign_is_listed_first(bench: Bench) -> None:
    for name in ("a", "c", "b"):
        bench.campaigns.create(plan(name))
        bench.later(1)
    assert [made.name for made in bench.campaigns] == ["b", "c", "a"]


def test_a_plan_that_makes_no_sense_is_not_created(bench: Bench) -> None:
    with pytest.raises(InvalidMessage):
        bench.campaigns.create(plan(sender="-"))
    assert list(bench.campaigns) == []


@pytest.mark.parametrize("act", ["get", "add", *ACTIONS])
def test_an_unknown_campaign(bench: Bench, act: Any) -> None:
    asks: dict[str, Callable[[], object]] = {
        "get": lambda: bench.campaigns.get("july"),
        "add": lambda: list(bench.campaigns.add("july", people(1))),
    }
    with pytest.raises(UnknownCampaign, match="campaign july: not known"):
        asks.get(act, lambda: bench.campaigns.act("july", act))()
    assert not list(bench.campaigns)


ALLOWED = {
    ("draft", "start"): "running",
    ("running", "start"): "running",
    ("finished", "start"): "finished",
    ("running", "pause"): "paused",
    ("paused", "pause"): "paused",
    ("paused", "resume"): "running",
    ("running", "resume"): "running",
    **{(state, "cancel"): "cancelled" for state in ("draft", "running", "paused", "cancelled")},
}
PATHS: dict[str, list[Action]] = {
    "draft": [],
    "running": ["start"],
    "paused": ["start", "pause"],
    "finished": ["start"],
    "cancelled": ["cancel"],
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", PATHS)
def test_which_state_allows_which_action(bench: Bench, state: str, action: Action) -> None:
    bench.campaigns.create(JULY)
    for step in PATHS[state]:
        bench.act("july", step)
    if state == "finished":
        bench.sweep()
    assert bench.campaigns.get("july").state == state
    before = bench.dump()
    if after := ALLOWED.get((state, action)):
        assert bench.act("july", action) == after
        assert bench.campaigns.get("july").state == after
        bench.check()
    else:
        with pytest.raises(WrongCampaignState, match=f"july is {state}: it can't {action}"):
            bench.campaigns.act("july", action)
        assert bench.dump() == before


# Control: what has been said takes effect at once.


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_nothing_starts_after_a_pause_or_a_cancel(bench: Bench, action: Action) -> None:
    blast(bench, 6)
    begun = started(bench, 2)
    held = bench.claim_all(2)
    bench.act("july", action)
    bench.later(max(grant.slot_ms for grant in held))
    assert bench.start(*held) == [False, False]
    if action == "pause":
        assert states(bench) == {"waiting": 6}
    else:
        assert states(bench) == {"waiting": 2, "cancelled": 4}, "what is under way is not"
    assert bench.claim(5).why == "idle"
    for grant in begun:
        assert bench.settle(grant, "accepted", provider_id="p", heard=True) == "applied"
    if action == "pause":
        bench.act("july", "resume")
        assert ids([bench.send() for _ in range(4)]) == [id_of(n) for n in range(2, 6)]
        assert states(bench) == {"accepted": 6}
    else:
        assert states(bench) == {"accepted": 2, "cancelled": 4}
    bench.sweep()
    assert bench.campaigns.get("july").state == ("finished" if action == "pause" else "cancelled")
    assert bench.claim().why == "idle"


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_they_wait_out_what_has_just_started(bench: Bench, action: Action) -> None:
    bench.repeat = False
    blast(bench, 3)
    [held] = bench.claim_all(1)
    bench.act("july", action)
    assert bench.slept == [], "nothing had started"
    bench.later(held.slot_ms)
    bench.start(held)
    blast(bench, 1, plan("august"))
    started(bench, 1)
    bench.act("august", action)
    assert bench.slept == [START_TO_POST_SECONDS]


def test_a_pause_gives_back_in_order_and_loses_nobody(bench: Bench) -> None:
    blast(bench, 20)
    sent = []
    for _ in range(4):
        sent.append(bench.send().id)
        held = bench.claim_all(3)
        bench.act("july", "pause")
        bench.later(max(grant.slot_ms for grant in held))
        assert bench.start(*held) == [False] * 3
        assert states(bench)["waiting"] == 20 - len(sent)
        bench.act("july", "resume")
    sent += [bench.send().id for _ in range(16)]
    assert sent == [id_of(n) for n in range(20)]


def test_a_worker_gives_unused_grants_back_to_a_campaign_that_is_no_more(bench: Bench) -> None:
    blast(bench, 4)
    held = bench.claim_all(3)
    bench.act("july", "cancel")
    assert states(bench) == {"waiting": 3, "cancelled": 1}
    assert [bench.settle(grant, "unused") for grant in held[:2]] == ["applied"] * 2
    assert states(bench) == {"waiting": 1, "cancelled": 3}
    away(bench, LEASE_MS)
    assert bench.sweep().given_back == 1
    assert states(bench) == {"cancelled": 4}


@pytest.mark.parametrize("kind", ["back", "retry", "doubt", "dead"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_cancel_meets_every_state_of_a_message(bench: Bench, kind: Any, when: str) -> None:
    blast(bench, 3)
    [grant] = started(bench, 1)
    if when == "after":
        bench.act("july", "cancel")
    assert bench.settle(grant, kind, delay_ms=5_000, reason="so") == "applied"
    if when == "before":
        bench.act("july", "cancel")
    expected = {"back": "cancelled", "retry": "retrying", "doubt": "in_doubt", "dead": "dead"}
    assert states(bench) == dict(Counter(["cancelled"] * 2 + [expected[kind]]))
    bench.later(5_000)
    assert bench.claim(5).grants == []
    bench.sweep()
    if kind in ("back", "retry"):
        assert states(bench) == {"cancelled": 3}
    elif kind == "doubt":
        assert states(bench) == {"cancelled": 2, "in_doubt": 1}
        refused = bench.resolve(grant.id, "resend")
        assert refused == "in a cancelled campaign", "nothing is sent again in it"
        assert bench.resolve(grant.id, "drop") == "resolved"
        assert states(bench) == {"cancelled": 3}
    else:
        assert bench.replay(grant.id) == "in a cancelled campaign"
        assert bench.purge(grant.id) == "purged"
        assert states(bench) == {"cancelled": 2, "purged": 1}
    # Its evidence counts all the same.
    assert bench.settle(grant, "accepted", provider_id="p", heard=True) == "applied"
    assert states(bench) == {"cancelled": 2, "accepted": 1}


def test_a_dead_letter_of_a_cancelled_campaign_is_not_replayed(bench: Bench) -> None:
    blast(bench, 1)
    bench.send(kind="dead", reason="so")
    bench.act("july", "cancel")
    letters = DeadLetters(bench.store, bench.keys, bench.config.retention_ms)
    rule = "is in a cancelled campaign: only dead letters are replayed"
    with pytest.raises(WrongState, match=rule):
        letters.replay(id_of(0))
    assert [(letter.id, letter.to) for letter in letters] == [(id_of(0), to_of(0))]


def test_acceptance_that_comes_late_moves_a_cancelled_recipient(bench: Bench) -> None:
    """Its lease was lost, its doubt resent, and its campaign cancelled while it waited again."""
    blast(bench, 2)
    [grant] = started(bench, 1)
    away(bench, LEASE_MS)
    assert bench.sweep().in_doubt == 1
    assert bench.resolve(grant.id, "resend") == "resolved"
    assert states(bench) == {"waiting": 2}
    bench.act("july", "cancel")
    assert states(bench) == {"cancelled": 2}
    assert bench.settle(grant, "accepted", provider_id="p", heard=True) == "applied"
    assert states(bench) == {"accepted": 1, "cancelled": 1}


def test_acceptance_that_comes_late_while_sent_again_and_then_a_cancel(bench: Bench) -> None:
    """The lease that is still held is of a message that has ended: it does not wait."""
    blast(bench, 3)
    [first] = started(bench, 1)
    away(bench, LEASE_MS)
    bench.sweep()
    bench.resolve(first.id, "resend")
    [again] = started(bench, 1)
    assert again.id == first.id
    bench.settle(first, "accepted", provider_id="p", heard=True)
    assert states(bench) == {"accepted": 1, "waiting": 2}
    bench.act("july", "cancel")
    assert states(bench) == {"accepted": 1, "cancelled": 2}
    bench.settle(again, "accepted", provider_id="q", heard=True)
    assert states(bench) == {"accepted": 1, "cancelled": 2}
    assert bench.totals()["sent_twice"] == 1


def test_a_recipient_cancelled_by_itself_and_with_its_campaign_counts_once(bench: Bench) -> None:
    blast(bench, 3)
    grants = started(bench, 2)
    for grant in grants:
        bench.settle(grant, "back")
    assert bench.cancel(grants[0].id) == "cancelled"
    assert states(bench) == {"cancelled": 1, "waiting": 2}
    bench.act("july", "cancel")
    assert states(bench) == {"cancelled": 3}
    assert [bench.cancel(grant.id) for grant in grants] == ["cancelled"] * 2
    assert states(bench) == {"cancelled": 3}


def test_a_value_that_names_another_campaign_is_no_lease_of_it(bench: Bench) -> None:
    bench.campaigns.create(JULY)
    bench.add("july", *[recipient(JULY, n, "x#august|", "#august|y") for n in range(3)])
    bench.act("july", "start")
    bench.claim_all(2)
    blast(bench, 3, plan("august"))
    bench.act("august", "cancel")
    assert states(bench, "august") == {"cancelled": 3}
    assert states(bench) == {"waiting": 3}


def test_a_campaign_without_recipients_finishes(bench: Bench) -> None:
    blast(bench, 0)
    bench.sweep()
    assert bench.campaigns.get("july").state == "finished"


@pytest.mark.parametrize("kind", ["back", "retry", "doubt"])
def test_a_campaign_is_not_finished_while_anything_is_pending(bench: Bench, kind: Any) -> None:
    blast(bench, 1)

    def swept() -> str:
        bench.sweep()
        return bench.campaigns.get("july").state

    assert swept() == "running", "it waits"
    [held] = bench.claim_all(1)
    assert swept() == "running", "it is granted"
    bench.later(held.slot_ms)
    bench.start(held)
    assert swept() == "running", "it is started"
    bench.settle(held, kind, delay_ms=9_000)
    assert swept() == "running", "it comes again"
    bench.later(9_000)
    assert swept() == "running", "it is due"
    bench.send()
    assert swept() == "finished"


def test_a_paused_campaign_with_nothing_left_finishes_once_it_is_resumed(bench: Bench) -> None:
    blast(bench, 1)
    [grant] = started(bench, 1)
    bench.act("july", "pause")
    bench.settle(grant, "accepted", provider_id="p", heard=True)
    bench.sweep()
    assert bench.campaigns.get("july").state == "paused"
    bench.act("july", "resume")
    bench.sweep()
    assert bench.campaigns.get("july").state == "finished"


def test_a_dead_letter_replayed_sets_a_finished_campaign_running(bench: Bench) -> None:
    blast(bench, 1)
    bench.send(kind="dead", reason="so")
    bench.sweep()
    assert bench.campaigns.get("july").state == "finished"
    assert bench.replay(id_of(0)) == "replayed"
    again = bench.campaigns.get("july")
    assert (again.state, again.ended_ms) == ("running", 0)
    assert states(bench) == {"waiting": 1}
    assert bench.send().generation == 1
    bench.sweep()
    assert bench.campaigns.get("july").state == "finished"
    assert states(bench) == {"accepted": 1}


def test_a_dead_letter_replayed_in_a_paused_campaign_waits_for_it(bench: Bench) -> None:
    blast(bench, 1)
    bench.send(kind="dead", reason="so")
    bench.act("july", "pause")
    assert bench.replay(id_of(0)) == "replayed"
    assert bench.claim().grants == []
    assert states(bench) == {"waiting": 1}
    bench.act("july", "resume")
    assert bench.send().id == id_of(0)


def test_a_retry_that_is_due_in_a_paused_campaign_waits_for_it(bench: Bench) -> None:
    blast(bench, 2)
    grant = bench.send(kind="retry", delay_ms=100)
    bench.act("july", "pause")
    bench.later(100)
    assert bench.claim(5).grants == []
    assert states(bench) == {"waiting": 2}
    bench.act("july", "resume")
    assert bench.send().id == grant.id, "at the head"


@pytest.mark.parametrize("action", ["pause", "cancel"])
def test_a_closed_campaign_holds_nobody_up(bench: Bench, action: Action) -> None:
    for n in range(40):
        blast(bench, 2, plan(f"c{n:02d}"))
    blast(bench, 3, plan("zz"))
    bench.enqueue(message(1, priority="bulk"), message(2))
    for n in range(40):
        bench.act(f"c{n:02d}", action)
    for _ in range(3):  # what comes back must not open it either
        bench.sweep()
    grants = bench.claim(5).grants or bench.claim(5).grants
    while len(grants) < 5:
        bench.later(20)
        grants = [*grants, *bench.claim(5 - len(grants)).grants]
    expected = {"m1", "m2", *(id_of(n, plan("zz")) for n in range(3))}
    assert set(ids(grants)) == expected
    assert bench.claim(5).why == "idle"
    assert not bench.sweep().work, "no drain is asked for what must not be sent"


def test_a_paused_campaign_with_returning_grants_asks_for_no_drain(bench: Bench) -> None:
    blast(bench, 3)
    held = bench.claim_all(2)
    bench.act("july", "pause")
    for grant in held:
        bench.settle(grant, "unused")
    bench.claim()
    assert not bench.sweep().work


# Opt-outs and expiry.


def test_who_opts_out_is_not_sent_to(bench: Bench) -> None:
    blast(bench, 4)
    [held] = bench.claim_all(1)
    optouts, unsent = bench.keys("optouts"), bench.keys.unsent("july", "suppressed")
    bench.store.hset(optouts, to_of(0), "0 test")  # while it is granted
    bench.store.hset(optouts, to_of(1), "0 test")  # while it waits
    bench.store.hset(optouts, to_of(4), "0 test")  # before it is imported
    assert bench.add("july", *people(4)) == "s"
    bench.later(held.slot_ms)
    assert bench.start(held) == [False]
    assert ids([bench.send(), bench.send()]) == [id_of(2), id_of(3)]
    assert states(bench) == {"accepted": 2, "suppressed": 3}
    listed: Any = bench.store.lrange(unsent, 0, -1)
    stored, rows = bench.campaigns.members("july").stored, people(0, 1, 4)
    expected = [stored(row.hash, row.ticket_end)[1] for row in rows]
    assert sorted(listed) == sorted(expected)
    bench.store.delete(optouts)
    assert bench.add("july", *people(0, 1, 4)) == "ddd", "an import never sends to them later"


def test_who_opts_out_between_two_attempts_is_not_sent_to_again(bench: Bench) -> None:
    blast(bench, 1)
    bench.send(kind="retry", delay_ms=10)
    bench.store.hset(bench.keys("optouts"), to_of(0), "0 test")
    bench.later(10)
    assert bench.claim().grants == []
    assert states(bench) == {"suppressed": 1}
    assert bench.record(id_of(0))["state"] == "suppressed", "it was sent once, so it has a record"


def test_what_expires_is_not_sent(bench: Bench) -> None:
    expires = datetime.fromtimestamp(bench.now_ms / 1000, UTC) + timedelta(seconds=10)
    of = plan(expires_at=expires)
    blast(bench, 5, of)
    bench.send()
    bench.send(kind="retry", delay_ms=20_000)
    [held] = bench.claim_all(1)
    bench.later(9_990 - bench.now_ms + expires.timestamp() * 1000 - 10_000)
    bench.step()
    bench.later(10)
    assert bench.start(held) == [False]
    assert bench.claim(5).grants == []
    assert states(bench) == {"accepted": 1, "retrying": 1, "expired": 3}
    assert bench.store.llen(bench.keys.unsent("july", "expired")) == 3
    bench.later(20_000)
    bench.claim(5)
    assert states(bench) == {"accepted": 1, "expired": 4}
    bench.sweep()
    assert bench.campaigns.get("july").state == "finished"


# Size.


def test_a_waiting_recipient_is_small(valkey: redis.Redis) -> None:
    count = 20_000
    bench = Bench(valkey)
    bench.campaigns.create(JULY, expected_rows=count)
    bench.add("july", *people(0))
    rows = [recipient(JULY, n, f"Ann{n % 100}", f"{n:05d}") for n in range(1, count + 1)]

    def used() -> int:
        return int(bench.store.info("memory")["used_memory"])

    before = used()
    assert sum(1 for _ in bench.campaigns.add("july", rows)) == count
    assert (used() - before) / count <= 200
    members: Any = bench.store.scan_iter(match=bench.keys.members("july", "*"))
    sizes = [bench.store.memory_usage(key, samples=0) for key in members]
    assert sum(sizes) / count <= 16, "membership alone"


# The machine.


class Blasts(Books):
    """``Books`` with campaigns: the same workers, people and clock, and importers besides."""

    @initialize()
    def empty(self) -> None:
        super().empty()
        self.checks = 0
        self.plans: list[Plan] = []
        self.members: dict[str, set[int]] = {}
        for expires in (None, None):
            self.create(expires)
        self.add_people(0, list(range(6)), "")
        self.act(0, "start")

    @precondition(lambda self: len(self.plans) < 4)
    @rule(expires=st.sampled_from([None, None, 30.0, 5_000.0]))
    def create(self, expires: float | None) -> None:
        at = None
        if expires is not None:
            at = datetime.fromtimestamp(self.bench.now_ms / 1000, UTC) + timedelta(seconds=expires)
        of = plan(f"c{len(self.plans)}", expires_at=at, sender=SENDERS[len(self.plans) % 2])
        assert self.bench.campaigns.create(of).state == "draft"
        self.plans.append(of)
        self.members[of.name] = set()

    @rule(
        c=st.integers(0, 3),
        numbers=st.lists(st.integers(0, 11), max_size=6),
        value=st.sampled_from(["", "a|b", "#c0|", "#c1|x"]),
    )
    def add_people(self, c: int, numbers: list[int], value: str) -> None:
        of, state = self.pick(c)
        values = (value, value) if value else ()
        rows = [recipient(of, n, *values) for n in numbers]
        known = self.members[of.name]
        if state == "cancelled":
            if rows:
                with pytest.raises(WrongCampaignState):
                    list(self.bench.campaigns.add(of.name, rows))
            return
        answer = self.bench.add(of.name, *rows)
        for n, letter in zip(numbers, answer, strict=True):
            out = self.store.hexists(self.bench.keys("optouts"), to_of(n))
            assert letter == ("d" if n in known else "s" if out else "a")
            known.add(n)

    @rule(c=st.integers(0, 3), action=st.sampled_from(ACTIONS[:3] * 3 + ACTIONS[3:]))
    def act(self, c: int, action: Action) -> None:
        of, state = self.pick(c)
        if after := ALLOWED.get((state, action)):
            assert self.bench.act(of.name, action) == after
        else:
            with pytest.raises(WrongCampaignState):
                self.bench.campaigns.act(of.name, action)

    @rule(n=st.integers(0, 11), listed=st.booleans())
    def optout_of_campaigns(self, n: int, listed: bool) -> None:
        key = self.bench.keys("optouts")
        if listed:
            self.store.hset(key, to_of(n), "0 test")
        else:
            self.store.hdel(key, to_of(n))

    @precondition(lambda self: self.grants)
    @rule(
        pick=st.integers(0, 5) | st.integers(0, 1000),
        kind=st.sampled_from(["accepted", "accepted", "retry", "back", "dead", "doubt", "unused"]),
        answer=st.sampled_from(ANSWERS),
        delay_ms=st.sampled_from([0.0, 900.0, 60_000.0, -1.0]),
        halt=st.sampled_from(["", "", "", "account", "sender"]),
    )
    def settle(self, pick: int, kind: Any, answer: Any, delay_ms: float, halt: str) -> None:
        grant = self.grants[-1 - pick % len(self.grants)]
        settle = Settle(
            id=grant.id,
            token=grant.token,
            kind=kind,
            **answer,
            delay_ms=delay_ms if kind == "doubt" else max(0.0, delay_ms),
            provider_id=f"p-{grant.token}" if kind == "accepted" else "",
            halt=halt if kind == "back" else "",
        )
        if self.truthful:
            settle = self.as_it_was(grant, settle)
        known = self.bench.record(grant.id)
        self.bench.step([settle])
        if settle.kind == "accepted" and known:
            assert self.bench.record(grant.id)["state"] == "accepted", "evidence was not taken"

    def began(self, grant: Grant) -> None:
        super().began(grant)
        name, dot, _ = grant.id.partition(".")
        assert not dot or self.bench.campaigns.get(name).state == "running"

    @rule(
        c=st.integers(0, 3),
        n=st.integers(0, 11),
        verdict=st.sampled_from(["accepted", "resend", "drop"]),
    )
    def resolve_one(self, c: int, n: int, verdict: str) -> None:
        id = self.one(c, n)
        if self.bench.resolve(id, verdict) == "resolved" and verdict == "resend":
            self.excuse(id)

    @rule(c=st.integers(0, 3), n=st.integers(0, 11))
    def replay_one(self, c: int, n: int) -> None:
        id = self.one(c, n)
        _, state = self.pick(c)
        dead = id in self.ids("dead")
        answer = self.bench.replay(id)
        assert (answer == "replayed") == (dead and state != "cancelled")
        if answer == "replayed":
            self.excuse(id)

    @rule(c=st.integers(0, 3), n=st.integers(0, 11))
    def purge_one(self, c: int, n: int) -> None:
        self.bench.purge(self.one(c, n))

    @rule(c=st.integers(0, 3), n=st.integers(0, 11))
    def cancel_one(self, c: int, n: int) -> None:
        id = self.one(c, n)
        if self.bench.record(id):
            self.bench.cancel(id)

    def pick(self, c: int) -> tuple[Plan, str]:
        of = self.plans[c % len(self.plans)]
        return of, self.bench.campaigns.get(of.name).state

    def one(self, c: int, n: int) -> str:
        return id_of(n, self.pick(c)[0])

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "plans"):
            return
        imported = sum(map(len, self.members.values()))
        assert self.bench.check().total() == len(self.enqueued) + imported
        self.checks += 1
        for number, of in enumerate(self.plans):
            ledger = self.bench.campaigns.ledger(of.name)
            assert ledger.adds_up
            assert ledger.imported == len(self.members[of.name])
            if number == self.checks % len(self.plans):  # one after the other: it asks much
                assert ledger == self.bench.campaigns.recount(of.name)

    def teardown(self) -> None:
        """Open every campaign and drain everything: each one must finish, or wait for a person."""
        if not hasattr(self, "plans"):
            return
        bench = self.bench
        bench.repeat = False
        bench.at(max(bench.now_ms, self.latest_ms))
        for c in range(len(self.plans)):
            for action in ("start", "resume"):
                if (self.pick(c)[1], action) in ALLOWED:
                    self.act(c, action)
        for _ in range(60):
            self.lift_the_halt()
            for ms in TO_REST_MS:
                bench.later(ms)
                self.a_lease_s_time_passes()
            self.send_all()
            self.the_books_agree()
            left = bench.check().keys() & {"waiting", "scheduled", "retrying"}
            if not left and (self.policy == "hold" or not self.open_doubts()):
                break
        else:
            raise AssertionError(f"never came to rest: {bench.check()}")
        bench.sweep()
        for c in range(len(self.plans)):
            of, state = self.pick(c)
            ledger = bench.campaigns.ledger(of.name)
            assert ledger == bench.campaigns.recount(of.name)
            in_doubt = ledger.states["in_doubt"]
            assert state == "cancelled" or (state == "running") == bool(in_doubt), state

    def send_all(self) -> None:
        while grants := self.bench.claim(CONCURRENCY).grants:
            self.bench.later(max(0.0, *(grant.slot_ms for grant in grants), 0.0))
            for grant, begun in zip(grants, self.bench.start(*grants), strict=True):
                if begun:
                    self.began(grant)
                    sent = {"provider_id": f"q-{grant.token}", "heard": True}
                    self.bench.settle(grant, "accepted", **sent)


def blasts(store_: redis.Redis, policy_: str, truthful_: bool) -> type[Blasts]:
    class Played(Blasts):
        store, policy, truthful = store_, policy_, truthful_

    return Played


@pytest.mark.parametrize(
    "truthful",
    [pytest.param(True, marks=pytest.mark.long), False],  # who is dishonest does all the rest too
    ids=["honest", "dishonest"],
)
@pytest.mark.parametrize("policy", ["resend", "hold", "drop"])
def test_the_ledgers_agree_after_any_sequence_of_events(
    store: redis.Redis, policy: str, truthful: bool
) -> None:
    run_state_machine_as_test(
        blasts(store, policy, truthful),
        settings=settings(
            max_examples=3,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )


def walk(played: Blasts, seed: str, steps: int) -> None:
    """Play the machine by weighted chance: denser than Hypothesis tries, with no shrinking."""
    chance = random.Random(seed)
    kinds = ["accepted", "retry", "back", "dead", "doubt", "doubt", "unused"]

    def settle(recent: int) -> None:
        if played.grants:
            played.settle(chance.randrange(recent), chance.choice(kinds),
                          chance.choice(ANSWERS[:5]),
                          chance.choice([0.0, 900.0, 60_000.0, -1.0]),
                          chance.choice(["", "", "", "account"]))  # fmt: skip

    def which() -> int:
        return chance.randrange(max(0, len(played.plans) - 3), len(played.plans))

    def who() -> int:
        return chance.randrange(max(0, len(played.members[played.plans[-1].name]) - 4) + 12)

    moves: list[tuple[int, Callable[[], object]]] = [
        (8, lambda: played.claim_and_start(chance.randint(1, 3))),
        (6, lambda: settle(4)),
        (3, lambda: settle(1000)),
        (2, lambda: played.claim(chance.randint(1, 6))),
        (2, lambda: played.grants and played.start(chance.randrange(1000))),
        (1, lambda: played.grants and played.renew(chance.randrange(10))),
        (2, lambda: played.a_lease_s_time_passes()),
        (1, lambda: played.a_doubt_s_time_passes()),
        (2, lambda: played.sweep()),
        (2, lambda: played.time_passes(chance.choice([1.0, 51.0, 900.0, 9_999.0, 16_000.0]))),
        (1, lambda: played.the_clock_is_set(chance.choice([1.0, 3.6e6]), chance.random() < 0.5)),
        (2, lambda: played.lift_the_halt()),
        (3, lambda: played.resolve_one(which(), who(),
                                       chance.choice(["accepted", "resend", "drop"]))),
        (3, lambda: played.replay_one(which(), who())),
        (1, lambda: chance.random() < 0.2 and played.purge_one(which(), who())),
        (1, lambda: chance.random() < 0.5 and played.cancel_one(which(), who())),
        (1, lambda: played.optout_of_campaigns(who(), chance.random() < 0.2)),
        (3, lambda: played.act(which(), chance.choice(ACTIONS[:3]))),
        (1, lambda: chance.random() < 0.3 and played.act(which(), "cancel")),
        (1, lambda: chance.random() < 0.4 and played.create(chance.choice([None, None, 900.0]))),
        (4, lambda: played.add_people(which(), [chance.randrange(60) for _ in range(4)],
                                      chance.choice(["", "#c0|", "#c1|"]))),
    ]  # fmt: skip
    weights, calls = zip(*moves, strict=True)
    for _ in range(steps):
        [move] = chance.choices(calls, weights)
        move()
        played.the_books_agree()
        played.steady_time_never_goes_back()
        played.no_more_are_under_way_than_may_be()


@pytest.mark.slow_on_fake
@pytest.mark.parametrize(
    "truthful",
    [pytest.param(True, marks=pytest.mark.long), False],  # who is dishonest does all the rest too
    ids=["honest", "dishonest"],
)
@pytest.mark.parametrize(
    "policy", ["resend", *(pytest.param(one, marks=pytest.mark.long) for one in ("hold", "drop"))]
)
def test_the_ledgers_agree_along_a_long_walk(
    store: redis.Redis, policy: str, truthful: bool
) -> None:
    played = blasts(store, policy, truthful)()
    played.empty()
    walk(played, policy, 150)
    totals = played.bench.totals()
    played.teardown()
    assert totals["leases_lost"]
    assert {of.name for of in played.plans if played.bench.campaigns.ledger(of.name).imported}
