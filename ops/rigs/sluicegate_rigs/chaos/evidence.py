"""All that there is to judge a run of chaos by, and what it says of kills, doubts and losses."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from .records import Books, Lost, Provided
from .workers import Caught, Thawed


class Evidence(msgspec.Struct, frozen=True):
    """What there is to judge by.

    ``sent`` maps ids to recipients, ``killed`` the tags of killed workers to what they had begun;
    ``struck`` is when which disaster came (monotonic seconds), ``thawed`` for whom a stop
    ended. ``before`` is how the books stood at rest, ``after`` once a person had resolved what was
    held, by what the provider had. ``ended`` names processes that ended by themselves, ``leaks``
    where a log tells what none may.
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

    @property
    def begun(self) -> int:
        """POSTs that were under way when their worker was killed, or may have been."""
        return sum(len(caught.begun) for caught in self.killed.values())

    @property
    def received(self) -> Counter[str]:
        """How many messages each recipient got."""
        return Counter(one.to for one in self.provided.arrived)

    @property
    def doubted(self) -> set[str]:
        """The messages that a kill ever left in doubt, those included that were proved since."""
        records = self.before.records.items()
        return {id for id, record in records if any(map(self._by_a_kill, record.lost))}

    def _by_a_kill(self, lost: Lost) -> bool:
        """Not before the worker stood still: who slept and woke had lost some already."""
        caught = self.killed.get(lost.tag)
        return caught is not None and lost.at_ms >= caught.at_ms

    @property
    def duplicated(self) -> list[str]:
        """The messages that their recipient got more than once."""
        received = self.received
        return [id for id, to in self.sent.items() if received[to] > 1]

    @property
    def lost(self) -> list[str]:
        """Messages without a record that wait nowhere, and those accepted that never arrived."""
        received, books = self.received, self.before
        return [id for id, to in self.sent.items() if _is_lost(id, books, received[to])]


def _is_lost(id: str, books: Books, received: int) -> bool:
    record = books.records.get(id)
    if record is None:
        return id not in books.tickets
    return record.state == "accepted" and not received
