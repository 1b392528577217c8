"""Which dead letters a command means: by id, by what they died of, whose they are, and when."""

import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext

import msgspec

from sluicegate.errors import UnknownMessage, WrongState
from sluicegate_worker.operator.deadletters import DeadLetter

from ...inspect import server_ms
from ...operating.session import Session
from ..kit.choosing import chosen_by, chosen_ids, of_app, of_campaign
from ..kit.progress import Meter
from ..kit.times import past_option
from .options import LetterFilters, SelectionOptions

_QUIET = 1_000  # fewer are read in no time


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
        names = LetterFilters.__dataclass_fields__
        said = [
            f"{name.replace('_', '-')} {self.given[name]}" for name in names if name in self.given
        ]
        return f" with {' '.join(said)}" if said else ""

    def letters(self, session: Session, *, oldest_first: bool = False) -> Iterator[DeadLetter]:
        """The letters, the latest first or the oldest; shows its progress on stderr.

        Raises UnknownMessage and WrongState for an id that is not a dead letter's.
        """
        if self.ids:
            return (dead_letter(session, id) for id in self.ids)
        return self._filtered(session, oldest_first)

    def _filtered(self, session: Session, oldest_first: bool) -> Iterator[DeadLetter]:
        total = session.dead.count(self.since_ms, self.before_ms)
        letters = session.dead.died(self.since_ms, self.before_ms, first=oldest_first)
        with nullcontext() if total < _QUIET else Meter("reading", total) as meter:
            for count, letter in enumerate(letters, 1):
                if meter is not None:
                    meter.at(count, count)
                if self._passes(letter):
                    yield letter

    def _passes(self, letter: DeadLetter) -> bool:
        return (
            self.code in (None, letter.code)
            and of_campaign(letter.campaign, self.campaign)
            and of_app(letter.app, self.app)
            and self.sender in (None, letter.sender, letter.sender.removeprefix("pool:"))
        )


def filtered(session: Session, options: LetterFilters) -> Choice:
    """The letters that pass a command's filters, all if it has none; may end the command."""
    now = server_ms(session.client) if options.since or options.older_than else 0.0
    since, before = options.since, options.older_than
    return Choice(
        code=options.code,
        campaign=options.campaign,
        app=options.app,
        sender=options.sender,
        since_ms=-math.inf if since is None else past_option("--since", since, now),
        before_ms=math.inf if before is None else past_option("--older-than", before, now),
        given=options.filters,
    )


def selected(session: Session, options: SelectionOptions, limit: int = 0) -> Choice:
    """The letters that a command is to change; ends it unless they are named in one way."""
    filters = options.filters
    ids = chosen_ids("dead letters", options.ids, everything=options.all, filters=filters)
    if ids:
        return Choice(ids=ids)
    choice = filtered(session, options)
    given = chosen_by(choice.given, everything=options.all)
    given |= {"limit": str(limit)} if limit else {}
    return msgspec.structs.replace(choice, given=given)


def dead_letter(session: Session, id: str) -> DeadLetter:
    """One dead letter; raises UnknownMessage, and WrongState if the message is not dead."""
    try:
        return session.dead.get(id)
    except UnknownMessage:
        state = session.sluice.status(id).state
        raise WrongState(id, state, "not a dead letter") from None
