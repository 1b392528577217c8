"""A lane's state in words."""

from ...inspect import LaneState
from ..words import local
from .reasons import named


def lane_words(lane: LaneState, now_ms: float) -> str:
    """A lane's state, and what parked or halted it until when."""
    if not lane.level:
        return lane.state
    ends = "" if lane.until_ms is None else f" until {local(lane.until_ms, now_ms)}"
    return f"{lane.state}{ends} by {named(lane.level)}"
