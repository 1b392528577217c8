"""Sorts a campaign's recipients into classes: by their zones, and by the rules that hold there."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from ...errors import BadHours
from .classes import HoursClass, ZoneHours, first_at
from .holidays import holidays_in
from .presets import LegalRule, preset_named
from .reckoning import never_opens
from .setting import SendingHours
from .windows import EVERY_MINUTE, parse_hours
from .zones import zone_named, zones_of

_YEARS = 2
"""Of holidays that a class knows: this year's and the next ones'."""

_ANYWHERE = "*"
"""In place of a state: all rules hold, since nobody knows which do."""


class Classes:
    """The classes of a campaign with these ``hours``, which expires at ``expires_at``.

    It is in seconds since 1970, as ``now()`` is; so is ``starts_at``, None for now. Where
    ``made_at`` is given, when the campaign was made, ``begins`` must have been to come then on a
    recipient's own clock: what is the evening of today here is long over elsewhere.

    Holidays are those that are known now: a class keeps them as they are.
    """

    def __init__(
        self,
        hours: SendingHours,
        now: Callable[[], float] = time.time,
        *,
        expires_at: float | None = None,
        starts_at: float | None = None,
        made_at: float | None = None,
    ) -> None:
        self._hours, self._now = hours, now
        self._expires_at, self._starts_at, self._made_at = expires_at, starts_at, made_at
        self._windows = parse_hours(hours.windows) if hours.windows else EVERY_MINUTE
        self._own = bool(hours.windows or hours.closed or hours.holidays or hours.begins)
        self._preset = preset_named(hours.preset) if hours.preset else None
        year = datetime.fromtimestamp(now(), UTC).year
        self._years = range(year, year + _YEARS)
        self._known: dict[tuple[str, ...], HoursClass | str] = {}
        self._zone_names: dict[str, str] = {}
        self._states: dict[str, str] = {}

    def of(self, number: str, zone_text: str = "", state_text: str = "") -> HoursClass:
        """The class of a number in E.164; the texts are what its row says of its zone and state.

        Raises BadHours if one of them is none, if no zone is known for it, or if there is no time
        before the expiry at which all that must be are open.
        """
        state = self._state(number, state_text)
        zones = self._zones(number, zone_text, state if state_text else "")
        if not zones and (self._own or state):
            reason = "no time zone is known for it: name one for all such numbers, or in a column"
            raise BadHours(number, reason)
        key = (state, *zones)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._class(state, zones)
        if isinstance(found, str):
            raise BadHours(zone_text or number, found)
        return found

    def _state(self, number: str, text: str) -> str:
        """Whose laws hold: a state's, all states' (``*``), or nobody's."""
        if self._preset is None:
            return ""
        if text in self._states:
            return self._states[text]
        if text and (self._preset.knows(text) or self._preset.concerns(number)):
            self._states[text] = self._preset.state_named(text)
            return self._states[text]
        if not self._preset.concerns(number):
            return ""  # of whom a row may name a province or a district
        return self._preset.state_of(number) or _ANYWHERE

    def _zones(self, number: str, text: str, state: str) -> tuple[str, ...]:
        """The zones that may be a recipient's: of whom ``state`` is said, all of that state's."""
        hours = self._hours
        if hours.fixed_zone and not self._preset:
            return (hours.fixed_zone,)
        if text:
            if text not in self._zone_names:
                self._zone_names[text] = zone_named(text)
            return (self._zone_names[text],)
        if state and self._preset:
            return self._preset.zones_of(state)
        return zones_of(number) or ((hours.zone,) if hours.zone else ())

    def _class(self, state: str, zones: tuple[str, ...]) -> HoursClass | str:
        """The class of whoever may be in ``zones``; or why there can be none."""
        parts = tuple(self._parts(state, zones))
        asks = self._hours.holidays or any(rule.holidays for rule in self._rules(state))
        known_until = f"{self._years.stop}-01-01" if asks else ""
        found = HoursClass(parts, known_until)
        where = ", ".join(zones) if len(zones) <= 3 else f"{len(zones)} zones"
        since = max(self._now(), self._starts_at or 0.0)
        if never_opens(found, since):
            return f"nothing is open in all of {where} at once: name its zone in a column"
        if self._expires_at is not None and never_opens(found, since, self._expires_at):
            return f"nothing is open in {where or 'its hours'} before it expires"
        if self._made_at is not None and self._had_begun(parts, self._made_at):
            begins = self._hours.begins.replace("T", " ")
            return f"{begins} had passed on its clock already: send to it in another campaign"
        return found

    def _had_begun(self, parts: tuple[ZoneHours, ...], at: float) -> bool:
        """Whether ``begins`` had passed by then on the clock of one of the zones."""
        begins = self._hours.begins
        own = [name for part in parts if part.begins for name in part.zones]
        return any(first_at(name, begins) <= at for name in own)

    def _parts(self, state: str, zones: tuple[str, ...]) -> Iterator[ZoneHours]:
        hours = self._hours
        if self._own:
            own = (hours.fixed_zone,) if hours.fixed_zone else zones
            closed = {*hours.closed, *self._closed(hours.holidays)}
            yield ZoneHours(own, self._windows, tuple(sorted(closed)), hours.begins)
        for rule in self._rules(state):
            whose = " ".join(filter(None, (hours.preset, rule.state)))
            closed_then = tuple(sorted(self._closed(rule.holidays)))
            yield ZoneHours(zones, parse_hours(rule.hours), closed_then, rule=whose)

    def _rules(self, state: str) -> tuple[LegalRule, ...]:
        if not state or not self._preset:
            return ()
        return self._preset.rules_of("" if state == _ANYWHERE else state)

    def _closed(self, calendars: tuple[str, ...]) -> set[str]:
        return {
            day for code in calendars for year in self._years for day in holidays_in(code, year)
        }
