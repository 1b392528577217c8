"""Whatever happens, in whatever order: every message in exactly one state, and none sent blindly.

A machine plays several workers, the people and the clock against the scripts. Every call is made
twice, and after every step the books must agree. At its end it drains everything.
"""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sluicegate.config import InDoubt
from sluicegate_worker.wire import Grant, Renewal, Settle
from support.bench import Bench
from support.messages import message

CONCURRENCY = 5
WALK = 250  # steps
SENDERS = ["+15550000001", "+15550000002"]
TO_REST_MS = (5_000.0, 60_000.0)

HEARD = {"heard": True}
MORE = ("perhaps", "uncharged", "throttled", "replayed")
ANSWERS: list[dict[str, bool]] = [{}, HEARD, *(HEARD | {more: True} for more in MORE)]
"""What may be known of an attempt, as fields of its settle."""

NOTHING_KNOWN: dict[str, Any] = dict.fromkeys(("heard", *MORE), False)

number = st.integers(0, 11)
moments = st.sampled_from(
    [1.0, 20.0, 51.0, 900.0, 5_000.0, 9_999.0, 16_000.0, 40_000.0, 700_000.0]
)


class Attempt:
    """One start that was answered ``started``, as the worker and the provider know it.

    ``known``: open (nobody has said yet), refused, maybe or accepted. ``excused``: a policy or a
    person has since allowed the message to be sent again.
    """

    def __init__(self, grant: Grant) -> None:
        self.grant, self.known, self.excused = grant, "open", False


