"""Dead letters: messages that only a person may send again, kept until a person decides."""

import math
from collections.abc import Iterator, Sequence

import msgspec
import redis

from sluicegate.audit import Act, By, act
from sluicegate.errors import UnknownMessage, WrongState
from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts, new_token
from sluicegate.stored import History, MessageId, Record

from .listed import Fields, ListedMessages

REPLAY = Script("sluicegate_worker.replay")
PURGE = Script("sluicegate_worker.purge")

BATCH = 50
"""Letters per call of a script: beyond it the server stalls for others."""

_FIELDS = (
    "to", "lane", "code", "reason", "attempts", "maybe", "generation", "replayed_by", "answer",
)  # fmt: skip
_STORED = ("generation", "lane", "ticket", "content", "request", "history")


class DeadLetter(msgspec.Struct, frozen=True):
    """One dead letter; the provider may have acted on ``maybe`` of its ``attempts``.

    ``sender`` is its name in lanes. ``campaign`` is ``""`` for an app's own message, and ``app``
    for a message of nobody with a name. ``replayed_by`` is who last replayed it, before it died
    again.
    """

    id: str
    died_ms: int
    to: str
    sender: str
    campaign: str
    code: str
    reason: str
    attempts: int
    maybe: int
    generation: int
    replayed_by: str
    answer: str
    app: str = ""


class Stored(msgspec.Struct, frozen=True):
    """What a dead letter is sent from, and what was sent: see the fields of a record.

    ``lane`` and ``ticket`` stay as they are stored, so that a damaged one only makes it impossible
    to edit its own letter.
    """

    id: str
    generation: int
    lane: str
    ticket: bytes
    content: bytes
    request: bytes
    history: History


class Replay(msgspec.Struct, frozen=True):
    """One letter to replay if it is still of this ``generation``; None means any.

    ``content``, ``lane`` and ``ticket`` replace the letter's own; an empty one changes nothing.
    """

    id: str
    generation: int | None = None
    content: bytes = b""
    lane: str = ""
    ticket: bytes = b""


class DeadLetters:
    """The dead letters of one account, on a synchronous client; ``clock`` is for tests."""

    def __init__(
        self, client: redis.Redis, keys: Keys, retention_ms: int, *, clock: str | None = None
    ) -> None:
        self._dead, self._retention_ms = ListedMessages(client, keys, "dead"), retention_ms
        self._scripts = Scripts(client, keys.prefix, clock)

    def __len__(self) -> int:
        return len(self._dead)

    def __iter__(self) -> Iterator[DeadLetter]:
        """All of them, the latest first."""
        return self.died()

    def died(
        self, since_ms: float = -math.inf, before_ms: float = math.inf, *, first: bool = False
    ) -> Iterator[DeadLetter]:
        """Letters that died in that time (wall ms), latest first; with ``first``, oldest first.

        Each is yielded once and none is missed, even while others die or are replayed.
        """
        for page in self._dead.between(since_ms, before_ms, first=first):
            read = self._dead.fields([id for id, _ in page], _FIELDS)
            for (id, died_ms), fields in zip(page, read, strict=True):
                yield _letter(id, died_ms, fields)

    def count(self, since_ms: float = -math.inf, before_ms: float = math.inf) -> int:
        """How many died in that time."""
        return self._dead.count(since_ms, before_ms)

    def get(self, id: str) -> DeadLetter:
        """One of them; raises UnknownMessage."""
        died_ms = self._dead.score(id)
        if died_ms is None:
            raise UnknownMessage(id)
        [fields] = self._dead.fields([id], _FIELDS)
        return _letter(id, int(died_ms), fields)

    def stored(self, ids: Sequence[str]) -> list[Stored]:
        """Read what these letters are sent from, in one round trip."""
        read = self._dead.fields(ids, _STORED)
        return [_stored(id, fields) for id, fields in zip(ids, read, strict=True)]

    def replay(self, id: str, by: By | None = None) -> None:
        """Replay it: the same message as its next generation, under a new idempotency key.

        Raises UnknownMessage, and WrongState where it is not dead.
        """
        [answer] = self.replay_all([Replay(id)], act(by or By(), "replay", id))
        _expect(id, answer, "replayed", "only dead letters are replayed")

    def replay_all(self, letters: Sequence[Replay], act: Act) -> list[str]:
        """Replay at most ``BATCH`` letters in one call; ``act`` goes into the audit.

        The answer for each is ``replayed``, ``unknown``, or the state that it is in instead.
        """
        answers = self._scripts.call(REPLAY, replay_args(letters, act, new_token()))
        return [answer.decode() for answer in answers]

    def purge(self, id: str, by: By | None = None) -> None:
        """Give it up: its content is deleted; its id stays known for the retention time.

        Raises UnknownMessage, and WrongState where it is not dead.
        """
        [answer] = self.purge_all([Replay(id)], act(by or By(), "purge", id))
        _expect(id, answer, "purged", "only dead letters are purged")

    def purge_all(self, letters: Sequence[Replay], act: Act) -> list[str]:
        """Purge at most ``BATCH`` letters in one call; answers are as those of ``replay_all``."""
        args = purge_args(letters, act, new_token(), self._retention_ms)
        return [answer.decode() for answer in self._scripts.call(PURGE, args)]


def replay_args(letters: Sequence[Replay], act: Act, token: str) -> list[Argument]:
    """Arguments of ``REPLAY``."""
    args: list[Argument] = [token, act.who[:60], act.said()]
    for letter in letters:
        args += (letter.id, _fence(letter), letter.content, letter.lane, letter.ticket)
    return args


def purge_args(
    letters: Sequence[Replay], act: Act, token: str, retention_ms: int
) -> list[Argument]:
    """Arguments of ``PURGE``."""
    args: list[Argument] = [token, act.said(), retention_ms]
    for letter in letters:
        args += (letter.id, _fence(letter))
    return args


def _fence(letter: Replay) -> Argument:
    return "" if letter.generation is None else letter.generation


def _stored(id: str, fields: Fields) -> Stored:
    generation, lane, ticket, content, request, history = (field or b"" for field in fields)
    return Stored(
        id=id,
        generation=int(generation or 0),
        lane=lane.decode(),
        ticket=ticket,
        content=content,
        request=request,
        history=History.parse(history.decode()),
    )


def _letter(id: str, died_ms: int, fields: Fields) -> DeadLetter:
    record, name = Record.parse_some(_FIELDS, fields), MessageId.parse(id)
    return DeadLetter(
        id=id,
        died_ms=died_ms,
        to=record.to,
        sender=record.lane.sender if record.lane else "",
        campaign=name.campaign,
        app=name.app,
        code=record.code,
        reason=record.reason,
        attempts=record.attempts,
        maybe=record.maybe,
        generation=record.generation,
        replayed_by=record.replayed_by,
        answer=record.answer,
    )


def _expect(id: str, answer: str, wanted: str, rule: str) -> None:
    if answer == "unknown":
        raise UnknownMessage(id)
    if answer != wanted:
        raise WrongState(id, answer, rule)
