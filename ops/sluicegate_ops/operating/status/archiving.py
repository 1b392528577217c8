"""What ``status`` says of what has ended: what grows, how fast, and when it ends."""

from collections.abc import Iterator

from ...inspect import RECIPIENT_BYTES, AccountState
from ..words import clean, counted, lasting, when
from .finding import Finding

LATE_SECONDS = 4 * 3600.0
"""A pass is made every hour at least; one that is so late has stopped."""

_MANY = 100_000  # recipients: some 40 MB


def archiving(state: AccountState) -> Iterator[Finding]:
    """What is not archived, although it should be; and what grows without end."""
    archive = state.archive
    late_seconds = (state.now_ms - archive.passed_ms) / 1000
    if archive.place and archive.fault:
        yield Finding(
            f"finished messages are not archived: {clean(archive.fault)}",
            "they stay in Redis, and its memory fills, until that is put right",
            "make room, or see that the database answers; the workers try again by themselves",
        )
    elif archive.place and late_seconds > LATE_SECONDS:
        since = f"since {when(archive.passed_ms)}" if archive.passed_ms else "yet"
        waiting = counted(archive.stay, "finished message")
        yield Finding(
            f"nothing has been archived {since}",
            f"{waiting} stayed in Redis then, and what has ended since stays there too",
            "look for 'archiving waits' in the workers' logs, or run: sluicegate archive run",
        )
    elif not archive.place and not archive.configured and archive.recipients > _MANY:
        yield Finding(
            f"{counted(archive.recipients, 'recipient')} of campaigns stay in Redis for ever",
            f"that is about {_mb(archive.recipients)}, and {_mb(archive.recent)} more in the last "
            "week",
            "add [archive] to the configuration, or delete old ones: sluicegate campaign delete",
            person=False,
        )


def kept(state: AccountState) -> list[tuple[str, str]]:
    """Where finished messages are, for the table beside the counts."""
    archive = state.archive
    if not archive.place:
        if not archive.recipients:
            return []
        grows = f", {_mb(archive.recent)} in the last week" if archive.recent else ""
        return [("recipients kept", f"for ever, about {_mb(archive.recipients)}{grows}")]
    passed = lasting((state.now_ms - archive.passed_ms) / 1000) if archive.passed_ms else ""
    about = f"last pass {passed} ago" if passed else "no pass yet"
    rows = [("archived", f"{archive.archived:,}, {archive.stay:,} to come, {about}")]
    return [*rows, *[("late receipts", f"{archive.late:,}")] * bool(archive.late)]


def _mb(recipients: int) -> str:
    return f"{recipients * RECIPIENT_BYTES / 1e6:,.1f} MB"
