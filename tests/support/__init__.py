"""An account's scripts under a clock of the test's own: what tests drive instead of waiting."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
import redis

from sluicegate import Config, EnqueueResult, Message, MessageStatus
from sluicegate.campaigns.campaign import IMPORT, Action, Campaigns
from sluicegate.campaigns.plan import Plan, key_hash, ticket
from sluicegate.campaigns.recipients import Recipient
from sluicegate.config import Account, InDoubt
from sluicegate.keys import FINAL_STATES
from sluicegate.outbox import CANCEL, ENQUEUE, Outbox
from sluicegate.receipts import FATES
from sluicegate.rules import validated
from sluicegate.scripts import Argument, Script, Scripts
from sluicegate_worker.operator.audit import Act
from sluicegate_worker.operator.deadletters import PURGE, REPLAY, Replay, purge_args, replay_args
from sluicegate_worker.operator.doubts import RESOLVE
from sluicegate_worker.operator.halts import Halts
from sluicegate_worker.provider.rate_headers import RateHeaders
from sluicegate_worker.queue import PUBLISH, STEP, SWEEP, Queue
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

CLOCK = """
return { server_ms = function() return tonumber(redis.call('GET', KEYS[1] .. 'test-clock')) end }
"""
"""Stands in for time.lua: the server's clock is a key that the test sets."""

SENDER = "+15550000000"
BY_TEST = Act(who="test", action="test", why="a test", run="test")


def message(number: int = 1, **fields: Any) -> Message:
    """A valid message to recipient ``number``; its id is ``m<number>`` unless given."""
    made = {"id": f"m{number}", "to": f"+1555{number:07d}", "sender": SENDER, "text": "hello"}
    return validated(Message(**(made | fields)))


def plan(name: str = "july", **fields: Any) -> Plan:
    """A valid plan; its text has two variables unless given."""
    text = "Hi {{ first_name }}, code {{ code }}"
    return Plan(**({"name": name, "text": text, "to_column": "phone", "sender": SENDER} | fields))


def recipient(plan: Plan, number: int, *values: str, key: str = "") -> Recipient:
    """Recipient ``number`` of a campaign, as its roster would make it."""
    to = f"+1415{2_000_000 + number:07d}"
    values = values or tuple(f"v{number}" for _ in plan.template.variables)
    text = plan.template.render(dict(zip(plan.template.variables, values, strict=True)))
    segments = plan.message("row", to, text).segments
    hash = key_hash(key or to)
    made = ticket(plan, hash, to, segments.parts, values)
    return Recipient(number, hash, to, text, segments.parts, segments.encoding, made)


def settle_of(grant: Grant, kind: Any, **fields: Any) -> Settle:
    """A settle of ``grant``; ``fields`` may be those of its rate headers too."""
    rate = {name: fields.pop(name) for name in RateHeaders.__struct_fields__ if name in fields}
    fields = {"rate": RateHeaders(**rate)} | fields
    return Settle(id=grant.id, token=grant.token, kind=kind, **fields)


class Sent(NamedTuple):
    """A message that was started in its slot, at that time."""

    at_ms: float
    id: str


