"""Chaos: a short run of the real thing, and that its judgement sees whatever breaks a promise."""

import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from sluicegate.campaigns.ledger import STATES, Ledger
from sluicegate.receipts import DELIVERIES
from sluicegate.stored import Bill, CostSum
from sluicegate_rigs.chaos.disasters import Disasters
from sluicegate_rigs.chaos.evidence import Evidence
from sluicegate_rigs.chaos.judgement import judged
from sluicegate_rigs.chaos.logs import leaks
from sluicegate_rigs.chaos.records import (
    INDEXES,
    Arrived,
    Begun,
    Books,
    Lost,
    Posted,
    Provided,
    StoredMessage,
)
from sluicegate_rigs.chaos.setting import CONCURRENCY, LIMIT
from sluicegate_rigs.chaos.standstills import Staged
from sluicegate_rigs.chaos.workers import Caught, Thawed
from support.effort import THOROUGH, size

CHAOS = [sys.executable, "-m", "sluicegate_rigs.chaos"]
SECONDS = size(8, 20)
KINDS = 10  # of disaster


@pytest.mark.long
def test_a_deployment_that_is_killed_again_and_again_keeps_every_promise(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    command = [*CHAOS, "--seconds", str(SECONDS), "--seed", "1"]
    command += ["--quick"] * (not THOROUGH)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = done.stdout[-5000:] + done.stderr[-3000:]
    assert done.returncode == 0, said
    found = json.loads((tmp_path / "build/chaos.json").read_text())
    kills, begun = found["kills"], found["posts_begun_at_kills"]
    record_property(
        f"{SECONDS} s of chaos",
        f"{kills} kills, {begun} POSTs begun, {found['in_doubt_from_kills']} in doubt, "
        f"{found['enqueued']} messages, at most {found['highest_rate']} of {found['limit']}/s",
    )
    assert (found["lost"], found["duplicated"], found["ledger_exact"]) == (0, 0, True), said
    assert kills >= 0.3 * SECONDS, "too few kills: the test proved little"
    assert found["in_doubt_from_kills"] <= begun
    assert begun >= kills, "each of them met a POST under way"
    assert found["highest_rate"] <= found["limit"]
    assert found["accepted"] > 10 * SECONDS
    assert sorted(found["disasters"].values()) == [1] * KINDS
    assert all(found["held"].values())


@pytest.mark.long
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        CHAOS, cwd=tmp_path, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL
    )
    ends = time.monotonic() + 60
    while not [*tmp_path.glob("*/worker9.log")]:  # the first ones are killed by then
        assert time.monotonic() < ends
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not [*tmp_path.iterdir()]


def test_every_kind_of_disaster_comes_once_a_minute() -> None:
    nobody: Any = None
    drawn = Disasters(nobody, nobody, Random(1)).drawn(120)
    assert Counter(Counter(kind for _, kind in drawn).values()) == {2: KINDS}
    times = [at for at, _ in drawn]
    assert 0 < times[0] < times[-1] < 120
    assert times == sorted(times)


# What judges is judged: a sound run, and one thing wrong with it at a time.

BEGUN, HELD = "app-1", "app-2"
KILLED_AT_MS = 5_000.0
THAWED = Thawed(at=4.0, wall_ms=4_000.0, tag="of app-0")
AFTER_THE_KILL, BEFORE_IT = Lost("dead", 5_000.0), Lost("dead", 4_999.0)
TO = {"app-0": "+12122000000", "app-1": "+12122000001", "app-2": "+12122000002"}
TO |= {"chaos.a": "+14152000000"}
NAMES = {
    "nothing lost", "each in exactly one state", "nothing sent twice",
    "only begun POSTs in doubt", "the provider's records agree with ours",
    "the campaign's ledger is exact", "costs are what the provider billed",
    "within the rate limit", "within the concurrency",
    "receipts are right", "standstills are named, and end", "no process ended by itself",
    "no secret and no number in a log",
}  # fmt: skip


def ledger(**states: int) -> Ledger:
    none = dict.fromkeys(STATES, 0)
    return Ledger(sum(states.values()), none | states, dict.fromkeys(DELIVERIES, 0))


