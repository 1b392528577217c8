"""The webhooks that wait in one account's Redis until they are passed on."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec
import redis
import redis.asyncio

from sluicegate.keys import Keys
from sluicegate.redis_errors import translated
from sluicegate.scripts import Argument, Script, Scripts
from sluicegate.stored import WaitingEventId

OFF = Script("sluicegate_ops.web.event_off")
PUT = Script("sluicegate_ops.web.relay_put")
TAKE = Script("sluicegate_ops.web.relay_take")
END = Script("sluicegate_ops.web.relay_end")

RelayKind = Literal["inbound", "receipt", "event"]
"""What came in, for the account's ``inbound_url``; one message's receipt, for the URL that its app
gave; or an event, for an app's ``events_url``."""

INBOUND: Final = "inbound"
EVENT: Final = "event"


class RelayedWebhook(msgspec.Struct, frozen=True):
    """A webhook as it came, to be passed on to ``url``: empty for what the configuration says.

    ``put_ms`` (wall) is when it came; ``app`` is whose message it tells of, if anybody's, or whom
    an event is for. An event has its ``number``, and a ``line`` in which it goes after others.
    """

    kind: RelayKind
    url: str
    headers: dict[str, str]
    body: bytes
    put_ms: int
    app: str = ""
    number: int = 0
    line: str = ""

    @property
    def id(self) -> str:
        """The same for the same webhook that comes again."""
        if self.kind == EVENT:
            return WaitingEventId(self.app, self.number, self.line).format()
        text = "\n".join([self.kind, self.url, *self.headers.values()])
        return blake2b(text.encode() + b"\n" + self.body, digest_size=16).hexdigest()


class TakenWebhooks(NamedTuple):
    """Webhooks of one target, by id, that are ours until the lease ends.

    Where nothing is due, ``target`` is empty and ``wait_seconds`` says for how long; infinity
    where nothing waits. A webhook that is None can't be read.
    """

    target: str
    lease: str
    webhooks: dict[str, RelayedWebhook | None]
    wait_seconds: float = 0.0


class RelayQueue:
    """One account's, on an asynchronous client; all methods raise OutboxError.

    One app's to one origin wait together: while that is away, none of them is tried. Tests pass
    ``time``: see ``Script.source``.
    """

    def __init__(
        self, client: redis.asyncio.Redis, account: str, most_bytes: int, time: str | None = None
    ) -> None:
        self.account = account
        self._scripts = Scripts(client, Keys(account).prefix, time)
        self._most_bytes = most_bytes

    async def put(self, webhook: RelayedWebhook) -> Literal["put", "known", "full"]:
        """Keep a webhook; once this returns ``put`` or ``known`` it will be passed on.

        ``full``: too much waits already, of all apps or of its own.
        """
        target, host = _target(webhook)
        packed = msgspec.msgpack.encode(webhook)
        args: list[Argument] = [webhook.id, webhook.kind, target, host, packed, self._most_bytes]
        args += [webhook.app, webhook.line]
        answer = await self._call(PUT, args)
        return cast("Literal['put', 'known', 'full']", cast("bytes", answer).decode())

    async def take(self, lease_seconds: float, most: int) -> TakenWebhooks:
        """Take what is due for one target, at most ``most``."""
        answer = cast("list[bytes]", await self._call(TAKE, [lease_seconds * 1000, most]))
        target, lease, *items = answer
        if not target:
            wait_ms = float(lease)
            wait = wait_ms / 1000 if wait_ms >= 0 else float("inf")
            return TakenWebhooks("", "", {}, wait)
        pairs = zip(items[::2], items[1::2], strict=True)
        webhooks = {id.decode(): _read(packed) for id, packed in pairs}
        return TakenWebhooks(target.decode(), lease.decode(), webhooks)

    async def end(
        self,
        taken: TakenWebhooks,
        over: Sequence[str],
        failed: Sequence[str],
        *,
        any_taken: bool,
        why: str,
        dice: float,
    ) -> int:
        """Tell what became of them; return how many wait for that target.

        Those that are ``over`` are forgotten; those that ``failed`` are due again later: all of
        the target's together, unless ``any_taken`` shows that it is there.
        """
        args: list[Argument] = [taken.target, taken.lease, why, dice, len(over), int(any_taken)]
        return cast("int", await self._call(END, [*args, *over, *failed]))

    async def off(self, app: str, why: str) -> bool:
        """Pass no more events on to an app; they stay where they can be replayed from.

        Returns whether they were passed on until now.
        """
        return bool(await self._call(OFF, [app, target_of_events(app), why]))

    async def _call(self, script: Script, args: Sequence[Argument]) -> object:
        try:
            return await self._scripts.acall(script, args)
        except redis.RedisError as error:
            raise translated(error, ()) from error


def target_of_events(app: str) -> str:
    """What an app's events wait for together."""
    return f"events-{app}"


def _target(webhook: RelayedWebhook) -> tuple[str, str]:
    """What waits together, and the host that people know it by."""
    if webhook.kind == INBOUND:
        return INBOUND, "inbound_url"
    if webhook.kind == EVENT:
        return target_of_events(webhook.app), f"events_url of {webhook.app}"
    parts = urlsplit(webhook.url)
    origin = f"{parts.scheme}://{parts.netloc}".lower()
    name = f"{webhook.app}\n{origin}" if webhook.app else origin
    return blake2b(name.encode(), digest_size=8).hexdigest(), parts.hostname or ""


def _read(packed: bytes) -> RelayedWebhook | None:
    try:
        return msgspec.msgpack.decode(packed, type=RelayedWebhook)
    except msgspec.DecodeError:
        return None