class Bench:
    """One account's scripts, called synchronously, at a time that only the test moves.

    ``fields`` are fields of the account's configuration. ``repeat`` calls every script twice with
    the same arguments and fails where the second answer or the state after it differs. A probe of
    the breaker's is answered as ``answers_probes`` says, or not at all.
    """

    def __init__(self, store: redis.Redis, *, repeat: bool = False, **fields: Any) -> None:
        # The account's requests alone decide, unless a test says otherwise.
        default: dict[str, Any] = {"in_doubt": InDoubt()}
        default |= {"sms_per_second": 0.0, "mms_per_second": 0.0}
        self.config = Config(accounts={"default": Account(**default | fields)})
        self.store, self.repeat = cast("Any", store), repeat
        self.answers_probes: bool | None = True
        self.outbox = Outbox(self.config, "default")
        self.keys = self.outbox.keys
        self.queue = Queue(cast("Any", store), self.config, "default")
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
            before = self.dump()
            again = self._scripts.call(script, args)
            assert again == answer, script.name
            after = self.dump()
            changed = {
                name: (before.get(name), after.get(name))
                for name in before.keys() | after.keys()
                if before.get(name) != after.get(name) and not _has_expired(name, after)
            }
            assert not changed, (script.name, changed)
        return answer

    def enqueue(self, *messages: Message) -> list[EnqueueResult]:
        args = self.outbox.enqueue_args(messages, self.token())
        return Outbox.results(messages, self.call(ENQUEUE, args))

    def cancel(self, id: str) -> str:
        return Outbox.cancelled(id, self.call(CANCEL, self.outbox.cancel_args(id)))

    def add(self, name: str, *recipients: Recipient) -> str:
        """Import one batch; return a letter for each: added, duplicate or suppressed."""
        return cast(
            "bytes", self.call(IMPORT, self.campaigns.import_args(name, recipients))
        ).decode()

    def act(self, name: str, action: Action) -> str:
        """Act on a campaign, twice where everything is: the second time nothing happens."""
        state = self.campaigns.act(name, action)
        if self.repeat:
            before = self.dump()
            assert self.campaigns.act(name, action) == state
            assert self.dump() == before
        return state

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
        """Claim once, and once more after a probe that the provider answered."""
        claimed = self.step(want=want).claimed
        again = claimed.why == "probe" and self.answers_probes
        return self.step(want=want).claimed if again else claimed

    def claim_all(self, want: int, within_ms: float = 10_000) -> list[Grant]:
        """Claim until ``want`` are granted, moving time on as the answers say."""
        grants: list[Grant] = []
        ends = self.now_ms + within_ms
        while len(grants) < want and self.now_ms < ends:
            claimed = self.claim(want - len(grants))
            grants += claimed.grants
            if not claimed.grants:
                self.later(max(claimed.wait_ms, 1))
        return grants

    def start(self, *grants: Grant, request: bytes = b"{}") -> list[bool]:
        starts = [Start(g.id, g.token, b"" if g.request else request) for g in grants]
        return list(self.step(starts=starts).started)

    def settle(self, grant: Grant, kind: Any, **fields: Any) -> str:
        settle = settle_of(grant, kind, **fields)
        return self.step(settles=[settle]).settled[0]

    def send(self, *, kind: Any = "accepted", **fields: Any) -> Grant:
        """Claim one message, start it in its slot and settle it."""
        [grant] = self.claim_all(1)
        self.later(max(grant.slot_ms, 0))
        assert self.start(grant) == [True]
        if kind == "accepted":
            fields = {"provider_id": f"p-{grant.id}", "heard": True} | fields
        assert self.settle(grant, kind, **fields) == "applied"
        return grant

    def drain(self, ms: float, *, want: int = 50, most: int = 1_000_000) -> list[Sent]:
        """Claim, start and accept for so long, ``most`` messages, asking when the answers say."""
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
        return self._hash(self.keys.record(id))

    def totals(self) -> Counter[str]:
        return Counter(
            {name: int(value) for name, value in self._hash(self.keys("totals")).items()}
        )

    def bucket(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._hash(self.keys("bucket")).items()}

    def log(self) -> list[float]:
        """The times of the slots granted and not given back, oldest first."""
        return [at for _, at in self.store.zrange(self.keys("log"), 0, -1, withscores=True)]

    def lane(self, lane: str) -> list[str]:
        """The ids in a lane, the head first."""
        tickets = self.store.lrange(self.keys.lane(lane), 0, -1)
        return [ticket.decode().partition("|")[0] for ticket in tickets]

    def _hash(self, key: str) -> dict[str, str]:
        found = self.store.hgetall(key)
        return {name.decode(): value.decode() for name, value in found.items()}

    def dump(self) -> dict[bytes, Any]:
        """Everything stored, for comparing two states; not expiry times, nor the test's clock."""
        found = self.store.scan_iter(count=1000)
        return _values(self.store, [key for key in found if not key.endswith(b"test-clock")])

    def check(self) -> Counter[str]:
        """Assert that the account's books agree with its records; return records by state.

        Every message enqueued or imported is in exactly one state, each index holds exactly what
        it says, and so do the counters of every campaign.
        """
        return check_books(self.store, self.keys)