class Books(RuleBasedStateMachine):
    """``policy`` on doubts; where not ``truthful``, workers settle anything, whatever happened."""

    store: redis.Redis
    policy: Any
    truthful: bool

    @initialize()
    def empty(self) -> None:
        for key in list(self.store.scan_iter(count=1000)):
            self.store.delete(key)
        self.bench = Bench(
            self.store,
            repeat=True,
            limit=1000,
            concurrency=CONCURRENCY,
            in_doubt=InDoubt(policy=self.policy),
        )
        self.enqueued: dict[str, Any] = {}
        self.grants: list[Grant] = []
        self.settled: dict[tuple[str, str], Settle] = {}
        self.attempts: defaultdict[str, list[Attempt]] = defaultdict(list)
        self.cancelled: set[str] = set()
        self.steady = self.latest_ms = 0.0
        for n in range(8):  # each example leaves out some rules; none shall go without messages
            self.enqueue(n, priority="bulk" if n % 3 else "transactional", sender=SENDERS[n % 2],
                         send_in=None, expires_in=None)  # fmt: skip
        [grant] = self.bench.claim().grants
        self.bench.start(grant)
        self.bench.settle(grant, "accepted", provider_id="p", heard=True)

    # The app.

    @rule(
        n=number,
        priority=st.sampled_from(["transactional", "bulk"]),
        sender=st.sampled_from(SENDERS),
        send_in=st.sampled_from([None, None, -1.0, 3.0, 50.0]),
        expires_in=st.sampled_from([None, None, 1.0, 100.0]),
    )
    def enqueue(self, n: int, **fields: Any) -> None:
        def moment(seconds: float | None) -> datetime | None:
            if seconds is None:
                return None
            now = datetime.fromtimestamp(self.bench.now_ms / 1000, UTC)
            return now + timedelta(seconds=seconds)

        send_at, expires_at = moment(fields.pop("send_in")), moment(fields.pop("expires_in"))
        if expires_at and send_at and expires_at <= send_at:
            expires_at = None
        made = message(n, to=f"+1555000{n % 4:04d}", send_at=send_at, expires_at=expires_at,
                       **fields)  # fmt: skip
        [result] = self.bench.enqueue(made)
        if made.id not in self.enqueued:
            self.enqueued[made.id] = made
            assert result.outcome in ("enqueued", "suppressed")
        else:
            assert result.outcome == ("known" if self.enqueued[made.id] == made else "reused")

    @rule(n=number)
    def cancel(self, n: int) -> None:
        if (id := f"m{n}") in self.enqueued:
            before = self.bench.record(id)["state"]
            answer = self.bench.cancel(id)
            assert (answer == "in_flight") == (before == "waiting" and self.holds_started(id))
            state = self.bench.record(id)["state"]
            assert answer in ("in_flight", state) or (answer, state) == ("maybe_sent", "cancelled")
            self.cancelled.add(id)

    @rule(n=st.integers(0, 3), listed=st.booleans())
    def optout(self, n: int, listed: bool) -> None:
        key, to = self.bench.keys("optouts"), f"+1555000{n:04d}"
        if listed:
            self.store.hset(key, to, "0 test")
        else:
            self.store.hdel(key, to)

    # Workers.

    @rule(want=st.integers(1, 6))
    def claim(self, want: int) -> None:
        self.grants += self.bench.claim(want).grants

    @precondition(lambda self: self.grants)
    @rule(pick=st.integers(0, 1000))
    def start(self, pick: int) -> None:
        grant = self.grants[-1 - pick % len(self.grants)]
        known = [a for a in self.attempts[grant.id] if a.grant == grant]
        if known and self.truthful:
            return  # a worker starts each grant once; the bench repeats the call
        if self.bench.start(grant) == [True] and not known:
            self.began(grant)

    @rule(want=st.integers(1, 3))
    def claim_and_start(self, want: int) -> None:
        grants = self.bench.claim(want).grants
        self.bench.later(max(0.0, *(grant.slot_ms for grant in grants), 0.0))
        self.grants += grants
        for grant in grants:
            assert self.bench.start(grant) == [True]
            self.began(grant)

    def began(self, grant: Grant) -> None:
        assert grant.id not in self.cancelled, "sent again after a cancel"
        lease = self.store.hget(self.bench.keys("leases"), grant.id)
        assert isinstance(lease, bytes)
        assert lease.startswith(grant.token.encode() + b"|")
        blind = [
            attempt
            for attempt in self.attempts[grant.id]
            if attempt.known in ("open", "maybe", "accepted") and not attempt.excused
        ]
        assert not (self.truthful and blind), "sent again blindly"
        self.attempts[grant.id].append(Attempt(grant))

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
        before = self.bench.record(grant.id)["state"]
        [answer] = self.bench.step([settle]).settled
        after = self.bench.record(grant.id)
        if settle.kind == "accepted":
            assert after["state"] == "accepted", "evidence was not taken"
        elif before == "accepted":
            assert (answer, after["state"]) in (("stale", "accepted"), ("applied", "accepted"))

    def as_it_was(self, grant: Grant, settle: Settle) -> Settle:
        """What an honest worker settles: the truth, and the same again if it settles again."""
        key = (grant.id, grant.token)
        if key in self.settled:
            return self.settled[key]
        attempt = next((a for a in self.attempts[grant.id] if a.grant == grant), None)
        replaced: dict[str, Any] = {}
        if attempt is None:
            replaced = NOTHING_KNOWN | {"kind": "unused", "halt": "", "provider_id": ""}
        elif settle.kind == "unused":
            replaced = {"kind": "retry"}
        if attempt and self.policy != "resend":  # then nothing that perhaps was sent is retried
            replaced |= {"perhaps": False}
        fields = {name: getattr(settle, name) for name in settle.__struct_fields__}
        settle = Settle(**(fields | replaced))
        self.settled[key] = settle
        if attempt:
            self.learn(attempt, settle)
        return settle

    def learn(self, attempt: Attempt, settle: Settle) -> None:
        perhaps = settle.perhaps
        if settle.kind == "accepted":
            attempt.known = "accepted"
        elif settle.kind == "doubt" or perhaps:
            attempt.known = "maybe"
            attempt.excused = attempt.excused or (perhaps and settle.kind in ("retry", "back"))
        else:
            attempt.known = "refused"

    @precondition(lambda self: self.grants)
    @rule(pick=st.integers(0, 1000))
    def renew(self, pick: int) -> None:
        grant = self.grants[-1 - pick % len(self.grants)]
        [renewed] = self.bench.step(renewals=[Renewal(grant.id, grant.token)]).renewed
        lease = self.store.hget(self.bench.keys("leases"), grant.id)
        holds = isinstance(lease, bytes) and lease.startswith(f"{grant.token}|".encode())
        assert renewed == holds

    # People, the sweep and the clock.

    @rule(n=number, verdict=st.sampled_from(["accepted", "resend", "drop"]))
    def resolve(self, n: int, verdict: str) -> None:
        if self.bench.resolve(f"m{n}", verdict) == "resolved" and verdict == "resend":
            self.excuse(f"m{n}")

    @rule(n=number)
    def replay(self, n: int) -> None:
        if self.bench.replay(f"m{n}") == "replayed":
            self.excuse(f"m{n}")

    @rule(n=number)
    def purge(self, n: int) -> None:
        self.bench.purge(f"m{n}")

    @rule()
    def lift_the_halt(self) -> None:
        for halt in self.bench.halts.list():
            self.bench.halts.clear(halt.level)

    @rule()
    def a_lease_s_time_passes(self) -> None:
        for _ in range(4):
            self.bench.later(5_000)
            self.sweep()

    @rule()
    def a_doubt_s_time_passes(self) -> None:
        self.bench.later(600_000)
        self.sweep()

    @rule()
    def sweep(self) -> None:
        doubts = self.ids("doubts")
        self.bench.sweep()
        for id in doubts - self.ids("doubts"):
            assert self.policy != "hold", "a held doubt was decided by itself"
            if self.bench.record(id)["state"] == "waiting":
                self.excuse(id)

    @rule(ms=moments)
    def time_passes(self, ms: float) -> None:
        self.bench.later(ms)

    @rule(ms=st.sampled_from([1.0, 40_000.0, 3_600_000.0]), forward=st.booleans())
    def the_clock_is_set(self, ms: float, forward: bool) -> None:
        self.latest_ms = max(self.latest_ms, self.bench.now_ms)
        self.bench.later(ms if forward else -ms)

    def excuse(self, id: str) -> None:
        for attempt in self.attempts[id]:
            attempt.excused = True

    def ids(self, name: str) -> set[str]:
        found: Any = self.store.zrange(self.bench.keys(name), 0, -1)
        return {id.decode() for id in found}

    def holds_started(self, id: str) -> bool:
        return id in self.ids("started")

    # What always holds.

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "bench"):
            return
        assert self.bench.check().total() == len(self.enqueued)

    @invariant()
    def steady_time_never_goes_back(self) -> None:
        if not hasattr(self, "bench"):
            return
        clock: Any = self.store.hgetall(self.bench.keys("clock"))
        if clock:
            steady = float(clock[b"wall"]) + float(clock[b"offset"])
            assert steady >= self.steady - 0.001
            self.steady = steady

    @invariant()
    def no_more_are_under_way_than_may_be(self) -> None:
        if hasattr(self, "bench"):
            assert len(self.ids("started")) + len(self.ids("granted")) <= CONCURRENCY

    def teardown(self) -> None:
        """Drain everything: each message must come to an end, or to a person."""
        if not hasattr(self, "bench"):
            return
        bench = self.bench
        bench.repeat = False
        bench.at(max(bench.now_ms, self.latest_ms))  # what is due then comes when it is due
        for _ in range(60):
            self.lift_the_halt()
            for ms in TO_REST_MS:
                bench.later(ms)
                self.a_lease_s_time_passes()
            while grants := bench.claim(CONCURRENCY).grants:
                bench.later(max(0.0, *(grant.slot_ms for grant in grants), 0.0))
                for grant, begun in zip(grants, bench.start(*grants), strict=True):
                    if begun:
                        self.began(grant)
                        bench.settle(grant, "accepted", provider_id=f"q-{grant.token}", heard=True)
            states = bench.check()
            if not states.keys() & {"waiting", "scheduled", "retrying"} and (
                self.policy == "hold" or not self.open_doubts()
            ):
                break
        else:
            raise AssertionError(f"never came to rest: {states}")
        assert {id for id in self.enqueued if self.bench.record(id)} == set(self.enqueued)
        assert states.total() == len(self.enqueued)

    def open_doubts(self) -> int:
        """Doubts that policy has still to decide; a key too old leaves one to a person."""
        return int(self.store.zcount(self.bench.keys("doubts"), "-inf", "(inf"))


