"""An import, a call of the script at a time: whom each takes, and what became of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

from ..errors import WrongCampaignState
from ..scripts import Argument, new_token
from .exclusion import Exclusion
from .members import Members
from .recipients import Recipient

IMPORT_BATCH = 250
"""Recipients per script call: about 1 ms of the server's time."""

ImportResult = Literal["added", "duplicate", "suppressed", "excluded"]
"""A recipient is new, is a member already, has opted out, or another campaign has them."""

_RESULTS: Final[dict[str, ImportResult]] = {"a": "added", "d": "duplicate", "s": "suppressed"}


class ImportBatch(NamedTuple):
    """Recipients of one call, in order; ``excluded`` says of each for which campaign, if any."""

    all: list[Recipient]
    excluded: list[str]

    @property
    def kept(self) -> list[Recipient]:
        if not any(self.excluded):
            return self.all
        return [one for one, other in zip(self.all, self.excluded, strict=True) if not other]

    def results(self, letters: str) -> Iterator[tuple[Recipient, ImportResult]]:
        """Each recipient with what became of it; ``letters`` are the script's, of ``kept``."""
        answers = map(_RESULTS.__getitem__, letters)
        if not any(self.excluded):
            yield from zip(self.all, answers, strict=True)
            return
        for recipient, other in zip(self.all, self.excluded, strict=True):
            yield recipient, "excluded" if other else next(answers)


def next_batch(
    recipients: Iterator[Recipient], exclusion: Exclusion
) -> tuple[ImportBatch, Exception | None]:
    """Take the next recipients; or return the error, to be raised after the results before it."""
    batch: list[Recipient] = []
    try:
        batch.extend(islice(recipients, IMPORT_BATCH))
        excluded = exclusion.of([recipient.hash for recipient in batch])
    except Exception as error:
        return ImportBatch([], []), error
    return ImportBatch(batch, excluded), None


def imported(
    name: str,
    recipients: Iterable[Recipient],
    exclusion: Exclusion,
    send: Callable[[Sequence[Recipient]], AbstractContextManager[Callable[[], Any]]],
) -> Iterator[tuple[Recipient, ImportResult]]:
    """Import recipients into a campaign, and yield each with what became of it.

    ``send`` writes a call, whose answer is read once the next ones have been taken. An error of
    ``recipients`` is raised after the results of all before it; WrongCampaignState if the campaign
    takes none.
    """
    iterator = iter(recipients)
    batch, failure = next_batch(iterator, exclusion)
    while batch.all:
        if kept := batch.kept:
            with send(kept) as answer:
                following, failure = next_batch(iterator, exclusion)  # meanwhile
                reply = answer()
        else:
            following, failure = next_batch(iterator, exclusion)
            reply = b""
        if isinstance(reply, list):
            raise WrongCampaignState(name, reply[0].decode(), "take recipients")
        yield from batch.results(reply.decode())
        batch = following
    if failure:
        raise failure


def import_args(
    name: str,
    lane: bytes,
    members: Members,
    batch: Sequence[Recipient],
    said: bytes = b"",
    classes: str = "",
) -> list[Argument]:
    args: list[Argument] = [name, lane, new_token(), said, classes]
    shards, stored = members.shards, members.stored
    for recipient in batch:
        hash, ticket = stored(recipient.hash, recipient.ticket_end)
        args += (hash % shards, hash, recipient.to, ticket)
    return args