def _has_expired(key: bytes, after: dict[bytes, Any]) -> bool:
    """Whether an answer is forgotten by now, which goes by the server's own clock."""
    return b":claim:" in key and after.get(key) is None


def check_books(store: Any, keys: Any) -> Counter[str]:
    """``Bench.check`` on any store."""
    stored = _values(store, list(store.scan_iter(match=f"{keys.prefix}*", count=1000)))
    names = {key.decode().removeprefix(keys.prefix): value for key, value in stored.items()}
    records = {
        name.removeprefix("m:"): value[b"state"].decode()
        for name, value in names.items()
        if name.startswith("m:")
    }
    tickets = _check_lanes(names)
    leased = _check_leases(names)
    index = {
        name: {id.decode() for id, _ in names.get(name, [])} for name in ("due", "doubts", "dead")
    }
    unsent = _unsent(names)
    for id, state in records.items():
        if state == "waiting":
            places = (id in leased) + tickets[id] + len(unsent.get(id, ()))
            assert places == 1, f"{id} waits in {places} places"
        else:
            # Evidence may end a message whose next attempt is under way; nothing else may.
            assert leased.get(id, True), f"{id} is {state} and granted"
            assert id not in leased or state == "accepted", f"{id} is {state} and leased"
        assert (id in index["doubts"]) == (state == "in_doubt"), id
        assert (id in index["dead"]) == (state == "dead"), id
        assert (id in index["due"]) == (state in ("scheduled", "retrying")), id
    known = records | _check_unrecorded(records, tickets, leased, unsent)
    assert leased.keys() <= known.keys()
    assert set().union(*index.values()) <= records.keys()
    # What waited in a campaign that was cancelled is listed there, whatever its record says.
    known |= {id: lists[0] for id, lists in unsent.items() if known[id] == "waiting"}
    _check_campaigns(names, known, leased)
    totals = {k.decode(): int(v) for k, v in names.get("totals", {}).items()}
    states = Counter(known.values())
    assert totals.get("enqueued", 0) == sum(states.values())
    for state in FINAL_STATES:
        assert totals.get(state, 0) == states[state], state
    return states


def _unsent(names: dict[str, Any]) -> dict[str, list[str]]:
    """The recipients in their campaigns' lists of the unsent: id -> the states of those lists."""
    unsent: dict[str, list[str]] = {}
    for name, value in names.items():
        if name.startswith("unsent:"):
            _, campaign, state = name.split(":")
            for ticket in value:
                unsent.setdefault(f"{campaign}.{_first(ticket)}", []).append(state)
    return unsent


def _check_unrecorded(
    records: dict[str, str],
    tickets: Counter[str],
    leased: dict[str, bool],
    unsent: dict[str, list[str]],
) -> dict[str, str]:
    """Each recipient without a record is in one place; return which state that makes."""
    states: dict[str, str] = {}
    for id in (tickets.keys() | leased.keys() | unsent.keys()) - records.keys():
        if "." not in id:
            continue  # a ticket of an app's message that was forgotten
        lists = unsent.get(id, [])
        assert tickets[id] + (id in leased) + len(lists) == 1, f"{id} is in several places"
        assert not leased.get(id), f"{id} is started and has no record"
        states[id] = lists[0] if lists else "waiting"
    return states


