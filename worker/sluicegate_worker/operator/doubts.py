"""Messages in doubt: their POST may have reached the provider, and nobody knows."""

import math
from collections.abc import Iterator
from typing import Literal

import msgspec
import redis

from sluicegate.audit import Act, By, act
from sluicegate.errors import UnknownMessage, WrongState
from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts, new_token
from sluicegate.stored import MessageId, Record

from .listed import Fields, ListedMessages

RESOLVE = Script("sluicegate_worker.resolve")

Resolution = Literal["accepted", "resend", "drop"]

_STOPPED = ("cancelled", "in a cancelled campaign", "opted out")
_FIELDS = ("to", "reason", "attempts", "key_at", "at", "code")


class Doubtful(msgspec.Struct, frozen=True):
    """One message in doubt since ``since_ms``.

    ``decided_ms`` is when the account's policy decides, None where only a person does. ``key_ms``
    is when its idempotency key was first used. ``code`` is that of its last failure, ``""`` where
    its worker fell silent; ``campaign`` is ``""`` for an app's own message, and ``app`` for one of
    nobody with a name. All times are wall milliseconds.
    """

    id: str
    to: str
    reason: str
    attempts: int
    since_ms: int
    key_ms: int
    decided_ms: int | None
    code: str = ""
    campaign: str = ""
    app: str = ""


class Doubts:
    """The messages in doubt of one account, on a synchronous client."""

    def __init__(self, client: redis.Redis, keys: Keys, retention_ms: int) -> None:
        self._doubts, self._retention_ms = ListedMessages(client, keys, "doubts"), retention_ms
        self._scripts = Scripts(client, keys.prefix)

    def __len__(self) -> int:
        return len(self._doubts)

    @property
    def held(self) -> int:
        """How many of them wait for a person."""
        return self._doubts.count(math.inf, math.inf)

    def __iter__(self) -> Iterator[Doubtful]:
        """All of them, in no particular order."""
        for page in self._doubts.all():
            read = self._doubts.fields(list(page), _FIELDS)
            for (id, decided), fields in zip(page.items(), read, strict=True):
                yield _doubtful(id, decided, fields)

    def resolve(
        self,
        id: str,
        verdict: Resolution,
        *,
        provider_id: str = "",
        reason: str,
        by: By | None = None,
    ) -> None:
        """End a doubt by a person's word; ``by`` goes into the audit.

        ``accepted``: it was sent, as ``provider_id`` where that is known. ``resend``: send the
        same bytes again under the same key; refused if it or its campaign was cancelled, or its
        recipient opted out. ``drop``: make it a dead letter, or end it if it was cancelled.
        Raises UnknownMessage and WrongState.
        """
        said = act(by or By(why=reason), f"resolve {verdict}", id)
        answer = self.answer(id, verdict, reason, said, provider_id)
        if answer == "unknown":
            raise UnknownMessage(id)
        if answer in _STOPPED:
            wanted = "it must not be sent again; resolve it as accepted, or drop it"
            raise WrongState(id, f"in doubt and {answer}", wanted)
        if answer != "resolved":
            raise WrongState(id, answer, "only messages in doubt are resolved")

    def answer(
        self, id: str, verdict: Resolution, reason: str, act: Act, provider_id: str = ""
    ) -> str:
        """Do the same, as one of the doubts of an ``act``, which goes into the audit once.

        The answer is ``resolved``, ``unknown``, the state that it is in instead, or why it must
        not be sent again.
        """
        args: list[Argument] = [id, verdict, new_token(), self._retention_ms]
        args += [provider_id, reason, act.said()]
        answer: bytes = self._scripts.call(RESOLVE, args)
        return answer.decode()


def _doubtful(id: str, decided: float, fields: Fields) -> Doubtful:
    record, name = Record.parse_some(_FIELDS, fields), MessageId.parse(id)
    return Doubtful(
        id,
        record.to,
        record.reason,
        record.attempts,
        since_ms=record.at,
        key_ms=record.key_at,
        decided_ms=None if math.isinf(decided) else int(decided),
        code=record.code,
        campaign=name.campaign,
        app=name.app,
    )
