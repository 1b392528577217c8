"""Sorts a campaign's recipients into classes: by their zones, and by the rules that hold there."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from ...errors import BadHours
from .classes import HoursClass, ZoneHours
from .holidays import holidays_in
from .reckoning import never_opens
from .setting import SendingHours
from .windows import EVERY_MINUTE, parse_hours
from .zones import zone_named, zones_of

_YEARS = 2
"""Of holidays that a class knows: this year's and the next ones'."""


class Classes:
    """The classes of a campaign with these ``hours``; ``now()`` is in seconds since 1970.

    Holidays are those that are known now: a class keeps them as they are.
    """

    def __init__(self, hours: SendingHours, now: Callable[[], float] = time.time) -> None:
        self._hours, self._now = hours, now
        self._windows = parse_hours(hours.windows) if hours.windows else EVERY_MINUTE
        self._asks = bool(hours.windows or hours.closed or hours.holidays or hours.begins)
        year = datetime.fromtimestamp(now(), UTC).year
        years = range(year, year + _YEARS)
        closed = {day for code in hours.holidays for n in years for day in holidays_in(code, n)}
        self._closed = tuple(sorted(closed | set(hours.closed)))
        self._known_until = f"{years.stop}-01-01" if hours.holidays else ""
        self._known: dict[tuple[str, ...], HoursClass | str] = {}
        self._named: dict[str, str] = {}

    def of(self, number: str, zone_text: str = "") -> HoursClass:
        """The class of a number in E.164; ``zone_text`` is what its row says of its zone.

        Raises BadHours if that is no zone, if no zone is known for it, or if there is no time at
        which all that must be are open.
        """
        zones = self._zones(number, zone_text)
        found = self._known.get(zones)
        if found is None:
            found = self._class(zones)
            self._known[zones] = found
        if isinstance(found, str):
            raise BadHours(zone_text or number, found)
        return found

    def _zones(self, number: str, zone_text: str) -> tuple[str, ...]:
        hours = self._hours
        if hours.fixed_zone:
            return (hours.fixed_zone,)
        if zone_text:
            name = self._named.get(zone_text)
            if name is None:
                name = self._named[zone_text] = zone_named(zone_text)
            return (name,)
        zones = zones_of(number) or ((hours.zone,) if hours.zone else ())
        if not zones and self._asks:
            reason = "no time zone is known for it: name one for all such numbers, or in a column"
            raise BadHours(number, reason)
        return zones

    def _class(self, zones: tuple[str, ...]) -> HoursClass | str:
        """The class of whoever may be in ``zones``; or why there can be none."""
        hours = self._hours
        own = ZoneHours(zones, self._windows, self._closed, hours.begins)
        found = HoursClass((own,) if self._asks else (), self._known_until)
        if never_opens(found, self._now()):
            where = ", ".join(zones) if len(zones) <= 3 else f"{len(zones)} zones"
            return f"nothing is open in all of {where} at once: name its zone in a column"
        return found