def _check_campaigns(
    names: dict[str, Any], known: dict[str, str], leased: dict[str, bool]
) -> None:
    """Each campaign's counters say what its members are."""
    running = set()
    for key, fields in names.items():
        if not key.startswith("campaign:"):
            continue
        name, state = key.removeprefix("campaign:"), fields[b"state"].decode()
        if state == "running":
            running.add(name.encode())
        mine = {id: where for id, where in known.items() if id.startswith(f"{name}.")}
        shards = [value for other, value in names.items() if other.startswith(f"members:{name}:")]
        assert sum(map(len, shards)) == len(mine), f"{name} has lost a member"
        ledger = {k.decode(): int(v) for k, v in names.get(f"ledger:{name}", {}).items()}
        assert ledger.pop("imported", 0) == len(mine), name
        told = {fate: ledger.pop(fate, 0) for fate in FATES}
        assert {k: v for k, v in ledger.items() if v} == Counter(mine.values()), name
        found = {id: names.get(f"m:{id}", {}).get(b"fate") for id in mine}
        fates = {id: fate.decode() for id, fate in found.items() if fate}
        assert {fate: count for fate, count in told.items() if count} == Counter(fates.values())
        assert all(mine[id] == "accepted" for id in fates), f"{name} has a fate without a message"
        if state == "cancelled":
            assert f"lane:{fields[b'lane'].decode()}" not in names
            assert all(id in leased for id, where in mine.items() if where == "waiting")
        if state == "finished":
            assert not {"waiting", "retrying", "in_doubt"} & set(mine.values())
    assert names.get("running", set()) == running


def _check_lanes(names: dict[str, Any]) -> Counter[str]:
    """Every open lane with tickets is ready or parked; return how often each id has one."""
    tickets: Counter[str] = Counter()
    reachable = _reachable(names)
    for name, value in names.items():
        if name.startswith("lane:"):
            lane = name.removeprefix("lane:")
            campaign = lane.partition("#")[2]
            if not campaign or names[f"campaign:{campaign}"][b"state"] == b"running":
                assert lane in reachable, f"{lane} has tickets and is never served"
            prefix = f"{campaign}." if campaign else ""
            tickets.update(prefix + _first(ticket) for ticket in value)
    return tickets


def _reachable(names: dict[str, Any]) -> set[str]:
    """The lanes in the tree and among the parked; every node is where a claim finds it."""
    parked = {
        member.decode() for priority in "tb" for member, _ in names.get(f"parked:{priority}", [])
    }
    assert parked == {member.decode() for member in names.get("parked_by", {})}
    found: set[str] = set()

    def look(branch: str, member: str) -> None:
        if member[1] != "|":
            found.add(member)
            return
        for child, _ in names.get(f"ready:{branch}:{member}", []):
            look(branch, child.decode())

    for branch in ("ts", "tm", "bs", "bm"):
        for member, _ in names.get(f"ready:{branch}", []):
            look(branch, member.decode())
    for member in parked:
        look(*member.split("/", 1))
    return found


def _first(ticket: bytes) -> str:
    return ticket.partition(b"|")[0].decode()


def _check_leases(names: dict[str, Any]) -> dict[str, bool]:
    """Each lease is in the set of its kind; return id -> whether it has started."""
    granted, started = (
        {id.decode() for id, _ in names.get(kind, [])} for kind in ("granted", "started")
    )
    leased: dict[str, bool] = {}
    for id, text in names.get("leases", {}).items():
        leased[id.decode()] = bool(text.split(b"|", 5)[3])
    assert started == {id for id, begun in leased.items() if begun}
    assert granted == {id for id, begun in leased.items() if not begun}
    return leased


def replaced(config: Config, **fields: Any) -> Config:
    """``config`` with fields of its default account replaced."""
    account = msgspec.structs.replace(config.accounts["default"], **fields)
    return msgspec.structs.replace(config, accounts={"default": account})


def _values(store: Any, keys: Sequence[bytes]) -> dict[bytes, Any]:
    """The values of ``keys``, in two round trips."""
    pipeline = store.pipeline(transaction=False)
    for key in keys:
        pipeline.type(key)
    kinds = pipeline.execute()
    for key, kind in zip(keys, kinds, strict=True):
        match kind:
            case b"hash":
                pipeline.hgetall(key)
            case b"list":
                pipeline.lrange(key, 0, -1)
            case b"zset":
                pipeline.zrange(key, 0, -1, withscores=True)
            case b"set":
                pipeline.smembers(key)
            case _:
                pipeline.get(key)
    values = zip(keys, pipeline.execute(), strict=True)
    return {key: value for key, value in values if value is not None}  # expired in between
