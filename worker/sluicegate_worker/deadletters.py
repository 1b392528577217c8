"""Dead letters: messages that only a person may send again, kept until a person decides."""

from collections.abc import Iterator
from typing import Any

import msgspec
import redis

from sluicegate.errors import UnknownMessage, WrongState
from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts, new_token

REPLAY = Script("sluicegate_worker", "replay")
PURGE = Script("sluicegate_worker", "purge")

_FIELDS = ("to", "code", "reason", "attempts", "maybe", "generation", "answer")


class DeadLetter(msgspec.Struct, frozen=True):
    """One dead letter; ``maybe`` of its ``attempts`` may have been acted on by the provider."""

    id: str
    died_ms: int
    to: str
    code: str
    reason: str
    attempts: int
    maybe: int
    generation: int
    answer: str


class DeadLetters:
    """The dead letters of one account, on a synchronous client."""

    def __init__(self, client: redis.Redis, keys: Keys, retention_ms: int) -> None:
        self._client: Any = client
        self._keys, self._retention_ms = keys, retention_ms
        self._scripts = Scripts(client, keys.prefix)

    def __len__(self) -> int:
        return int(self._client.zcard(self._keys("dead")))

    def __iter__(self) -> Iterator[DeadLetter]:
        """All of them, the latest first."""
        start, page = 0, 200
        while found := self._client.zrevrange(
            self._keys("dead"), start, start + page - 1, withscores=True
        ):
            for id, died_ms in found:
                yield self._read(id.decode(), int(died_ms))
            start += page

    def get(self, id: str) -> DeadLetter:
        """One of them; raises UnknownMessage."""
        died_ms = self._client.zscore(self._keys("dead"), id)
        if died_ms is None:
            raise UnknownMessage(id)
        return self._read(id, int(died_ms))

    def replay(self, id: str) -> None:
        """Send it again: the same message, its next generation, under a new idempotency key.

        Raises UnknownMessage, and WrongState where it is not dead.
        """
        _expect(
            id,
            self._scripts.call(REPLAY, [id, new_token()]),
            b"replayed",
            "only dead letters are replayed",
        )

    def purge(self, id: str) -> None:
        """Give it up: its content goes, its id stays known for the retention.

        Raises UnknownMessage, and WrongState where it is not dead.
        """
        args: list[Argument] = [id, new_token(), self._retention_ms]
        _expect(id, self._scripts.call(PURGE, args), b"purged", "only dead letters are purged")

    def _read(self, id: str, died_ms: int) -> DeadLetter:
        fields = self._client.hmget(self._keys.record(id), *_FIELDS)
        to, code, reason, attempts, maybe, generation, answer = (
            (field or b"").decode() for field in fields
        )
        return DeadLetter(
            id,
            died_ms,
            to,
            code,
            reason,
            int(attempts or 0),
            int(maybe or 0),
            int(generation or 0),
            answer,
        )


def _expect(id: str, answer: bytes, wanted: bytes, rule: str) -> None:
    if answer == b"unknown":
        raise UnknownMessage(id)
    if answer != wanted:
        raise WrongState(id, answer.decode(), rule)
