"""One account's queue, as a worker calls on it: the scripts, and their arguments and answers."""

import asyncio
import secrets
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain
from typing import Any

import redis
import redis.asyncio

from sluicegate import __version__
from sluicegate.audit import By, act
from sluicegate.campaigns.campaign import CAMPAIGN
from sluicegate.campaigns.hours import OPEN_HOURS, further_args, parse_hours_fields
from sluicegate.campaigns.members import HASH_KEY_BYTES
from sluicegate.config import Config
from sluicegate.errors import BadHours, Malformed
from sluicegate.keys import Keys
from sluicegate.levels import digest, published
from sluicegate.redis_errors import translated
from sluicegate.scripts import Argument, Script, Scripts, new_token

from .distance import Distance
from .wire import Renewal, Settle, Start, Stepped, Swept, Tended, parse_stepped, parse_swept

HORIZON_MS = 50
"""How far ahead of its slot a message may be claimed."""

KEY_REUSE_MS = 23 * 3_600_000
"""How long after a key's first use it may be sent again; the provider remembers it for 24 h."""

HOURS_AGAIN_MS = 60_000
"""After which hours that could not be reckoned on are tried again."""

STEP = Script("sluicegate_worker.step")
SWEEP = Script("sluicegate_worker.sweep")
TEND = Script("sluicegate_worker.tend")
PUBLISH = Script("sluicegate.publish")


def start_args(name: str) -> list[Argument]:
    """The arguments of ``CAMPAIGN`` that start a campaign whose time has come."""
    said = act(By("sluicegate", "its time had come"), "start", filter={"campaign": name}).said()
    return [name, "start", said]


def worker_tag(worker: str) -> str:
    """The 4 characters that a worker's tokens begin with, so that a lease shows its holder."""
    return blake2b(worker.encode(), digest_size=2).hexdigest()


class Queue:
    """One account's scripts on an asynchronous client.

    A call whose reply was lost may be repeated with the same arguments. Calls raise
    OutboxUnavailable if Redis doesn't answer, and OutboxFull if it has no memory for a claim.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        config: Config,
        account: str,
        worker: str = "",
        time: str | None = None,
    ) -> None:
        self.account, self.worker, self._tag = account, worker, worker_tag(worker)
        self._scripts = Scripts(client, Keys(account).prefix, time)
        self._config, self._account = config, config.account(account)
        self.distance = Distance()

    def token(self) -> str:
        """A new token to claim under; it begins with this worker's tag."""
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
        """Arguments of ``STEP``; it claims ``want`` messages under ``token``.

        ``probed`` is the token of a claim whose answer was ``probe``, and whether the provider
        then answered; an empty token means that there was none.
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
        texts = [(start.id, start.text) for start in starts if start.text]
        args += (len(texts), *chain.from_iterable(texts))
        made = [start for start in starts if start.version]
        args.append(len(made))
        for start in made:
            args += (start.id, start.version, start.segments)
        args.append(len(renewals))
        for renewal in renewals:
            args += (renewal.id, renewal.token)
        args += (token if want else "", want, HORIZON_MS)
        return args

    async def step(self, args: Sequence[Argument], token: str = "") -> Stepped:
        """Run ``STEP`` with the arguments that ``step_args`` made; ``token`` is theirs.

        A server that has lost the account's limits gets them again; the caller claims once more.
        """
        stepped = parse_stepped(await self._call(STEP, args), token)
        if stepped.claimed.why == "unconfigured":
            await self.publish()
        return stepped

    def publish_args(self) -> list[Argument]:
        """Arguments of ``PUBLISH``: the account's limits as this worker's file has them."""
        fields = published(self._account, self._config.apps_of(self.account))
        version, hash = self._account.limits_version, digest(fields)
        about = {"version": str(version), "digest": hash, "worker": self.worker}
        args: list[Argument] = [version, hash, act(By(), "limits", filter=about).said()]
        args.append(secrets.token_bytes(HASH_KEY_BYTES))
        return args + [text for field in fields.items() for text in field]

    async def publish(self) -> bool:
        """Put the account's limits in force for all workers; False if newer ones are in force."""
        args = self.publish_args()
        in_force = await self._call(PUBLISH, args)
        return bool(in_force == [str(arg).encode() for arg in args[:2]])

    def sweep_args(
        self, worker: str, token: str, deaf: str = "", far_seconds: float = 0.0
    ) -> list[Argument]:
        """Arguments of ``SWEEP``, which include the account's policy on doubts.

        ``deaf`` says why the worker's signals start no drain, "" where they do; ``far_seconds``
        how long its calls take, 0.0 where that is not long.
        """
        doubt = self._account.in_doubt
        return [
            token,
            self._account.lease_seconds * 1000,
            worker,
            doubt.policy,
            doubt.transactional_wait_seconds * 1000,
            doubt.bulk_wait_seconds * 1000,
            KEY_REUSE_MS,
            self._config.sending_ceiling,
            deaf,
            self._account.retry.max_attempts,
            round(1000 * far_seconds),
            __version__,
        ]

    async def sweep(self, deaf: str = "") -> Swept:
        """Run the repair pass once; for ``deaf`` see ``sweep_args``."""
        far_seconds = self.distance.far_seconds
        self.distance.tell(far_seconds)
        args = self.sweep_args(self.worker, new_token(), deaf, far_seconds)
        swept = parse_swept(await self._call(SWEEP, args))
        self.distance.told(far_seconds)
        return swept

    async def tend(self) -> Tended:
        """Do for campaigns what the clock asks: end, reckon on, and start those scheduled."""
        now, ended, more, starting, *due = await self._call(TEND, [self._config.retention_ms])
        names, faults = [name.decode() for name in starting], list[str]()
        for name in names:
            await self._call(CAMPAIGN, start_args(name))
        for name, fields in zip(due[::2], due[1::2], strict=True):
            try:
                await self._reckon(name.decode(), fields, int(now))
            except (BadHours, Malformed) as error:
                faults.append(f"campaign {name.decode()}: {error}")
                await self._call(OPEN_HOURS, [name, int(now) + HOURS_AGAIN_MS])
        return Tended(ended, bool(more), names, faults)

    async def _reckon(self, name: str, fields: Sequence[bytes], now_ms: int) -> None:
        """Say when a campaign's classes are open from now on; raises BadHours, Malformed."""
        args = await asyncio.to_thread(further_args, name, parse_hours_fields(fields), now_ms)
        await self._call(OPEN_HOURS, args)

    async def _call(self, script: Script, args: Sequence[Argument]) -> Any:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            answer = await self._scripts.acall(script, args)
        except redis.RedisError as error:
            raise translated(error, ()) from error
        self.distance.note(clock() - began)
        return answer
