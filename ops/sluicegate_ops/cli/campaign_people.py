"""Each recipient of a campaign, once, as it stands: read from records, leases, lanes and lists."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import redis

from sluicegate.campaigns.campaign import Campaign
from sluicegate.keys import Keys, unsent_states

_PAGE = 1000
_ROUNDS = 3
_FIELDS = (
    *("state", "to", "attempts", "provider_id", "code", "reason", "at"),
    *("fate", "fate_at", "fate_code"),
)


class Person(msgspec.Struct, frozen=True):
    """One recipient; ``when`` is when it last changed, "" where it never moved.

    ``fate`` is what a receipt said of one that was accepted, or "unknown" where none has.
    """

    id: str
    to: str
    state: str
    attempts: int = 0
    provider_id: str = ""
    code: str = ""
    reason: str = ""
    when: str = ""
    fate: str = ""
    fate_at: str = ""
    fate_code: str = ""


class People:
    """The recipients of a campaign, streamed in no order.

    Whoever has a record is told by it, save one that waits in a cancelled campaign: that is
    cancelled with it. Takes some 100 bytes of memory a recipient, to tell each only once.
    """

    def __init__(self, client: redis.Redis, keys: Keys, campaign: Campaign) -> None:
        self._client: Any = client
        self._keys, self._campaign = keys, campaign
        self._seen: set[bytes] = set()
        self._waiting: dict[bytes, Person] = {}

    def __iter__(self) -> Iterator[Person]:
        """Read it all; again for who moved meanwhile from what was not read yet to what was."""
        self._seen.clear()
        for _ in range(_ROUNDS):
            before = len(self._seen)
            yield from self._recorded()
            yield from self._unrecorded()
            if len(self._seen) in (before, self._members()):
                return

    def _members(self) -> int:
        shards = self._client.scan_iter(
            match=self._keys.members(self._campaign.name, "*"), count=_PAGE
        )
        return sum(self._client.scard(shard) for shard in shards)

    def _recorded(self) -> Iterator[Person]:
        """Who has a record; whose state is waiting only once the lists have been read."""
        self._waiting.clear()
        prefix = self._keys.record(f"{self._campaign.name}.").encode()
        cursor, first = 0, True
        while cursor or first:
            first = False
            cursor, found = self._client.scan(cursor, match=prefix + b"*", count=_PAGE)
            fresh = [key for key in found if key[len(prefix) :] not in self._seen]
            pipeline = self._client.pipeline(transaction=False)
            for key in fresh:
                pipeline.hmget(key, _FIELDS)
            for key, values in zip(fresh, pipeline.execute(), strict=True):
                short = key[len(prefix) :]
                if values[0] is None or short in self._seen:
                    continue
                person = self._person(short, values)
                if person.state == "waiting":
                    self._waiting[short] = person
                else:
                    self._seen.add(short)
                    yield person

    def _unrecorded(self) -> Iterator[Person]:
        """Who waits or ended before there was a record, and then who waits and has one."""
        for state in unsent_states():
            yield from self._new(self._tickets(self._unsent(state)), state)
        yield from self._new(self._leased(), "waiting")
        yield from self._new(self._tickets(self._keys.lane(self._campaign.plan.lane)), "waiting")
        for short, person in self._waiting.items():
            if short not in self._seen:
                self._seen.add(short)
                yield person

    def _new(self, tickets: Iterator[bytes], state: str) -> Iterator[Person]:
        for ticket in tickets:
            short = ticket.partition(b"|")[0]
            if short in self._seen:
                continue
            self._seen.add(short)
            known = self._waiting.get(short)
            if known is not None:
                yield msgspec.structs.replace(known, state=state)
            else:
                yield Person(self._id(short), ticket.split(b"|", 5)[4].decode(), state)

    def _leased(self) -> Iterator[bytes]:
        prefix = f"{self._campaign.name}.".encode()
        for id, lease in self._client.hscan_iter(self._keys("leases"), count=_PAGE):
            if id.startswith(prefix):
                yield lease.split(b"|", 5)[5]

    def _tickets(self, key: str) -> Iterator[bytes]:
        """A list's tickets from its end, which stays where it is while workers take its head."""
        end = -1
        while page := self._client.lrange(key, end - _PAGE + 1, end):
            yield from reversed(page)
            end -= _PAGE

    def _unsent(self, state: str) -> str:
        return self._keys.unsent(self._campaign.name, state)

    def _id(self, short: bytes) -> str:
        return f"{self._campaign.name}.{short.decode()}"

    def _person(self, short: bytes, values: list[bytes | None]) -> Person:
        state, to, attempts, provider_id, code, reason, at, fate, fate_at, fate_code = (
            (value or b"").decode(errors="replace") for value in values
        )
        return Person(
            id=self._id(short),
            to=to,
            state=state,
            attempts=int(attempts or 0),
            provider_id=provider_id,
            code=code,
            reason=reason,
            when=_moment(at),
            fate=fate or ("unknown" if state == "accepted" else ""),
            fate_at=_moment(fate_at),
            fate_code=fate_code,
        )


def _moment(wall_ms: str) -> str:
    return datetime.fromtimestamp(int(wall_ms) / 1000, UTC).isoformat() if wall_ms else ""
