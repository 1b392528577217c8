"""What has been told, and what each receiver has yet to take, as Redis remembers it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import redis

from sluicegate.errors import Malformed
from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts, new_token
from sluicegate.stored import Notice, ToldEvent

from .deciding import NotifyDecision

NOTICES = Script("sluicegate_ops.notify.notices")


class NotifyBusy(Exception):
    """Another process tells of this account now."""


class Remembered(NamedTuple):
    """What has been told, by the name of what happened, at ``now_ms`` (wall)."""

    now_ms: int
    told: Mapping[str, ToldEvent]


class Memory:
    """One account's, for one process; each call raises NotifyBusy and redis.RedisError."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._scripts = Scripts(client, keys.prefix)
        self._token = new_token()

    def take(self) -> Remembered:
        """Begin a look; for two minutes after each call no other process tells of the account."""
        now, *fields = self._call("take")
        return Remembered(int(now), dict(_told(fields)))

    def put(self, receivers: Sequence[str], decision: NotifyDecision) -> None:
        """Remember a decision, and add its notices to what each receiver has yet to take."""
        told: list[Argument] = []
        for name, event in decision.told.items():
            told += (name, event.format() if event else b"")
        args: list[Argument] = [new_token(), len(receivers), *receivers, len(decision.told), *told]
        self._call("put", *args, *(notice.format() for notice in decision.notices))

    def waiting(self, receiver: str, most: int) -> list[bytes]:
        """The first notices that a receiver has yet to take, as they are stored."""
        found: list[bytes] = self._call("waiting", receiver, most)
        return found

    def sent(self, receiver: str, taken: Sequence[bytes]) -> None:
        """It has taken them."""
        self._call("sent", receiver, *taken)

    def leave(self) -> None:
        """Let another process tell."""
        self._call("leave")

    def _call(self, *args: Argument) -> Any:
        action, *rest = args
        answer = self._scripts.call(NOTICES, [action, self._token, *rest])
        if answer == b"busy":
            raise NotifyBusy
        return answer


def readable(stored: Sequence[bytes]) -> list[Notice]:
    """Notices as they were stored; a text that is none is left out."""
    notices = []
    for text in stored:
        try:
            notices.append(Notice.parse(text))
        except Malformed:
            continue
    return notices


def _told(fields: Sequence[bytes]) -> Iterator[tuple[str, ToldEvent]]:
    for name, text in zip(fields[::2], fields[1::2], strict=True):
        try:
            yield name.decode(), ToldEvent.parse(text)
        except Malformed:
            continue  # it is told again
