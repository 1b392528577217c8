"""The levels for which something is parked now: lanes, senders, registrations."""

from collections.abc import Iterator, Mapping, Sequence

from sluicegate.errors import Malformed
from sluicegate.stored import LaneName, SenderLimits, TreeMember

from .facts import AccountFacts
from .limits import refusals, together
from .look import Look, level_name
from .wait import Wait


def parked(look: Look, facts: AccountFacts) -> list[Wait]:
    """Each such level once, by when it lets go; halts aside, which say so themselves."""
    members = _members(look, facts)
    registered = _registered(facts)
    first = _first_lanes(look, [one for one, level in members if _is_of_carrier(level)])
    lanes = look.lanes(first.get(member) or _lane(member, registered) for member, _ in members)
    waits = together(
        wait
        for (_, level), limits in zip(members, lanes, strict=True)
        for wait in refusals(facts, limits)
        if wait.level == level
    )
    return sorted(waits, key=lambda wait: wait.until_ms or 0.0)


def _members(look: Look, facts: AccountFacts) -> Sequence[tuple[TreeMember, str]]:
    """What is parked, with its level: one member for each, but all that wait for hours."""
    pipeline = look.client.pipeline(transaction=True)
    pipeline.hgetall(look.keys("parked_by"))
    for priority in "tb":
        later = f"({facts.steady_ms:.3f}"
        pipeline.zrangebyscore(look.keys(f"parked:{priority}"), later, "+inf")
    levels, *groups = pipeline.execute()
    by_level: dict[str, TreeMember] = {}
    for member in (member for group in groups for member in group):
        level = level_name(levels.get(member, b"").decode())
        one_of_many = level if not level.startswith("hours:") else member.decode()
        by_level[one_of_many] = TreeMember.parse(member)
    return [
        (member, level_name(levels.get(member.format().encode(), b"").decode()))
        for member in by_level.values()
    ]


def _is_of_carrier(level: str) -> bool:
    return level.partition(":")[0] in ("registration", "brand")


def _first_lanes(look: Look, members: Sequence[TreeMember]) -> dict[TreeMember, str]:
    """The lane of each that is next, whose first message then says whose number it waits for."""
    below = {member: member for member in members}
    while nodes := {one: at for one, at in below.items() if at.kind != "lane"}:
        found = look.below((at.branch, at.node) for at in nodes.values())
        for (one, at), children in zip(nodes.items(), found, strict=True):
            if isinstance(children, int) or not children:
                del below[one]  # nothing is left there
            else:
                below[one] = TreeMember.parse(f"{at.branch}/{children[0].name}")
    return {one: lane.name for one, lane in below.items()}


def _lane(member: TreeMember, registered: Mapping[str, str]) -> str:
    """A lane that passes the levels of what is parked; a registration's by one of its senders."""
    if member.kind == "lane":
        return member.name
    sender = member.name if member.kind == "sender" else registered.get(member.name, "")
    return LaneName.of_branch(member.branch, sender or "unknown", app=member.app).format()


def _registered(facts: AccountFacts) -> dict[str, str]:
    """One sender of each registration."""
    return {registration: sender for sender, registration in _registrations(facts) if registration}


def _registrations(facts: AccountFacts) -> Iterator[tuple[str, str]]:
    for field, text in facts.limits.items():
        kind, _, sender = field.partition(":")
        if kind == "sender":
            try:
                yield sender, SenderLimits.parse(text).registration
            except Malformed:
                continue
