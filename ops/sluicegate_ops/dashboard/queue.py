"""Queue: the lanes in the order in which they are served, what is used up, and the halts."""

from typing import Any

from ..operating.session import Session
from ..operating.status.causes import document
from ..operating.status.halts import masked_halts
from ..operating.status.lanes import lane_words
from ..operating.status.reasons import named, until
from ..operating.words import lasting

SHOWN = 50
"""Lanes on the page; ``lanes --all`` has them all."""


def queue(session: Session) -> dict[str, Any]:
    """Lanes, waits and halts as ``lanes``, ``why`` and ``halt list`` have them with ``--json``."""
    waits = session.waits
    lanes, total = waits.lanes(SHOWN)
    why, halts, now_ms = waits.account(), masked_halts(session), waits.facts.now_ms
    return {
        "lanes": lanes,
        "words": [lane_words(lane, now_ms) for lane in lanes],
        "more": total - len(lanes),
        "waits": document(why)["waits"],
        "ends": [until(wait, why.now_ms) for wait in why.waits],
        "halts": halts,
        "halted": [named(halt.level) for halt in halts],
        "halt_ends": [
            "when somebody clears it"
            if halt.until_ms is None
            else f"in {lasting((halt.until_ms - now_ms) / 1000)}"
            for halt in halts
        ],
    }
