"""Whose a simulated number is, by what it begins with."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

CARRIER: Final = "SIMULATED"
"""The carrier of every number that the settings say nothing of."""

_MOST_DIGITS: Final = 12  # of what a number begins with, and the plus sign


def carrier_of(carriers: Mapping[str, str], number: str) -> str:
    """The carrier of the longest beginning of ``number`` that is listed."""
    return _listed(tuple(carriers.items()), number[:_MOST_DIGITS]) if carriers else CARRIER


@lru_cache(maxsize=65_536)
def _listed(carriers: tuple[tuple[str, str], ...], start: str) -> str:
    listed = dict(carriers)
    begins = (start[:length] for length in range(len(start), 1, -1))
    return next((listed[begin] for begin in begins if begin in listed), CARRIER)
