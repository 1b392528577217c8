"""Campaigns: a plan and its recipients, imported once each, started, paused, resumed, cancelled.

    draft ──start──▶ running ──pause──▶ paused ──resume──▶ running ──▶ finished
      └────────cancel────┴───────cancel────┘                 (nothing pending any more)
                            ▼
                        cancelled

Importing more, or replaying a dead letter, sets a finished campaign running again.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, cast

import msgspec
import redis
import redis.asyncio

from ..errors import CampaignExists, InvalidMessage, UnknownCampaign, WrongCampaignState
from ..keys import Keys
from ..optouts import START_TO_POST_SECONDS
from ..pipelining import PipelinedScript
from ..scripts import Argument, Script, Scripts, new_token
from .ledger import Ledger, Ledgers
from .plan import Plan, plan_digest
from .recipients import Recipient

IMPORT = Script("sluicegate.import")
CAMPAIGN = Script("sluicegate.campaign")

IMPORT_BATCH = 250
"""Recipients per script call: about 1 ms of the server's time."""

SHARD_SIZE = 256
"""Recipients per set of members: a set of so few numbers is kept as 8 bytes each."""

CampaignState = Literal["draft", "running", "paused", "finished", "cancelled"]
Action = Literal["start", "pause", "resume", "cancel"]


ImportResult = Literal["added", "duplicate", "suppressed"]

_OUTCOMES: dict[str, ImportResult] = {"a": "added", "d": "duplicate", "s": "suppressed"}


class Campaign(msgspec.Struct, frozen=True):
    """One campaign as it stands; times are wall milliseconds, 0 for not yet.

    ``per_second`` is its own rate in segments, 0 for none; ``weight`` its share beside others.
    """

    plan: Plan
    state: CampaignState
    created_ms: int
    started_ms: int
    ended_ms: int
    per_second: float = 0.0
    weight: float = 1.0

    @property
    def name(self) -> str:
        return self.plan.name


