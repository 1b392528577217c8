"""A replay for trial: which dead letters can be sent again, and why the others can't."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from sluicegate.errors import InvalidMessage, SluicegateError
from sluicegate_worker.operator.deadletters import DeadLetter, Replay
from sluicegate_worker.operator.edits import FAULTS, Edit, Letters

from .choosing import Choice, Watch, unwatched
from .session import Session
from .words import counted, hidden

_PAGE = 500


class Trial(msgspec.Struct):
    """What a replay would do: ``letters`` are sent again, and the others stay.

    ``risky`` of the letters may have been sent. ``held_back`` counts those that stay because they
    may have been sent, ``faults`` those that can't be edited, by the reason; ``samples`` has the
    id of one message for each reason.
    """

    letters: list[Replay] = []
    risky: int = 0
    held_back: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    samples: dict[str, str] = {}

    @property
    def empty(self) -> bool:
        """Whether the choice held no dead letter at all."""
        return not (self.letters or self.held_back or self.faults)

    @property
    def warning(self) -> str:
        """What a person must know before the letters are sent; ``""`` if nothing."""
        if not self.risky:
            return ""
        who = f"{self.risky:,} of them" if len(self.letters) > 1 else "It"
        return (
            f"{who} may have reached the provider already. A replay has a new idempotency key, "
            "so recipients may get the message twice.\n"
        )

    def staying(self, way: str = "") -> Iterator[str]:
        """Which letters stay and why, a line each; ``way`` has those sent that may have been."""
        for reason, count in self.faults.most_common():
            sample = f"such as {self.samples[reason]}"
            yield f"{counted(count, 'dead letter')} can't be edited, {sample}: {hidden(reason)}"
        if self.held_back:
            yield f"{counted(self.held_back, 'dead letter')} may have been sent and will stay{way}"


def tried(
    session: Session,
    choice: Choice,
    edit: Edit,
    limit: int,
    *,
    even_risky: bool,
    watch: Watch = unwatched,
) -> Trial:
    """Read every letter that is meant, and edit it for trial; raises BadTemplate."""
    trial = Trial()
    letters = Letters(session.client, session.keys, session.account)
    chosen = choice.letters(session, watch, oldest_first=True)
    fit = islice(_without_risk(chosen, trial, even_risky), limit or None)
    while page := list(islice(fit, _PAGE)):
        faulty = _faulty(session, letters, page, edit, trial) if edit else set()
        for letter in page:
            if letter.id not in faulty:
                trial.risky += letter.maybe > 0
                trial.letters.append(Replay(letter.id, letter.generation))
    return trial


def _without_risk(
    letters: Iterator[DeadLetter], trial: Trial, even_risky: bool
) -> Iterator[DeadLetter]:
    for letter in letters:
        if even_risky or not letter.maybe:
            yield letter
        else:
            trial.held_back += 1


def _faulty(
    session: Session, letters: Letters, page: Sequence[DeadLetter], edit: Edit, trial: Trial
) -> set[str]:
    """The ids of those that can't be edited."""
    faulty = set()
    for stored in session.dead.stored([letter.id for letter in page]):
        try:
            letters.edited(stored, edit)
        except FAULTS as error:
            faulty.add(stored.id)
            reason = why_not(error)
            trial.faults[reason] += 1
            trial.samples.setdefault(reason, stored.id)
    return faulty


def why_not(error: SluicegateError) -> str:
    """What is wrong with a message, without its id and its text."""
    if isinstance(error, InvalidMessage):
        return f"{error.field}: {error.reason}"
    return str(error)
