"""An account's halts, with the numbers in their causes hidden."""

from collections.abc import Iterable

import msgspec

from sluicegate.stored import HaltInfo

from ...inspect import sorted_halts
from ..session import Session
from ..words import hidden


def masked_halts(session: Session) -> list[HaltInfo]:
    """The account's halts as a screen may show them, its own first."""
    return masked(sorted_halts(session.waits.facts.halts.values()))


def masked(halts: Iterable[HaltInfo]) -> list[HaltInfo]:
    """The same halts with the numbers in their causes hidden."""
    return [msgspec.structs.replace(halt, why=hidden(halt.why)) for halt in halts]