def machine(store_: redis.Redis, policy_: str, truthful_: bool) -> type[Books]:
    class Played(Books):
        store, policy, truthful = store_, policy_, truthful_

    return Played


@pytest.mark.parametrize(
    "truthful",
    [pytest.param(True, marks=pytest.mark.long), False],  # who is dishonest does all the rest too
    ids=["honest", "dishonest"],
)
@pytest.mark.parametrize("policy", ["resend", "hold", "drop"])
def test_the_books_agree_after_any_sequence_of_events(
    store: redis.Redis, policy: str, truthful: bool
) -> None:
    run_state_machine_as_test(
        machine(store, policy, truthful),
        settings=settings(
            max_examples=5,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )


def walk(machine: Books, seed: str, steps: int) -> None:
    """Play the machine by weighted chance: denser than Hypothesis tries, with no shrinking."""
    chance = random.Random(seed)
    numbers, kinds = range(12), ["accepted", "retry", "back", "dead", "doubt", "doubt", "unused"]

    def settle(recent: int) -> None:
        if machine.grants:
            machine.settle(chance.randrange(recent), chance.choice(kinds),
                           chance.choice(ANSWERS[:5]),
                           chance.choice([0.0, 900.0, 60_000.0, -1.0]),
                           chance.choice(["", "", "", "account"]))  # fmt: skip

    moves: list[tuple[int, Callable[[], object]]] = [
        (8, lambda: machine.claim_and_start(chance.randint(1, 3))),
        (6, lambda: settle(4)),
        (3, lambda: settle(1000)),
        (2, lambda: machine.claim(chance.randint(1, 6))),
        (2, lambda: machine.grants and machine.start(chance.randrange(1000))),
        (1, lambda: machine.grants and machine.renew(chance.randrange(10))),
        (2, lambda: machine.a_lease_s_time_passes()),
        (1, lambda: machine.a_doubt_s_time_passes()),
        (2, lambda: machine.time_passes(chance.choice([1.0, 51.0, 900.0, 9_999.0, 16_000.0]))),
        (1, lambda: machine.the_clock_is_set(chance.choice([1.0, 3.6e6]), chance.random() < 0.5)),
        (2, lambda: machine.lift_the_halt()),
        (2, lambda: machine.resolve(chance.choice(numbers),
                                    chance.choice(["accepted", "resend", "drop"]))),
        (3, lambda: machine.replay(chance.choice(numbers))),
        (1, lambda: chance.random() < 0.2 and machine.purge(chance.choice(numbers))),
        (1, lambda: chance.random() < 0.5 and machine.cancel(chance.choice(numbers))),
        (1, lambda: machine.optout(chance.randrange(4), chance.random() < 0.2)),
        (3, lambda: machine.enqueue(len(machine.enqueued), sender=chance.choice(SENDERS),
                                    priority=chance.choice(["transactional", "bulk"]),
                                    send_in=chance.choice([None, None, 50.0]),
                                    expires_in=chance.choice([None, None, None, 100.0]))),
    ]  # fmt: skip
    weights, calls = zip(*moves, strict=True)
    for _ in range(steps):
        [move] = chance.choices(calls, weights)
        move()
        machine.the_books_agree()
        machine.steady_time_never_goes_back()
        machine.no_more_are_under_way_than_may_be()
        numbers = range(max(0, len(machine.enqueued) - 12), len(machine.enqueued))


@pytest.mark.slow_on_fake
@pytest.mark.parametrize(
    "truthful",
    [pytest.param(True, marks=pytest.mark.long), False],  # who is dishonest does all the rest too
    ids=["honest", "dishonest"],
)
@pytest.mark.parametrize(
    "policy", ["resend", *(pytest.param(one, marks=pytest.mark.long) for one in ("hold", "drop"))]
)
def test_the_books_agree_along_a_long_walk(
    store: redis.Redis, policy: str, truthful: bool
) -> None:
    played = machine(store, policy, truthful)()
    played.empty()
    walk(played, f"{policy}0", WALK)
    totals = played.bench.totals()
    played.teardown()
    assert totals["leases_lost"]
    assert truthful or totals["late"]
    assert sum(len(attempts) > 1 for attempts in played.attempts.values()) > 5
