"""What holds messages back, for a program."""

from typing import Any

import msgspec

from ...inspect import Wait, Why
from ..words import hidden
from .carriers import whose
from .reasons import change, what


def document(causes: Why) -> dict[str, Any]:
    """All the causes, for a program."""
    about: dict[str, Any] = msgspec.structs.asdict(causes)
    return about | {"waits": [_entry(wait, causes) for wait in causes.waits]}


def _entry(wait: Wait, causes: Why) -> dict[str, Any]:
    about: dict[str, Any] = msgspec.structs.asdict(wait)
    seconds = None if wait.until_ms is None else max(0.0, wait.until_ms - causes.now_ms) / 1000
    return about | {
        "because": hidden(wait.because),
        "said": hidden(wait.said),
        "seconds": seconds,
        "what": what(wait, causes.rate),
        "change": change(wait, causes.rate),
        "whose_number": whose(wait.number) if wait.number else "",
    }
