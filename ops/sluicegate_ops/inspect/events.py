"""What apps are told: the events that are kept, and up to where each app was given them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import redis
import redis.asyncio

from sluicegate.errors import Malformed
from sluicegate.keys import Keys
from sluicegate.redis_errors import translated
from sluicegate.stored import MessageId

PAGE = 500


class AppEvent(NamedTuple):
    """One event: its number, what happened when (wall ms), to which message, and what is known.

    ``id`` is the stored id of a message, ``""`` where it is about none.
    """

    number: int
    kind: str
    told_ms: int
    id: str
    facts: Mapping[str, str]

    @property
    def message(self) -> MessageId:
        """The message that it is about, also where its id is of no form that we know."""
        try:
            return MessageId.parse(self.id)
        except Malformed:
            return MessageId("", self.id)

    @property
    def app(self) -> str:
        """Whose message it is about; ``""`` for nobody's with a name."""
        return self.message.app

    @property
    def line(self) -> str:
        """What it stays in order with: its message, its campaign, or all else of the account."""
        return self.id or self.facts.get("campaign") or "account"

    def is_for(self, app: str, *, wants_all: bool) -> bool:
        return wants_all or self.app == app


class EventReaderState(NamedTuple):
    """How far an app was given its events, and since when and why it is not given any more."""

    app: str
    given: int
    off_ms: int = 0
    why: str = ""


class KeptEvents(NamedTuple):
    """Events behind a number, oldest first; ``last`` is the latest that there is by now.

    ``trimmed`` were kept no longer; ``read_to`` is the number to go on after.
    """

    events: Sequence[AppEvent]
    last: int
    trimmed: int
    read_to: int


def event_of(entry: Sequence[Any]) -> AppEvent:
    """Read an entry of the stream, as a script or the client returns it."""
    number, fields = entry
    if not isinstance(fields, Mapping):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    facts = {
        name.decode(): value.decode(errors="replace")
        for name, value in fields.items()
        if value not in (b"", b"false")
    }
    kind, told, id = facts.pop("kind", ""), facts.pop("told", "0"), facts.pop("id", "")
    return AppEvent(number_of(number), kind, int(told), id, facts)


def number_of(entry_id: bytes) -> int:
    """The number of an entry, from its id."""
    return int(entry_id.partition(b"-")[0])


def _ask(pipeline: Any, keys: Keys, after: int, count: int) -> None:
    pipeline.get(keys("event_number"))
    pipeline.xrange(keys("events"), count=1)
    pipeline.xrange(keys("events"), min=f"({after}-0", count=count)


def _kept(answers: Sequence[Any], after: int) -> KeptEvents:
    number, oldest, entries = answers
    last, events = int(number or 0), [event_of(entry) for entry in entries]
    first = number_of(oldest[0][0]) if oldest else last + 1
    trimmed = max(0, min(first, last + 1) - after - 1)
    read_to = events[-1].number if events else max(after, min(first - 1, last))
    return KeptEvents(events, last, trimmed, read_to)


def read_events(client: redis.Redis, keys: Keys, after: int, count: int = PAGE) -> KeptEvents:
    """Read the events behind the number ``after``, at most ``count``; raises OutboxError."""
    try:
        pipeline = client.pipeline(transaction=True)
        _ask(pipeline, keys, after, count)
        return _kept(pipeline.execute(), after)
    except redis.RedisError as error:
        raise translated(error, (), wrote=False) from error


async def aread_events(
    client: redis.asyncio.Redis, keys: Keys, after: int, count: int = PAGE
) -> KeptEvents:
    """``read_events``, awaited."""
    try:
        pipeline = client.pipeline(transaction=True)
        _ask(pipeline, keys, after, count)
        return _kept(await pipeline.execute(), after)
    except redis.RedisError as error:
        raise translated(error, (), wrote=False) from error


def every_event(client: redis.Redis, keys: Keys, after: int) -> Iterator[AppEvent]:
    """All events behind a number that are kept, page by page; raises OutboxError."""
    while (page := read_events(client, keys, after)).events:
        yield from page.events
        after = page.read_to


def read_event_readers(client: redis.Redis, keys: Keys) -> list[EventReaderState]:
    """Read how far each app was given its events; raises OutboxError."""
    try:
        stored = client.hgetall(keys("event_readers"))
    except redis.RedisError as error:
        raise translated(error, (), wrote=False) from error
    texts = {
        bytes(name).decode(): bytes(value).decode(errors="replace")
        for name, value in cast("dict[Any, Any]", stored).items()
    }
    states = []
    for app, given in sorted(texts.items()):
        if app.startswith("off:"):
            continue
        off_ms, _, why = texts.get(f"off:{app}", "").partition(" ")
        states.append(EventReaderState(app, int(given), int(off_ms or 0), why))
    return states
