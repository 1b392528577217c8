"""The rate as the provider saw it, but for POSTs that a stopped worker still had in its hand.

A worker looks at the clock right before it writes a POST. One that is stopped (SIGSTOP) between
the two writes it when it goes on, whenever that is: nobody could keep it from doing so.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from .records import Posted, StoredMessage
from .workers import Thawed

WINDOW_SECONDS = 1.0
HELD_UP_SECONDS = 0.25
"""What a worker that goes on may take until the POST arrives."""


def held_up(
    posts: Iterable[Posted],
    ids: Mapping[str, str],
    records: Mapping[str, StoredMessage],
    thawed: Sequence[Thawed],
) -> list[Posted]:
    """The POSTs that were begun before a stop of their worker ended, and arrived right after.

    ``ids`` are the messages' by recipient.
    """
    found = []
    for post in posts:
        near = [one for one in thawed if 0 <= post.at - one.at <= HELD_UP_SECONDS]
        record = records.get(ids.get(post.to, "")) if near else None
        begun = record.begun if record else ()
        if any(one.tag == tag and at_ms < one.wall_ms for one in near for tag, at_ms in begun):
            found.append(post)
    return found


def highest(posts: Iterable[Posted]) -> int:
    """The most of them within any window; they are in the order of their arrival."""
    most, recent = 0, deque[float]()
    for post in posts:
        while recent and recent[0] <= post.at - WINDOW_SECONDS:
            recent.popleft()
        recent.append(post.at)
        most = max(most, len(recent))
    return most


def refused(posts: Iterable[Posted], late: Sequence[Posted]) -> list[float]:
    """When a POST was answered 429, and no late one had taken its place in the window."""
    return [
        post.at
        for post in posts
        if post.status == 429
        and not any(0 <= post.at - other.at <= WINDOW_SECONDS for other in late)
    ]
