"""What waits behind a halt, and what goes first once it is lifted."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sluicegate.errors import Malformed
from sluicegate.stored import MessageId, Ticket

from .facts import AccountFacts
from .lanes import LaneState, lanes
from .look import Look

_OPEN = ("ready", "parked", "halted", "empty")


class NextMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first message to go: its id, its sender, and how it was last refused, if it was.

    ``known``: its sender is declared, or had a message accepted before.
    """

    id: str
    sender: str
    known: bool
    app: str = ""
    code: str = ""
    reason: str = ""


class Behind(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a level's halt holds back.

    ``waiting`` messages, ``later`` more that are scheduled or retrying (of the whole account), and
    ``unknown`` of those waiting from ``unknown_senders`` senders that are neither declared nor
    were ever accepted: what such a message meets halts nothing. ``first`` is None where nothing
    goes, for another halt or for want of messages.
    """

    waiting: int
    later: int = 0
    unknown: int = 0
    unknown_senders: int = 0
    first: NextMessage | None = None


def behind(look: Look, facts: AccountFacts, level: str) -> Behind:
    """Look behind the halt of a level; costs as much as there are lanes."""
    others = {name: halt for name, halt in facts.halts.items() if name != level}
    every, _ = lanes(look, msgspec.structs.replace(facts, halts=others))
    held = [lane for lane in every if lane.waiting and _is_held(lane, level)]
    known = _known(look, facts, sorted({lane.sender for lane in held}))
    strangers = [lane for lane in held if not known[lane.sender] and not lane.campaign]
    free = [lane for lane in held if lane.state == "ready" or lane.level == level]
    return Behind(
        waiting=sum(lane.waiting for lane in held),
        later=facts.counts.due if level == "account" else 0,
        unknown=sum(lane.waiting for lane in strangers),
        unknown_senders=len({lane.sender for lane in strangers}),
        first=_first(look, free[0], known[free[0].sender]) if free else None,
    )


def _is_held(lane: LaneState, level: str) -> bool:
    """Whether a halt of ``level`` holds a lane that would otherwise be served."""
    kind, _, name = level.partition(":")
    own = {"account": "", "sender": lane.sender, "campaign": lane.campaign}
    if lane.type == "MMS":
        own["mms"] = lane.sender
    return lane.state in _OPEN and (own[kind] == name if kind in own else lane.level == level)


def _known(look: Look, facts: AccountFacts, senders: Sequence[str]) -> dict[str, bool]:
    """Which senders are declared, or had a message accepted."""
    pipeline = look.client.pipeline(transaction=False)
    for sender in senders:
        pipeline.zscore(look.keys("senders"), sender)
    accepted = zip(senders, pipeline.execute(), strict=True)
    return {
        sender: at is not None or f"sender:{sender}" in facts.limits for sender, at in accepted
    }


def _first(look: Look, lane: LaneState, known: bool) -> NextMessage | None:
    text: Any = look.client.lindex(look.keys.lane(lane.lane), 0)
    try:
        id = MessageId(lane.campaign, Ticket.parse(text or b"").short).format()
    except Malformed:
        return None
    fields = look.client.hmget(look.keys.record(id), "code", "reason")
    code, reason = ((field or b"").decode(errors="replace") for field in fields)
    return NextMessage(id, lane.sender, known, lane.app, code, reason)
