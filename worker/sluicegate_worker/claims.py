"""A worker's calls on the account's scripts: one step that settles, starts, renews and claims."""

import secrets
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal

import msgspec
import redis
import redis.asyncio

from sluicegate.config import Config
from sluicegate.keys import Keys
from sluicegate.outbox import translated
from sluicegate.scripts import Argument, Script, Scripts

BATCH = 50
"""Messages per call: beyond it nothing is gained, and the server stalls for others."""

HORIZON_MS = 50
"""How far ahead of its slot a message may be claimed."""

KEY_REUSE_MS = 23 * 3_600_000
"""How long after a key's first use it may be sent again; the provider remembers it for 24 h."""

STEP = Script("sluicegate_worker", "bucket", "settle", "start", "claim", "step")
SWEEP = Script("sluicegate_worker", "sweep")

Kind = Literal["accepted", "retry", "back", "dead", "doubt", "unused"]


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one lease, for ``settle.lua``; times in ms, -1 for what was not said.

    ``flags``: h an answer was heard, t throttled, r replayed, p perhaps acted on, u uncharged.
    """

    id: str
    token: str
    kind: Kind
    delay_ms: float = 0
    code: str = ""
    reason: str = ""
    answer: str = ""
    provider_id: str = ""
    took_ms: float = 0
    limit: int = -1
    remaining: int = -1
    wait_ms: float = -1
    flags: str = ""
    halt: str = ""
    halt_until_ms: int | None = None

    def args(self) -> tuple[Argument, ...]:
        return (
            self.id, self.token, self.kind, self.delay_ms, self.code, self.reason, self.answer,
            self.provider_id, self.took_ms, self.limit, self.remaining, self.wait_ms, self.flags,
            self.halt, "" if self.halt_until_ms is None else self.halt_until_ms,
        )  # fmt: skip


class Start(msgspec.Struct, frozen=True):
    """A granted message whose POST is about to be written; ``request`` where not stored yet."""

    id: str
    token: str
    request: bytes = b""


class Renewal(msgspec.Struct, frozen=True):
    """A lease to be kept: its POST is still waiting for an answer."""

    id: str
    token: str


class Grant(msgspec.Struct, frozen=True):
    """One message claimed, to be started ``slot_ms`` from now.

    ``attempts`` were charged so far, ``maybe`` of them may have been acted on, ``age_ms`` went by
    in them and in backoff. ``content`` is the message; ``request`` its bytes once first sent.
    """

    id: str
    token: str
    slot_ms: float
    attempts: int
    maybe: int
    age_ms: int
    generation: int
    content: bytes
    request: bytes


class Claimed(msgspec.Struct, frozen=True):
    """A claim's answer: grants, or why there are none and in how many ms to ask again.

    ``why``: idle, rate, blocked, concurrency, probing, halted, again.
    """

    wait_ms: float
    why: str
    grants: Sequence[Grant] = ()


class Stepped(msgspec.Struct, frozen=True):
    """What one step did, item by item in the order asked."""

    settled: Sequence[str]
    started: Sequence[bool]
    renewed: Sequence[bool]
    claimed: Claimed


class Swept(msgspec.Struct, frozen=True):
    """What one sweep did; ``work`` where a drain has something to do."""

    given_back: int
    in_doubt: int
    resent: int
    held: int
    dropped: int
    work: bool


def new_token(tag: str = "") -> str:
    """A random fencing token: 12 characters after ``tag``."""
    return tag + secrets.token_urlsafe(9)


def worker_tag(worker: str) -> str:
    """The 4 characters that a worker's tokens begin with, so that a lease shows its holder."""
    return blake2b(worker.encode(), digest_size=2).hexdigest()


class Claims:
    """One account's scripts on an asynchronous client.

    Every call may be repeated with the same arguments after a lost reply. Errors are
    OutboxUnavailable, and OutboxFull where the server has no memory for a claim.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        config: Config,
        account: str,
        worker: str = "",
        time: str | None = None,
    ) -> None:
        self.worker, self._tag = worker, worker_tag(worker)
        self._scripts = Scripts(client, Keys(account).prefix, time)
        self._config, self._account = config, config.account(account)

    def token(self) -> str:
        """A new token of this worker's, to claim under."""
        return new_token(self._tag)

    def step_args(
        self,
        settles: Sequence[Settle] = (),
        starts: Sequence[Start] = (),
        renewals: Sequence[Renewal] = (),
        want: int = 0,
        token: str = "",
    ) -> list[Argument]:
        """Arguments of ``STEP``; ``want`` messages are claimed under ``token``, none without."""
        account = self._account
        args: list[Argument] = [
            account.lease_seconds * 1000,
            self._config.retention_ms,
            account.limit,
            account.window_seconds * 1000,
            account.concurrency,
            len(settles),
        ]
        for settle in settles:
            args += settle.args()
        args.append(len(starts))
        for start in starts:
            args += (start.id, start.token, start.request)
        args.append(len(renewals))
        for renewal in renewals:
            args += (renewal.id, renewal.token)
        args += (token if want else "", want, HORIZON_MS)
        return args

    async def step(self, args: Sequence[Argument], token: str = "") -> Stepped:
        """Run ``STEP`` with ``step_args``; ``token`` is the one claimed under."""
        try:
            return stepped(await self._scripts.acall(STEP, args), token)
        except redis.RedisError as error:
            raise translated(error, ()) from error

    def sweep_args(self, worker: str, token: str) -> list[Argument]:
        """Arguments of ``SWEEP`` with the account's policy on doubts."""
        doubt = self._account.in_doubt
        return [
            token,
            self._account.lease_seconds * 1000,
            worker,
            doubt.policy,
            doubt.transactional_wait_seconds * 1000,
            doubt.bulk_wait_seconds * 1000,
            KEY_REUSE_MS,
        ]

    async def sweep(self) -> Swept:
        """Run the repair pass once."""
        try:
            reply = await self._scripts.acall(SWEEP, self.sweep_args(self.worker, new_token()))
        except redis.RedisError as error:
            raise translated(error, ()) from error
        return swept(reply)


def stepped(reply: Sequence[Any], token: str) -> Stepped:
    """Read the reply of ``STEP``."""
    settled, started, renewed, (wait_ms, why, grants) = reply
    return Stepped(
        [answer.decode() for answer in settled],
        [answer == b"started" for answer in started],
        [answer == b"renewed" for answer in renewed],
        Claimed(float(wait_ms), why.decode(), [_grant(fields, token) for fields in grants]),
    )


def swept(reply: Sequence[int]) -> Swept:
    """Read the reply of ``SWEEP``."""
    given_back, in_doubt, resent, held, dropped, work = reply
    return Swept(given_back, in_doubt, resent, held, dropped, bool(work))


def _grant(fields: Sequence[bytes], token: str) -> Grant:
    id, slot_ms, attempts, maybe, age, generation, content, request = fields
    return Grant(
        id.decode(),
        token,
        float(slot_ms),
        int(attempts),
        int(maybe),
        int(age),
        int(generation),
        content,
        request,
    )