def books(**states: str) -> Books:
    """Everything accepted and delivered, but for what ``states`` say of an app's messages."""
    named = {id.replace("_", "-"): state for id, state in states.items()}
    records = {}
    for id in TO:
        state = named.get(id, "accepted")
        lost = (AFTER_THE_KILL,) if id in (BEGUN, HELD) else ()
        done = state == "accepted"
        begun = Begun(f"of {id}", THAWED.wall_ms - (1 if id == "app-0" else -1))
        records[id] = StoredMessage(state, "delivered" * done, (f"p-{id}",) * done, lost, (begun,))
    indexes = dict.fromkeys(INDEXES, frozenset[str]())
    for index, state in (("doubts", "in_doubt"), ("dead", "dead")):
        indexes[index] = frozenset(id for id, record in records.items() if record.state == state)
    accepted = sum(record.state == "accepted" for record in records.values())
    totals = {"enqueued": len(TO), "accepted": accepted, "receipts_applied": 6}
    return Books(
        records, indexes, Counter(), totals, ledger(accepted=1), ledger(accepted=1), "finished"
    )


def sound() -> Evidence:
    """Of two messages that a kill left in doubt one was proved, and one never arrived."""
    arrived = [Arrived(to, f"p-{id}", "delivered") for id, to in TO.items() if id != HELD]
    report = {"highest_concurrency": CONCURRENCY}
    told = {"forged": 1, "tampered": 0, "stale": 0, "lost": 0, "given_up": 1}
    told |= {"acknowledged": 7, "duplicate": 1}
    return Evidence(
        TO,
        {"dead": Caught(KILLED_AT_MS, {BEGUN, HELD})},
        [(1.0, "web killed"), (3.0, "server stalled")],
        [THAWED, THAWED._replace(tag="of chaos.a")],
        books(app_2="in_doubt"),
        books(app_2="dead"),
        Provided(arrived, posts(*[5.0] * LIMIT), report, told),
        [],
        [],
    )


def posts(*times: float, to: str = "app-1", status: int = 200) -> list[Posted]:
    return [Posted(at, TO[to], status) for at in times]


def posted(evidence: Evidence, *more: Posted) -> Evidence:
    in_order = sorted([*evidence.provided.posts, *more])
    return changed(evidence, "provided", posts=in_order)


def changed(evidence: Evidence, path: str, **fields: Any) -> Evidence:
    """With fields of one of its parts replaced."""
    replace = msgspec.structs.replace
    return replace(evidence, **{path: replace(getattr(evidence, path), **fields)})


def reported(evidence: Evidence, **figures: int) -> Evidence:
    return changed(evidence, "provided", report={**evidence.provided.report, **figures})


def told(evidence: Evidence, **figures: int) -> Evidence:
    return changed(evidence, "provided", webhooks={**evidence.provided.webhooks, **figures})


def recorded(evidence: Evidence, path: str, id: str, **fields: Any) -> Evidence:
    """With a record changed, or (without fields) missing."""
    records = dict(getattr(evidence, path).records)
    record = records.pop(id)
    if fields:
        records[id] = record._replace(**fields)
    return changed(evidence, path, records=records)


def indexed(evidence: Evidence, name: str, *ids: str) -> Evidence:
    return changed(evidence, "before", indexes={**evidence.before.indexes, name: frozenset(ids)})


def also_arrived(evidence: Evidence, to: str, id: str) -> Evidence:
    arrived = [*evidence.provided.arrived, Arrived(to, id, "delivered")]
    return changed(evidence, "provided", arrived=arrived)


def without(evidence: Evidence, id: str) -> Evidence:
    arrived = [one for one in evidence.provided.arrived if one.id != f"p-{id}"]
    return changed(evidence, "provided", arrived=arrived)