class Campaigns:
    """The campaigns of one account, on a synchronous client; ``clock`` is for tests."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: str | None = None,
    ) -> None:
        self._client: Any = client
        self._keys, self._sleep = keys, sleep
        self._scripts = Scripts(client, keys.prefix, clock)
        self._pipelined = PipelinedScript(client, keys.prefix, IMPORT, self._scripts, clock)
        self._ledgers = Ledgers(client, keys)

    def create(self, plan: Plan, expected_rows: int = 0) -> Campaign:
        """Create a draft, or find the campaign of that name and the same plan.

        ``expected_rows`` sizes its list of members. Raises CampaignExists; InvalidMessage and
        BadTemplate where the plan makes no sense.
        """
        plan.checked()
        shards = max(16, -(-expected_rows // (SHARD_SIZE // 2)))
        args: list[Argument] = [plan.name, "create", msgspec.json.encode(plan)]
        args += [plan_digest(plan), shards, plan.lane]
        if self._scripts.call(CAMPAIGN, args) == b"exists":
            raise CampaignExists(plan.name)
        return self.get(plan.name)

    def get(self, name: str) -> Campaign:
        """One campaign; raises UnknownCampaign."""
        found = self._client.hgetall(self._keys.campaign(name))
        if not found:
            raise UnknownCampaign(name)
        created, started, ended = (
            int(found.get(field, 0)) for field in (b"created", b"started", b"ended")
        )
        plan = msgspec.json.decode(found[b"plan"], type=Plan)
        per_second = float(found.get(b"per_second") or 0)
        weight = float(found.get(b"weight") or 1)
        state = found[b"state"].decode()
        return Campaign(plan, state, created, started, ended, per_second, weight)

    def __iter__(self) -> Iterator[Campaign]:
        """All of them, the latest first."""
        for name in self._client.zrevrange(self._keys("campaigns"), 0, -1):
            yield self.get(name.decode())

    def ledger(self, name: str) -> Ledger:
        """Its counters."""
        return self._ledgers.read(name)

    def recount(self, name: str) -> Ledger:
        """Its counters, proved from the records; see ``Ledgers.recount``."""
        return self._ledgers.recount(name)

    def add(
        self, name: str, recipients: Iterable[Recipient]
    ) -> Iterator[tuple[Recipient, ImportResult]]:
        """Import recipients, streamed in batches; each with added, duplicate or suppressed.

        Whoever is a member already is a duplicate, so importing may be repeated and resumed at
        will. Raises UnknownCampaign, and WrongCampaignState once cancelled.
        """
        place, iterator = self._place(name), iter(recipients)
        batch, failure = _taken(iterator)
        while batch:
            with self._pipelined.begin(_import_args(name, place, batch)) as answer:
                following, failure = _taken(iterator)  # while the server has the last
                reply = answer()
            if isinstance(reply, list):
                raise WrongCampaignState(name, reply[0].decode(), "take recipients")
            for recipient, letter in zip(batch, reply.decode(), strict=True):
                yield recipient, _OUTCOMES[letter]
            batch = following
        if failure:
            raise failure

    def import_args(self, name: str, batch: Sequence[Recipient]) -> list[Argument]:
        """Arguments of ``IMPORT``, under a new token; raises UnknownCampaign."""
        return _import_args(name, self._place(name), batch)

    def _place(self, name: str) -> tuple[bytes, int]:
        """A campaign's lane and the number of its shards, which never change."""
        lane, shards = self._client.hmget(self._keys.campaign(name), "lane", "shards")
        if shards is None:
            raise UnknownCampaign(name)
        return lane, int(shards)

    def pace(self, name: str, per_second: float = 0.0, weight: float = 1.0) -> None:
        """Give it a rate of its own, in segments a second (0 for none), and a weight.

        A campaign of weight 2 is sent twice as fast as one of weight 1 beside it, where both have
        to share. Takes effect with the next claim. Raises UnknownCampaign, and ValueError.
        """
        if not (0 <= per_second < math.inf and 0.01 <= weight <= 100):
            raise ValueError("a rate is 0 or more, a weight 0.01 to 100")
        rate = f"{per_second:.6g}" if per_second else ""
        before, _ = self._scripts.call(CAMPAIGN, [name, "pace", rate, f"{weight:.6g}"])
        if before == b"unknown":
            raise UnknownCampaign(name)

    def act(self, name: str, action: Action) -> CampaignState:
        """Start, pause, resume or cancel; return the state it is in then.

        When pause or cancel return, no further POST of the campaign can start: they wait out what
        had just started. Repeating an action is a no-op. Raises UnknownCampaign and
        WrongCampaignState.
        """
        before, after = self._scripts.call(CAMPAIGN, [name, action])
        if before == b"unknown":
            raise UnknownCampaign(name)
        if not after:
            raise WrongCampaignState(name, before.decode(), action)
        if action in ("pause", "cancel") and self._client.zcard(self._keys("started")):
            self._sleep(START_TO_POST_SECONDS)
        state: CampaignState = after.decode()
        return state


def _taken(recipients: Iterator[Recipient]) -> tuple[list[Recipient], Exception | None]:
    """The next recipients, or why there are none: to be raised once those before are told."""
    batch: list[Recipient] = []
    try:
        batch.extend(islice(recipients, IMPORT_BATCH))
    except Exception as error:
        return [], error
    return batch, None


def read_plan(client: redis.Redis, keys: Keys, campaign: str) -> Plan:
    """A campaign's plan; raises InvalidMessage where it is gone: nobody can be sent it then."""
    return _plan(campaign, cast("Any", client.hget(keys.campaign(campaign), "plan")))


async def aread_plan(client: redis.asyncio.Redis, keys: Keys, campaign: str) -> Plan:
    """``read_plan`` on an asynchronous client."""
    return _plan(campaign, await cast("Any", client.hget(keys.campaign(campaign), "plan")))


def _plan(campaign: str, stored: bytes | None) -> Plan:
    if stored is None:
        raise InvalidMessage("campaign", campaign, "its plan is gone")
    return msgspec.json.decode(stored, type=Plan)


def _import_args(
    name: str, place: tuple[bytes, int], batch: Sequence[Recipient]
) -> list[Argument]:
    lane, shards = place
    args: list[Argument] = [name, lane, new_token()]
    for recipient in batch:
        args += (recipient.hash % shards, recipient.hash, recipient.to, recipient.ticket)
    return args
