"""Lengths of time as people type them on the command line."""

import re

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|min|m|h|d)")
_UNIT_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}


def parse_duration(text: str) -> float | None:
    """The seconds in ``90s``, ``15m``, ``2h`` or ``1d``; None if ``text`` has another form."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _UNIT_SECONDS[match[2]] if match else None
