"""A worker's calls on the account's scripts: one step that settles, starts, renews and claims."""

from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any, Literal

import msgspec
import redis
import redis.asyncio

from sluicegate.config import Config
from sluicegate.keys import Keys
from sluicegate.levels import digest, published
from sluicegate.outbox import translated
from sluicegate.scripts import Argument, Script, Scripts, new_token

BATCH = 50
"""Settles, starts and claims in a call: with more of them the server stalls for others."""

HORIZON_MS = 50
"""How far ahead of its slot a message may be claimed."""

KEY_REUSE_MS = 23 * 3_600_000
"""How long after a key's first use it may be sent again; the provider remembers it for 24 h."""

STEP = Script("sluicegate_worker", "bucket", "breaker", "settle", "start", "claim", "step")
SWEEP = Script("sluicegate_worker", "sweep")
PUBLISH = Script("sluicegate", "limits")

Kind = Literal["accepted", "retry", "back", "dead", "doubt", "unused"]


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one lease, for ``settle.lua``; times in ms, -1 for what was not said.

    ``flags``: h an answer was heard, t throttled, r replayed, p perhaps acted on, u uncharged, f
    the sender's queue at the provider is full, b the provider failed, o the recipient has
    opted out. ``hold_ms`` is how long that queue takes. ``halt``
    is a level, ``account`` or ``sender``; it ends when a person lifts it (``""``), at midnight UTC
    (``midnight``), or after so many ms.
    """

    id: str
    token: str
    kind: Kind
    provider_id: str = ""
    took_ms: float = 0
    flags: str = ""
    limit: int = -1
    remaining: int = -1
    delay_ms: float = 0
    code: str = ""
    reason: str = ""
    answer: str = ""
    wait_ms: float = -1
    window_ms: float = -1
    reset_ms: float = -1
    hold_ms: float = 0
    halt: str = ""
    halt_ends: str = ""

    def args(self) -> tuple[Argument, ...]:
        """What every settle says, then how many others there are, and those by name and value.

        Most say no more, and each argument costs the server as much as a small command.
        """
        others = [
            (name, value)
            for name, value, unsaid in (
                ("delay", self.delay_ms, 0),
                ("code", self.code, ""),
                ("reason", self.reason, ""),
                ("answer", self.answer, ""),
                ("wait", self.wait_ms, -1),
                ("window", self.window_ms, -1),
                ("reset", self.reset_ms, -1),
                ("hold", self.hold_ms, 0),
                ("halt", self.halt, ""),
                ("halt_ends", self.halt_ends, ""),
            )
            if value != unsaid
        ]
        return (
            self.id, self.token, self.kind, self.provider_id, self.took_ms, self.flags, self.limit,
            self.remaining, len(others), *chain.from_iterable(others),
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

    def unused(self) -> Settle:
        """Give it back: nothing was written, and its slot is free again."""
        return Settle(id=self.id, token=self.token, kind="unused")


class Claimed(msgspec.Struct, frozen=True):
    """A claim's answer: grants, or why there are none and in how many ms to ask again.

    ``why``: idle, rate (the account's requests), level (another level's rate, soon over), blocked,
    concurrency, probing, halted, again, unconfigured (no limits are published), breaker (the
    provider fails), probe (it does, and this worker is to find out whether it still does).
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
        probed: tuple[str, bool] = ("", False),
    ) -> list[Argument]:
        """Arguments of ``STEP``; ``want`` messages are claimed under ``token``, none without.

        ``probed`` is the token of a claim that was answered ``probe``, and whether the provider
        answered.
        """
        account = self._account
        args: list[Argument] = [
            account.lease_seconds * 1000,
            self._config.retention_ms,
            probed[0],
            int(probed[1]),
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
        """Run ``STEP`` with ``step_args``; ``token`` is the one claimed under.

        On a server that has lost its limits they are published, and the claim is to be repeated.
        """
        done = stepped(await self._call(STEP, args), token)
        if done.claimed.why == "unconfigured":
            await self.publish()
        return done

    def publish_args(self) -> list[Argument]:
        """Arguments of ``PUBLISH`` with the account's limits as this worker's file has them."""
        fields = published(self._account)
        args: list[Argument] = [self._account.limits_version, digest(fields)]
        return args + [text for field in fields.items() for text in field]

    async def publish(self) -> bool:
        """Put the account's limits in force, for all workers; False where newer ones are."""
        args = self.publish_args()
        in_force = await self._call(PUBLISH, args)
        return bool(in_force == [str(arg).encode() for arg in args[:2]])

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
        return swept(await self._call(SWEEP, self.sweep_args(self.worker, new_token())))

    async def _call(self, script: Script, args: Sequence[Argument]) -> Any:
        try:
            return await self._scripts.acall(script, args)
        except redis.RedisError as error:
            raise translated(error, ()) from error


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
