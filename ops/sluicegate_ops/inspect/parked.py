"""The levels for which something is parked now: lanes, senders, registrations."""

from collections.abc import Iterable, Mapping
from typing import Any

from sluicegate.keys import Keys

from .facts import AccountFacts
from .levels import LaneLimits, lane_read
from .wait import Wait


def parked(client: Any, keys: Keys, facts: AccountFacts) -> list[Wait]:
    """Each such level once, by when it lets go; halts aside, which say so themselves."""
    pipeline = client.pipeline(transaction=True)
    pipeline.hgetall(keys("parked_by"))
    for priority in "tb":
        pipeline.zrangebyscore(keys(f"parked:{priority}"), f"({facts.steady_ms:.3f}", "+inf")
    levels, *found = pipeline.execute()
    members = [member.decode() for some in found for member in some]
    rates, registered = _rates(client, keys, members), _registered(facts)
    waits: dict[tuple[str, str], Wait] = {}
    for member in members:
        level = plain(levels.get(member.encode(), b"").decode())
        for wait in _at(_passage(facts, member, rates, registered), level):
            waits[wait.kind, wait.level] = wait
    return sorted(waits.values(), key=lambda wait: wait.until_ms or 0.0)


def plain(level: str) -> str:
    """A level's name without the type that its use is kept by."""
    return level.removesuffix(":sms").removesuffix(":mms")


def _at(passage: LaneLimits, level: str) -> Iterable[Wait]:
    if passage.cap and level == passage.cap.name:
        return [passage.full_day(passage.cap)]
    return [wait for wait in passage.refusals if wait.level == level]


def _passage(
    facts: AccountFacts, parked: str, rates: Mapping[str, float], registered: Mapping[str, str]
) -> LaneLimits:
    """The levels of what is parked; a registration's by one of its senders."""
    branch, _, member = parked.partition("/")
    if member.startswith("r|"):
        member = f"s|{registered.get(member[2:], '')}"
    if member.startswith("s|"):
        member = f"{branch}:{member[2:]}"
    lane = lane_read(member)
    return LaneLimits(facts, lane, rates.get(lane.campaign, 0.0))


def _rates(client: Any, keys: Keys, members: Iterable[str]) -> dict[str, float]:
    """The own rates of the campaigns whose lanes are parked."""
    lanes = (member.partition("/")[2] for member in members)
    names = list({lane_read(lane).campaign for lane in lanes if "#" in lane})
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.hget(keys.campaign(name), "per_second")
    found = pipeline.execute()
    return {name: float(own or 0) for name, own in zip(names, found, strict=True)}


def _registered(facts: AccountFacts) -> dict[str, str]:
    """One sender of each registration."""
    return {
        text.split("|", 2)[2]: field.removeprefix("sender:")
        for field, text in facts.limits.items()
        if field.startswith("sender:")
    }
