"""The rate as the provider saw it, without POSTs that a frozen worker was about to write.

A worker checks the clock right before it writes a POST. If it is frozen (SIGSTOP) between the
check and the write, it writes the POST when it resumes, and nothing could prevent that.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from .records import Posted, StoredMessage
from .workers import Thawed

WINDOW_SECONDS = 1.0
HELD_UP_SECONDS = 0.25
"""How long after a worker resumes such a POST may arrive."""


def held_up(
    posts: Iterable[Posted],
    ids: Mapping[str, str],
    records: Mapping[str, StoredMessage],
    thawed: Sequence[Thawed],
) -> list[Posted]:
    """The POSTs that began before their worker resumed, and arrived right after that.

    ``ids`` maps recipients to messages' ids.
    """
    late = []
    for post in posts:
        near = [thaw for thaw in thawed if 0 <= post.at - thaw.at <= HELD_UP_SECONDS]
        record = records.get(ids.get(post.to, "")) if near else None
        begun = record.begun if record else ()
        if any(thaw.tag == tag and at_ms < thaw.wall_ms for thaw in near for tag, at_ms in begun):
            late.append(post)
    return late


def highest(posts: Iterable[Posted]) -> int:
    """The most POSTs within any window; ``posts`` are in order of arrival."""
    most, recent = 0, deque[float]()
    for post in posts:
        while recent and recent[0] <= post.at - WINDOW_SECONDS:
            recent.popleft()
        recent.append(post.at)
        most = max(most, len(recent))
    return most


def refused(posts: Iterable[Posted], late: Sequence[Posted]) -> list[float]:
    """When POSTs were answered 429 although no late POST was in the same window."""
    return [
        post.at
        for post in posts
        if post.status == 429
        and not any(0 <= post.at - other.at <= WINDOW_SECONDS for other in late)
    ]
