"""What holds messages back: by which level, until when, and when a campaign will be done.

facts     an account at one moment, as its scripts see it
wait      what may hold messages back
passage   the levels that a lane passes, and which of them refuses
parked    the levels for which something is parked
finish    the estimate of a campaign's end
why       what holds an account, a sender or a campaign back
lanes     every lane, in the order in which they are served
"""

from .finish import Finish
from .lanes import LaneState, lanes
from .snapshot import LIVE_SECONDS, Breaker, Counts, Facts, Rate, Stop, read
from .wait import Kind, Wait
from .why import Waits, Why

__all__ = [
    "LIVE_SECONDS",
    "Breaker",
    "Counts",
    "Facts",
    "Finish",
    "Kind",
    "LaneState",
    "Rate",
    "Stop",
    "Wait",
    "Waits",
    "Why",
    "lanes",
    "read",
]
