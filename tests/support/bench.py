"""One account's scripts under a clock that the test sets, so that no test waits."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
import redis

from sluicegate import Config, EnqueueResult, Message, MessageStatus
from sluicegate.audit import Act
from sluicegate.campaigns.campaign import CAMPAIGN, IMPORT, Action, Campaigns
from sluicegate.campaigns.hours import OPEN_HOURS, further_args, parse_hours_fields
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient
from sluicegate.config import Account, InDoubt
from sluicegate.outbox import CANCEL, ENQUEUE, Outbox
from sluicegate.scripts import Argument, Script, Scripts
from sluicegate_worker.operator.deadletters import PURGE, REPLAY, Replay, purge_args, replay_args
from sluicegate_worker.operator.doubts import RESOLVE
from sluicegate_worker.operator.halts import Halts
from sluicegate_worker.provider.rate_headers import RateHeaders
from sluicegate_worker.queue import PUBLISH, STEP, SWEEP, TEND, Queue, start_args
from sluicegate_worker.wire import (
    Claimed,
    Grant,
    Renewal,
    Settle,
    Start,
    Stepped,
    Swept,
    parse_stepped,
    parse_swept,
)

from .clock import CLOCK
from .consistency import check_consistency
from .messages import HASH_KEY, member_id, message, recipient
from .values import changes, image_of, values_of

BY_TEST = Act(who="test", action="test", why="a test", run="test")


def settle_of(grant: Grant, kind: Any, **fields: Any) -> Settle:
    """A settle of ``grant``; ``fields`` may include fields of its rate headers."""
    rate = {name: fields.pop(name) for name in RateHeaders.__struct_fields__ if name in fields}
    fields = {"rate": RateHeaders(**rate)} | fields
    return Settle(id=grant.id, token=grant.token, kind=kind, **fields)


class Sent(NamedTuple):
    """A message that was started, and the time of its slot."""

    at_ms: float
    id: str


class Bench:
    """One account's scripts, called synchronously, at a time that only the test moves.

    ``fields`` are fields of the account's configuration, and ``app`` is who enqueues and asks.
    With ``repeat``, every script is called twice with the same arguments, and a test fails if the
    second answer or the state after it differs. ``answers_probes`` says how the breaker's probes
    are answered; None does not answer.
    """

    def __init__(
        self, store: redis.Redis, *, repeat: bool = False, app: str = "", **fields: Any
    ) -> None:
        # By default, only the limit on the account's requests applies.
        default: dict[str, Any] = {"in_doubt": InDoubt()}
        default |= {"sms_per_second": 0.0, "mms_per_second": 0.0}
        self.config = Config(accounts={"default": Account(**default | fields)})
        self.store, self.repeat = cast("Any", store), repeat
        self.answers_probes: bool | None = True
        self.outbox = Outbox(self.config, "default", app)
        self.keys = self.outbox.keys
        self.queue = Queue(cast("Any", store), self.config, "default")
        self.store.set(self.keys("hash_key"), HASH_KEY)
        self.halts = Halts(store, self.keys, clock=CLOCK)
        self.slept: list[float] = []
        self.campaigns = Campaigns(store, self.keys, sleep=self.slept.append, clock=CLOCK)
        self._scripts = Scripts(store, self.keys.prefix, CLOCK)
        self._tokens = (f"token{n}" for n in itertools.count())
        self.now_ms = 1_700_000_000_000.0
        self.at(self.now_ms)
        self.publish()

    def publish(self, **fields: Any) -> bool:
        """Put the limits of the account's configuration in force, with some fields replaced."""
        account = msgspec.structs.replace(self.config.accounts["default"], **fields)
        self.config = Config(accounts={"default": account})
        self.queue = Queue(cast("Any", self.store), self.config, "default")
        args = self.queue.publish_args()
        args[2] = b""  # not into the audit, which tests look at
        return bool(self.call(PUBLISH, args)[1].decode() == args[1])

    def at(self, now_ms: float) -> None:
        """Set the server's clock; it may be set back."""
        self.now_ms = now_ms
        self.store.set(self.keys("test-clock"), f"{now_ms:.3f}")

    def later(self, ms: float) -> None:
        """Let time pass."""
        self.at(self.now_ms + ms)

    def token(self) -> str:
        return next(self._tokens)

    def call(self, script: Script, args: Sequence[Argument]) -> Any:
        answer = self._scripts.call(script, args)
        if self.repeat:
            before = image_of(self.store)
            again = self._scripts.call(script, args)
            assert again == answer, script.name
            changed = self._changed_since(before)
            assert not changed, (script.name, changed)
        return answer

    def enqueue(self, *messages: Message) -> list[EnqueueResult]:
        args = self.outbox.enqueue_args(messages, self.token())
        return Outbox.results(messages, self.call(ENQUEUE, args))

    def cancel(self, id: str) -> str:
        return Outbox.cancelled(id, self.call(CANCEL, self.outbox.cancel_args(id)))

    def add(self, name: str, *recipients: Recipient) -> str:
        """Import one batch; return a letter for each recipient: added, duplicate or suppressed."""
        return cast(
            "bytes", self.call(IMPORT, self.campaigns.import_args(name, recipients))
        ).decode()

    def act(self, name: str, action: Action) -> str:
        """Act on a campaign; with ``repeat`` twice, and the second time must change nothing."""
        state = self.campaigns.act(name, action)
        if self.repeat:
            before = image_of(self.store)
            assert self.campaigns.act(name, action) == state
            changed = self._changed_since(before)
            assert not changed, (action, changed)
        return state

    def campaign(self, plan: Plan, count: int) -> list[str]:
        """Start a campaign to so many recipients; return the ids of its messages."""
        rows = [recipient(plan, number) for number in range(count)]
        self.campaigns.create(plan)
        self.add(plan.name, *rows)
        self.act(plan.name, "start")
        return [member_id(plan.name, row) for row in rows]

    def step(
        self,
        settles: Sequence[Settle] = (),
        starts: Sequence[Start] = (),
        renewals: Sequence[Renewal] = (),
        want: int = 0,
    ) -> Stepped:
        token = self.token()
        args = self.queue.step_args(settles, starts, renewals, want, token)
        done = parse_stepped(self.call(STEP, args), token)
        if done.claimed.why == "probe" and self.answers_probes is not None:
            probed = (token, self.answers_probes)
            self.call(STEP, self.queue.step_args(probed=probed))
        return done

    def claim(self, want: int = 1) -> Claimed:
        """Claim once, and again if the first claim was a probe that was answered."""
        claimed = self.step(want=want).claimed
        again = claimed.why == "probe" and self.answers_probes
        return self.step(want=want).claimed if again else claimed

    def claim_all(self, want: int, within_ms: float = 10_000) -> list[Grant]:
        """Claim until ``want`` are granted, letting the time pass that the answers name."""
        grants: list[Grant] = []
        ends = self.now_ms + within_ms
        while len(grants) < want and self.now_ms < ends:
            claimed = self.claim(want - len(grants))
            grants += claimed.grants
            if not claimed.grants:
                self.later(max(claimed.wait_ms, 1))
        return grants

    def start(self, *grants: Grant, request: bytes = b"{}") -> list[bool]:
        starts = [
            Start(g.id, g.token, b"" if g.request else request, version=g.version) for g in grants
        ]
        return list(self.step(starts=starts).started)

    def begin(self) -> Grant:
        """Claim one message and start it in its slot."""
        [grant] = self.claim_all(1)
        self.later(max(grant.slot_ms, 0))
        assert self.start(grant) == [True]
        return grant

    def settle(self, grant: Grant, kind: Any, **fields: Any) -> str:
        settle = settle_of(grant, kind, **fields)
        return self.step(settles=[settle]).settled[0]

    def send(self, *, kind: Any = "accepted", **fields: Any) -> Grant:
        """Claim one message, start it in its slot and settle it."""
        grant = self.begin()
        if kind == "accepted":
            fields = {"provider_id": f"p-{grant.id}", "heard": True} | fields
        assert self.settle(grant, kind, **fields) in ("applied", "stranger")
        return grant

    def drain(self, ms: float, *, want: int = 50, most: int = 1_000_000) -> list[Sent]:
        """Claim, start and accept for ``ms``, at most ``most`` messages, as workers would."""
        sent: list[Sent] = []
        settles: list[Settle] = []
        ends = self.now_ms + ms
        while self.now_ms < ends and len(sent) < most:
            claimed = self.step(settles, want=min(want, most - len(sent))).claimed
            settles = []
            if not claimed.grants:
                self.later(max(1, min(claimed.wait_ms, ends - self.now_ms)))
                continue
            slots = {grant: self.now_ms + grant.slot_ms for grant in claimed.grants}
            self.at(max(self.now_ms, *slots.values()))
            for grant, begun in zip(slots, self.start(*slots), strict=True):
                if begun:
                    sent.append(Sent(slots[grant], grant.id))
                    settle = Settle(id=grant.id, token=grant.token, kind="accepted",
                                    provider_id=f"p-{grant.id}", heard=True)  # fmt: skip
                    settles.append(settle)
        self.step(settles)
        return sent

    def sweep(self, worker: str = "worker") -> Swept:
        return parse_swept(self.call(SWEEP, self.queue.sweep_args(worker, self.token())))

    def tend(self) -> int:
        """Tend campaigns, as a sweep does; returns how many ended with their hours."""
        ended = 0
        while True:
            # Called twice, it goes on.
            answer = self._scripts.call(TEND, [self.config.retention_ms])
            now, some, more, starting, *due = answer
            ended += some
            for name, fields in zip(due[::2], due[1::2], strict=True):
                stored = parse_hours_fields(fields)
                self.call(OPEN_HOURS, further_args(name.decode(), stored, int(now)))
            for name in starting:
                self._scripts.call(CAMPAIGN, start_args(name.decode()))
            if not more:
                return int(ended)

    def replay(self, id: str) -> str:
        args = replay_args([Replay(id)], BY_TEST, self.token())
        return cast("list[bytes]", self.call(REPLAY, args))[0].decode()

    def purge(self, id: str) -> str:
        args = purge_args([Replay(id)], BY_TEST, self.token(), self.config.retention_ms)
        return cast("list[bytes]", self.call(PURGE, args))[0].decode()

    def resolve(self, id: str, verdict: str, provider_id: str = "") -> str:
        args: list[Argument] = [id, verdict, self.token(), self.config.retention_ms]
        args += [provider_id, "a person said so", BY_TEST.said()]
        return cast("bytes", self.call(RESOLVE, args)).decode()

    def status(self, id: str) -> MessageStatus:
        pipeline = self.store.pipeline()
        self.outbox.ask_status(pipeline, id)
        return Outbox.status(id, pipeline.execute())

    def record(self, id: str) -> dict[str, str]:
        return self._hash(self.keys.record(self.outbox.id_of(id)))

    def totals(self) -> Counter[str]:
        return Counter(
            {name: int(value) for name, value in self._hash(self.keys("totals")).items()}
        )

    def bucket(self) -> dict[str, float]:
        fields = self._hash(self.keys("bucket"))
        fields.pop("clues", None)  # words among its numbers
        return {name: float(value) for name, value in fields.items()}

    def log(self) -> list[float]:
        """The times of the slots granted and not given back, oldest first."""
        return [slot for _, slot in self.store.zrange(self.keys("log"), 0, -1, withscores=True)]

    def lane(self, lane: str) -> list[str]:
        """The ids in a lane, the head first."""
        tickets = self.store.lrange(self.keys.lane(lane), 0, -1)
        return [ticket.decode().partition("|")[0] for ticket in tickets]

    def _hash(self, key: str) -> dict[str, str]:
        fields = self.store.hgetall(key)
        return {name.decode(): value.decode() for name, value in fields.items()}

    def _changed_since(self, before: dict[bytes, Any]) -> dict[bytes, tuple[Any, Any]]:
        """What is stored differently now, but for what has expired by the server's own clock."""
        changed = changes(self.store, before, image_of(self.store))
        return {key: pair for key, pair in changed.items() if not _has_expired(key, pair)}

    def dump(self) -> dict[bytes, Any]:
        """Everything stored except expiry times and the test's clock, to compare two states."""
        values = values_of(self.store)
        return {key: value for key, value in values.items() if not key.endswith(b"test-clock")}

    def check(self) -> Counter[str]:
        """Assert that the account's indexes and counters agree with its records.

        Every message enqueued or imported is in exactly one state; each index, and the counters of
        every campaign, hold exactly these. Returns the number of messages in each state.
        """
        return check_consistency(self.store, self.keys)


def _has_expired(key: bytes, change: tuple[Any, Any]) -> bool:
    """Whether a claim's stored answer has expired, which depends on the server's own clock."""
    return b":claim:" in key and change[1] is None


def warm_bench(store: redis.Redis, **fields: Any) -> Bench:
    """A bench past its cold start, with room for whatever a test wants to send."""
    bench = Bench(store, repeat=True, **({"limit": 1000} | fields))
    bench.enqueue(message(0))
    bench.send()
    return bench
