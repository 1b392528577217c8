"""What needs a person: dead letters in groups, messages in doubt, and messages sent twice."""

from itertools import islice
from typing import Any

import msgspec

from ..inspect import read_twice
from ..operating.advice import advised
from ..operating.doubts import decided_by, masked_doubt
from ..operating.letters import Grouping, entry, grouped, line, masked_letter
from ..operating.session import Session
from ..operating.words import hidden

SHOWN = 50
"""Messages on a page; the command line lists them all."""

MOST_GROUPED = 1_000
"""Dead letters are grouped one by one: of more, only so many of the latest."""


def dead(session: Session, full: bool = False) -> dict[str, Any]:
    """Dead letters by what they share as ``dead list --json`` has them, and the latest of them."""
    total = len(session.dead)
    letters = [masked_letter(letter, full) for letter in islice(session.dead, MOST_GROUPED)]
    kinds = (Grouping.CODE, Grouping.CAMPAIGN, Grouping.SENDER)
    return {
        "total": total,
        "grouped": len(letters),
        "groups": {by.value: [line(group, by) for group in grouped(letters, by)] for by in kinds},
        "letters": [entry(letter) for letter in letters[:SHOWN]],
    }


def doubts(session: Session, full: bool = False) -> dict[str, Any]:
    """Messages in doubt as ``doubt list --json`` has them, and who decides on each."""
    listed = [masked_doubt(message, full) for message in islice(session.doubts, SHOWN)]
    return {
        "total": len(session.doubts),
        "now_ms": session.waits.facts.now_ms,
        "doubts": listed,
        "decided": [decided_by(message.decided_ms) for message in listed],
        "advice": {message.code: advised(message.code) for message in listed},
    }


def twice(session: Session, full: bool = False) -> dict[str, Any]:
    """Messages that the provider accepted twice, as ``twice list --json`` has them."""
    every = read_twice(session.client, session.keys)
    shown = [msgspec.structs.replace(sent, to=hidden(sent.to, full)) for sent in every[:SHOWN]]
    return {"total": len(every), "twice": shown}
