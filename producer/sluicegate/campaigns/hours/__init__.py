"""When a campaign's recipients may be sent to: hours of a week, zones, holidays.

Recipients whose hours are the same are a *class*, and wait in a lane of their own. Python reckons
when each class is open, for days ahead, and the scripts only compare (``hours.lua``).
"""

from .classes import HoursClass, ZoneHours
from .keeping import (
    OPEN_HOURS,
    HoursKeeper,
    KeptHours,
    classes_of,
    further_args,
    parse_hours_fields,
)
from .presets import LegalRule, Preset, presets
from .reckoning import open_times
from .setting import OnClose, SendingHours
from .sorting import Classes
from .windows import DayHours, format_hours, parse_hours
from .zones import zone_named, zones_of

__all__ = [
    "OPEN_HOURS",
    "Classes",
    "DayHours",
    "HoursClass",
    "HoursKeeper",
    "KeptHours",
    "LegalRule",
    "OnClose",
    "Preset",
    "SendingHours",
    "ZoneHours",
    "classes_of",
    "format_hours",
    "further_args",
    "open_times",
    "parse_hours",
    "parse_hours_fields",
    "presets",
    "zone_named",
    "zones_of",
]
