"""What lets a campaign go on that one of its caps or guards has paused."""

from collections.abc import Mapping

from ..pasting import pasted

_OPTIONS: Mapping[str, str] = {
    "money": "--max-cost AMOUNT",
    "messages": "--max-messages N",
    "segments": "--max-segments N",
    "canary": "--canary N",
    "share": "--pause-if SHARE",
}


def way_on(name: str, stopped_by: str = "") -> str:
    """What resumes a paused campaign; ``stopped_by`` is as in ``pausing.lua``."""
    command = f"sluicegate campaign resume {pasted(name)}"
    if stopped_by == "approval":
        return f"sluicegate campaign approve {pasted(name)}, by somebody else"
    if not stopped_by:
        return command
    other = f"{command} {_OPTIONS[stopped_by]}, or none"
    if stopped_by in ("canary", "share"):
        return f"{command} --without COLUMN=VALUE leaves some out; or {other}"
    return other