def faults() -> Iterator[tuple[str, str, Evidence]]:
    """Which promise breaks, what it then names, and by what it breaks."""
    one = sound()
    lost, state, books_differ = (
        "nothing lost",
        "each in exactly one state",
        "the provider's records",
    )
    yield lost, "app-0", recorded(one, "before", "app-0")
    yield lost, "app-0", without(one, "app-0")
    yield state, "app-0 is waiting", recorded(one, "before", "app-0", state="waiting")
    yield (
        state,
        "app-0 is retrying, but not in due",
        recorded(indexed(one, "doubts", HELD, "app-0"), "before", "app-0", state="retrying"),
    )
    yield state, "app-0 is accepted, but in due", indexed(one, "due", "app-0")
    yield state, "app-9 is in started and has no record", indexed(one, "started", "app-9")
    waits = changed(one, "before", tickets=Counter({"app-0": 1}))
    yield state, "app-0 still waits in a lane", waits
    yield "nothing sent twice", "app-0", also_arrived(one, TO["app-0"], "p-2")
    doubts = "only begun POSTs in doubt"
    yield doubts, "app-0 was left", recorded(one, "before", "app-0", lost=(AFTER_THE_KILL,))
    held = recorded(one, "before", "app-0", state="in_doubt")
    yield doubts, "app-0 is held in doubt", indexed(held, "doubts", HELD, "app-0")
    yield books_differ, "app-0 is dead here", recorded(one, "after", "app-0", state="dead")
    yield books_differ, "app-2 is accepted here", recorded(one, "after", HELD, state="accepted")
    yield books_differ, "app-0", recorded(one, "after", "app-0", provider_ids=("p-x",))
    yield books_differ, "1 recipients got a message that nobody", also_arrived(one, "+1", "p-x")
    wrong = {**one.after.totals, "enqueued": 5}
    yield books_differ, "the totals say 5 enqueued", changed(one, "after", totals=wrong)
    exact = "the campaign's ledger is exact"
    yield exact, "the ledger says", changed(one, "before", ledger=ledger(waiting=1))
    yield exact, "the ledger says", changed(one, "after", recount=ledger(dead=1))
    two = ledger(accepted=2)
    yield exact, "1 were imported", changed(one, "after", ledger=two, recount=two)
    yield exact, "the campaign is running", changed(one, "after", campaign="running")
    costs = "costs are what the provider billed"
    dear = [arrival._replace(cost_billionths=5, told=True) for arrival in one.provided.arrived]
    yield costs, "p-app-0 was billed 5 billionths", changed(one, "provided", arrived=dear)
    paid = Bill(cost_billionths=4, currency="USD", parts=1)
    known = recorded(one, "after", "app-0", bills={"p-app-0": paid}, billed=[paid])
    yield costs, "p-app-0 was billed 0 billionths, and is known as 4", known
    yield costs, "the sums say 0 billionths, the records 4", known
    sums = changed(one, "after", costs={"USD": CostSum(0, 1, 1)})
    yield costs, "the sums count", sums
    rate = "within the rate limit"
    yield rate, f"{LIMIT + 1} requests", posted(one, *posts(4.2))
    yield rate, f"{LIMIT + 1} requests", posted(one, *posts(4.5, to="app-0"))
    yield rate, f"{LIMIT + 1} requests", posted(one, *posts(4.2, to="chaos.a"))
    refused = posted(one, *posts(2.5, status=429))
    yield rate, "an answer 429, 1.50 s after: web killed", refused
    busy = reported(one, highest_concurrency=CONCURRENCY + 1)
    yield "within the concurrency", f"{CONCURRENCY + 1} at once", busy
    receipts = "receipts are right"
    yield receipts, "app-0 is failed", recorded(one, "after", "app-0", delivery="failed")
    yield receipts, "1 deliveries are missing", recorded(one, "after", "app-0", delivery="")
    yield receipts, "7 events were acknowledged", told(one, acknowledged=8)
    unknown = {**one.after.totals, "receipts_unknown": 1}
    yield receipts, "1 receipts", changed(one, "after", totals=unknown)
    replace = msgspec.structs.replace
    named = "standstills are named, and end"
    unnamed = [Staged("full", None, went_on=True), Staged("a replica", 3.0, went_on=False)]
    yield named, "full: status did not name it", replace(one, staged=unnamed)
    yield named, "a replica: nothing went on", replace(one, staged=unnamed)
    yield "no process ended by itself", "worker1", replace(one, ended=["worker1 ended"])
    yield "no secret and no number in a log", "web.log", replace(one, leaks=["web.log:1"])


