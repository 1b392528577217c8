"""Times that options give, read in one way for all commands; what was assumed is said back."""

from datetime import UTC, datetime

from sluicegate.errors import BadTime
from sluicegate.times import FORMS, ReadTime, parse_clock, parse_length, parse_time

from .failures import BAD_INPUT, fail, say

PAST_FORMS = f"90s, 15m, 2h or 30d ago, or a time such as {FORMS}"
LENGTHS = "90s, 15m, 2h, 1h30m or 1d"


def time_option(option: str, text: str) -> datetime:
    """The time, in UTC, that ``option`` gives; says on stderr what the text left open."""
    try:
        moment = parse_time(text, datetime.now(UTC))
    except BadTime as error:
        fail(f"{option} {error}", BAD_INPUT)
    return _said_back(option, text, moment)


def clock_option(option: str, text: str) -> str:
    """A time to come on each recipient's own clock, without a zone (ISO); today is here."""
    try:
        local = parse_clock(text, datetime.now(UTC).astimezone())
    except BadTime as error:
        fail(f"{option} {error}", BAD_INPUT)
    return local.isoformat(timespec="minutes")


def past_option(option: str, text: str, now_ms: float) -> float:
    """The wall time, in milliseconds, of an option that looks back: ``2h`` is two hours ago."""
    if (seconds := parse_length(text)) is not None:
        return now_ms - seconds * 1000
    try:
        moment = parse_time(text, datetime.fromtimestamp(now_ms / 1000, UTC), past=True)
    except BadTime as error:
        fail(f"{option} {error}; or how long ago, such as 15m, 2h or 30d", BAD_INPUT)
    return _said_back(option, text, moment).timestamp() * 1000


def length_option(option: str, text: str, most_seconds: float) -> float:
    """The seconds that ``option`` gives: above 0, at most ``most_seconds``."""
    seconds = parse_length(text) or 0.0
    if not 0 < seconds <= most_seconds:
        fail(f"{option} {text}: give a length of time such as {LENGTHS}", BAD_INPUT)
    return seconds


def _said_back(option: str, text: str, moment: ReadTime) -> datetime:
    if moment.said:
        say(f"{option} {text}: {moment.said}")
    return moment.at.astimezone(UTC)
