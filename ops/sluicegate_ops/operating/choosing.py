"""Which messages are meant: by id, by what they died of, whose they are, and when."""

import math
from collections.abc import Callable, Iterator, Mapping

import msgspec

from sluicegate.errors import UnknownMessage, WrongState
from sluicegate_worker.operator.deadletters import DeadLetter

from .session import Session

FILTERS = ("code", "campaign", "app", "sender", "since", "older_than")
"""What dead letters are chosen by, in the order in which people are told."""

Watch = Callable[[Iterator[DeadLetter], int], Iterator[DeadLetter]]
"""Passes on letters as they are read, of so many in all."""


def unwatched(letters: Iterator[DeadLetter], total: int) -> Iterator[DeadLetter]:
    """Pass them on, and show nothing."""
    return letters


def of_campaign(campaign: str | None, filter_by: str | None) -> bool:
    """Whether a message of ``campaign`` (None or ``""`` for none) passes a ``CampaignFilter``."""
    return filter_by in (None, campaign or "-")


def of_app(app: str, filter_by: str | None) -> bool:
    """Whether a message of ``app`` (``""`` for none) passes an ``AppFilter``."""
    return filter_by in (None, app or "-")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The dead letters that are meant: ``ids``, or those that pass every filter that is not None.

    ``given`` is how they were chosen, option by option. Times are wall milliseconds.
    """

    ids: tuple[str, ...] = ()
    code: str | None = None
    campaign: str | None = None
    app: str | None = None
    sender: str | None = None
    since_ms: float = -math.inf
    before_ms: float = math.inf
    given: Mapping[str, str] = {}

    @property
    def words(self) -> str:
        """The filters, for people; ``""`` if there are none."""
        given = [name for name in FILTERS if name in self.given]
        said = [f"{name.replace('_', '-')} {self.given[name]}" for name in given]
        return f" with {' '.join(said)}" if said else ""

    def letters(
        self, session: Session, watch: Watch = unwatched, *, oldest_first: bool = False
    ) -> Iterator[DeadLetter]:
        """The letters, the latest first or the oldest; ``watch`` sees those that are read.

        Raises UnknownMessage and WrongState for an id that is not a dead letter's.
        """
        if self.ids:
            return (dead_letter(session, id) for id in self.ids)
        total = session.dead.count(self.since_ms, self.before_ms)
        letters = session.dead.died(self.since_ms, self.before_ms, first=oldest_first)
        return filter(self._passes, watch(letters, total))

    def _passes(self, letter: DeadLetter) -> bool:
        return (
            self.code in (None, letter.code)
            and of_campaign(letter.campaign, self.campaign)
            and of_app(letter.app, self.app)
            and self.sender in (None, letter.sender, letter.sender.removeprefix("pool:"))
        )


def dead_letter(session: Session, id: str) -> DeadLetter:
    """One dead letter; raises UnknownMessage, and WrongState if the message is not dead."""
    try:
        return session.dead.get(id)
    except UnknownMessage:
        state = session.sluice.status(id).state
        raise WrongState(id, state, "not a dead letter") from None
