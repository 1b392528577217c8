"""What a campaign's plan says of its hours."""

from datetime import date, datetime
from typing import Literal

import msgspec

from ...errors import BadHours
from .holidays import check_calendar
from .presets import preset_named
from .windows import parse_hours
from .zones import zone_named

OnClose = Literal["hold", "expire"]


class SendingHours(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a campaign's recipients may be sent to; each by the clock where they are.

    ``windows`` are the hours of a week, as ``parse_hours`` reads them, ``""`` for all of it. A
    recipient's zone is that in their ``zone_column``, else what their number tells, else ``zone``.
    Where their number leaves several zones possible, all of these must be open. ``fixed_zone``
    stands for everybody's instead.

    It is closed on the dates ``closed`` (ISO) and on the public holidays of the ``holidays``: of
    countries, or of their parts, as DE or US-TX. ``begins`` is when it opens at the earliest, on
    each recipient's own clock (ISO, without a zone).

    ``preset`` names hours that laws set (``presets.toml``), which must be open as well. Whose they
    are is told by a recipient's ``state_column``, else by their number.

    ``on_close``: what is not sent when a recipient's hours end for the first time after the start
    waits for the next (``hold``), or ends as expired (``expire``).
    """

    windows: str = ""
    zone: str | None = None
    zone_column: str | None = None
    fixed_zone: str | None = None
    closed: tuple[str, ...] = ()
    holidays: tuple[str, ...] = ()
    begins: str = ""
    preset: str = ""
    state_column: str | None = None
    on_close: OnClose = "hold"

    def checked(self) -> "SendingHours":
        """Return the hours themselves if they are valid; raises BadHours if not."""
        if self.windows:
            parse_hours(self.windows)
        for name in (self.zone, self.fixed_zone):
            if name is not None and zone_named(name) != name:
                raise BadHours(name, f"is written {zone_named(name)}")
        if self.fixed_zone and (self.zone or self.zone_column):
            raise BadHours(
                self.fixed_zone, "is everybody's zone: name no other zone, nor a column"
            )
        for day in self.closed:
            _check_date(day)
        for calendar in self.holidays:
            check_calendar(calendar)
        if self.begins:
            _check_begins(self.begins)
        if self.preset:
            preset_named(self.preset)
        elif self.state_column:
            raise BadHours(self.state_column, "tells whose laws hold: name a preset")
        return self


def _check_date(text: str) -> None:
    try:
        sound = date.fromisoformat(text).isoformat() == text
    except ValueError:
        sound = False
    if not sound:
        raise BadHours(text, "is no date: write it as 2030-12-24")


def _check_begins(text: str) -> None:
    try:
        sound = datetime.fromisoformat(text).tzinfo is None
    except ValueError:
        sound = False
    if not sound:
        raise BadHours(text, "is no time on a clock: write it as 2030-12-24T18:00")