def test_a_sound_run_is_judged_sound() -> None:
    promises = judged(sound())
    assert [promise for promise in promises if promise.broken] == []
    assert {promise.name for promise in promises} == NAMES
    assert sound().doubted == {BEGUN, HELD}


def test_costs_agree_where_an_answer_was_lost_and_where_an_event_changed_one() -> None:
    paid = Bill(cost_billionths=4, currency="USD", parts=1)
    known = recorded(sound(), "after", "app-0", bills={"p-app-0": paid}, billed=[paid])
    known = changed(known, "after", costs={"USD": CostSum(4, 1, 1)})
    first, *others = known.provided.arrived
    answered = [one._replace(answered_billionths=9) for one in others]  # and all of them lost
    for told in (
        first._replace(cost_billionths=4, told=True, answered_billionths=3),
        first._replace(cost_billionths=5, answered_billionths=4),
        first._replace(cost_billionths=4),
    ):
        came = changed(known, "provided", arrived=[told, *answered])
        assert not any(promise.broken for promise in judged(came))


def test_a_kill_answers_only_for_what_was_lost_from_then_on() -> None:
    slept = recorded(sound(), "before", "app-0", lost=(BEFORE_IT,))
    assert "app-0" not in slept.doubted
    assert not any(promise.broken for promise in judged(slept))


def test_a_post_that_a_stopped_worker_had_in_its_hand_is_not_held_against_the_rate() -> None:
    late = posted(sound(), *posts(4.2, to="app-0"))
    assert not any(promise.broken for promise in judged(late))
    crowded_out = posted(late, *posts(5.0, status=429))
    [rate] = [promise for promise in judged(crowded_out) if "rate" in promise.name]
    assert list(rate.broken) == [f"{LIMIT + 1} requests in one second"]


def test_a_delivery_is_missing_only_where_as_many_events_did_not_come() -> None:
    missing = recorded(sound(), "after", "app-0", delivery="")
    for came in (told(missing, lost=1), told(missing, given_up=2)):
        assert not any(promise.broken for promise in judged(came))


@pytest.mark.parametrize(("name", "names", "evidence"), list(faults()))
def test_whatever_breaks_a_promise_is_seen_and_named(
    name: str, names: str, evidence: Evidence
) -> None:
    broken = {promise.name: promise.broken for promise in judged(evidence) if promise.broken}
    [found] = [sentences for promise, sentences in broken.items() if promise.startswith(name)]
    assert any(sentence.startswith(names) for sentence in found), found


def test_every_promise_has_a_fault_that_breaks_it() -> None:
    broken = {promise.name for _, _, one in faults() for promise in judged(one) if promise.broken}
    assert broken == NAMES


def test_a_log_that_tells_a_secret_or_a_number_is_found_and_not_repeated(tmp_path: Path) -> None:
    log = tmp_path / "worker1.log"
    log.write_text(
        "at 1700000000000.123: sent to +1212•••0001, 2122000009 waits, 12122000001234 bytes\n"
        "key KEY-of-someone refused\n"
        f"Authorization: Basic {b64encode(b'user:KEY-of-someone').decode()}\n"
        "GET /?key=KEY%2Dof%2Dsomeone\n"
        "to +12122000001, please\nto 2122000001\nto 12122000001.\n"
    )
    found = list(leaks([log], {"THE_KEY": "KEY-of-someone"}, {"+12122000001"}))
    assert found == [
        "worker1.log:2: THE_KEY in: key ••• refused",
        "worker1.log:3: THE_KEY in: Authorization: Basic dXNlcjp•••Q==",
        "worker1.log:4: THE_KEY in: (left out: it repeats •••)",
        "worker1.log:5: a number in: to +1•••, please",
        "worker1.log:6: a number in: to •••",
        "worker1.log:7: a number in: to 1•••.",
    ]
