"""What is told before a halt ends, and how long one may last."""

from collections.abc import Iterator

import msgspec

from ..inspect import Behind
from .words import clean, counted, hidden

MOST_SECONDS = 3_660 * 86_400
"""The longest time for which something is halted; without one it is until it is cleared."""


def told_behind(behind: Behind) -> Iterator[str]:
    """What waits behind a halt and what goes first, for people."""
    later = f", {behind.later:,} more later" if behind.later else ""
    yield f"  behind it {counted(behind.waiting, 'message waits', 'messages wait')}{later}"
    if behind.unknown:
        whose = counted(behind.unknown_senders, "sender", "senders")
        yield f"  {behind.unknown:,} of them from {whose} neither declared nor accepted before:"
        yield "  if one is refused for its sender, it becomes a dead letter, and halts nothing"
    if first := masked_behind(behind).first:
        app = f" of app {first.app}" if first.app else ""
        yield f"  first goes {first.id}{app}, from {first.sender}"
        if first.reason:
            yield f"  it was refused before: {clean(first.reason)}"


def masked_behind(behind: Behind) -> Behind:
    """The same with the phone numbers of a refusal hidden."""
    first = behind.first
    if first is None:
        return behind
    shown = msgspec.structs.replace(first, reason=hidden(first.reason))
    return msgspec.structs.replace(behind, first=shown)
