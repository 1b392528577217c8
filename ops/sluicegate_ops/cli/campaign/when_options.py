"""The options that say when recipients may be sent to, and the hours that they stand for."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from sluicegate.campaigns.hours import SendingHours, parse_hours, zone_named
from sluicegate.errors import BadHours
from sluicegate.times import EXAMPLE

from ..kit.command import option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.times import clock_option, time_option


class OnCloseChoice(StrEnum):
    """What becomes of recipients who are not sent to by the end of their hours."""

    HOLD = "hold"
    EXPIRE = "expire"


@option_set
class WhenOptions:
    """The options of commands that make a plan: when its recipients may be sent to."""

    hours: Annotated[
        str | None,
        typer.Option(
            metavar="HOURS",
            help="Send only then, by each recipient's clock: 'mon-fri 09:00-18:00, sat "
            "10:00-14:00'; with a zone behind it, by the clock there.",
        ),
    ] = None
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Hours that laws set, as us; no legal advice: see docs/HOURS.md."
        ),
    ] = None
    state_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column of each row's state, whose laws hold.",
        ),
    ] = None
    zone_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of each row's zone: Europe/Berlin."),
    ] = None
    zone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE", help="The zone of those of whom neither row nor number tells one."
        ),
    ] = None
    holidays: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE", help="Closed on the holidays of a country or part: US-TX; repeatable."
        ),
    ] = None
    closed: Annotated[
        list[str] | None,
        typer.Option(metavar="DATE", help="Closed on this day: 2030-12-24; repeatable."),
    ] = None
    at_local: Annotated[
        str | None,
        typer.Option(
            "--at-local",
            metavar="TIME",
            help="Send from then on by each recipient's own clock: 18:00.",
        ),
    ] = None
    on_close: Annotated[
        OnCloseChoice | None,
        typer.Option(
            metavar="WHAT",
            help="Whoever is not sent to by the close waits a day (hold), or ends (expire).",
        ),
    ] = None


def hours_of(options: WhenOptions, column: Callable[[str], str]) -> SendingHours | None:
    """The hours that the options stand for, None for any time.

    ``column`` is what a plan calls a column that is named so; it may raise BadFile.
    """
    given = (options.hours, options.holidays, options.closed, options.preset, options.at_local)
    needless = {
        "--zone": options.zone,
        "--zone-column": options.zone_column,
        "--on-close": options.on_close,
        "--state-column": options.state_column,
    }
    if not any(given):
        if named := [name for name, value in needless.items() if value]:
            fail(
                f"{' and '.join(named)}: say when it is open, such as --hours 09:00-18:00",
                BAD_INPUT,
            )
        return None
    try:
        windows, fixed = _split(options.hours or "")
        return SendingHours(
            windows=windows,
            zone=zone_named(options.zone) if options.zone else None,
            zone_column=column(options.zone_column) if options.zone_column else None,
            preset=options.preset or "",
            state_column=column(options.state_column) if options.state_column else None,
            fixed_zone=fixed,
            holidays=tuple(sorted({code.upper() for code in options.holidays or ()})),
            closed=tuple(sorted(set(options.closed or ()))),
            begins=clock_option("--at-local", options.at_local) if options.at_local else "",
            on_close=options.on_close.value if options.on_close else "hold",
        ).checked()
    except BadHours as error:
        fail(f"{error}", BAD_INPUT)


def _split(text: str) -> tuple[str, str | None]:
    """Hours as they are written, and the zone behind them; raises BadHours."""
    words, _, last = text.strip().rpartition(" ")
    if (words and "/" in last) or last.upper() == "UTC":
        parse_hours(words)
        return words, zone_named(last)
    return text.strip(), None


AtOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help=f"Start by itself at that time, such as {EXAMPLE} or 18:00."
    ),
]


def start_time(text: str | None, expires_at: datetime | None) -> datetime | None:
    """The time of ``--at``, None for none: it is to come, and before anything expires."""
    if text is None:
        return None
    at = time_option("--at", text)
    if at <= datetime.now(UTC):
        fail(f"--at {text}: has passed; without --at it starts now", BAD_INPUT)
    if expires_at is not None and at >= expires_at:
        fail(f"--at {text}: by then everything has expired, so nothing would be sent", BAD_INPUT)
    return at
