"""The evidence of a run of chaos, and what it says about kills, doubts and losses."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from .records import Books, Lost, Provided
from .standstills import Staged
from .workers import Caught, Thawed


class Evidence(msgspec.Struct, frozen=True):
    """What a run is judged by.

    ``sent`` maps ids to recipients; ``killed`` maps the tags of killed workers to what they had
    begun. ``struck`` lists when each disaster struck (monotonic seconds), and ``thawed`` the
    workers that resumed after a freeze. ``before`` is the state of all messages at rest; ``after``
    is their state once the held doubts were resolved by the provider's records. ``ended`` names
    processes that ended by themselves, ``leaks`` the places where a log reveals a secret or a
    number; ``staged`` what became of each standstill, for which ``planted`` texts that are no
    tickets were put in lanes.
    """

    sent: Mapping[str, str]
    killed: Mapping[str, Caught]
    struck: Sequence[tuple[float, str]]
    thawed: Sequence[Thawed]
    before: Books
    after: Books
    provided: Provided
    ended: Sequence[str]
    leaks: Sequence[str]
    staged: Sequence[Staged] = ()
    planted: int = 0

    @property
    def begun(self) -> int:
        """How many POSTs were, or may have been, in flight when their worker was killed."""
        return sum(len(caught.begun) for caught in self.killed.values())

    @property
    def received(self) -> Counter[str]:
        """How many messages each recipient got."""
        return Counter(arrival.to for arrival in self.provided.arrived)

    @property
    def doubted(self) -> set[str]:
        """The messages that a kill left in doubt, including those proved since."""
        records = self.before.records.items()
        return {id for id, record in records if any(map(self._by_a_kill, record.lost))}

    def _by_a_kill(self, lost: Lost) -> bool:
        """Whether the kill lost it: a worker that had slept before may have lost it earlier."""
        caught = self.killed.get(lost.tag)
        return caught is not None and lost.at_ms >= caught.at_ms

    @property
    def duplicated(self) -> list[str]:
        """The messages that arrived more than once."""
        received = self.received
        return [id for id, to in self.sent.items() if received[to] > 1]

    @property
    def lost(self) -> list[str]:
        """Messages without a record or a ticket, and accepted ones that never arrived."""
        received, books = self.received, self.before
        return [id for id, to in self.sent.items() if _is_lost(id, books, received[to])]


def _is_lost(id: str, books: Books, received: int) -> bool:
    record = books.records.get(id)
    if record is None:
        return id not in books.tickets
    return record.state == "accepted" and not received
