"""Which dead letters a command means: by id, by what they died of, whose they are, and when."""

import math
from collections.abc import Iterator
from contextlib import nullcontext

import msgspec

from sluicegate_worker.operator.deadletters import DeadLetter

from ...inspect import server_ms
from ...operating.choosing import Choice
from ...operating.session import Session
from ..kit.choosing import chosen_by, chosen_ids
from ..kit.progress import Meter
from ..kit.times import past_option
from .options import LetterFilters, SelectionOptions

_QUIET = 1_000  # fewer are read in no time


def metered(letters: Iterator[DeadLetter], total: int) -> Iterator[DeadLetter]:
    """Pass on letters as they are read, and show on stderr how many of all those are."""
    with nullcontext() if total < _QUIET else Meter("reading", total) as meter:
        for count, letter in enumerate(letters, 1):
            if meter is not None:
                meter.at(count, count)
            yield letter


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
