"""Every lane of an account: what waits in it, its state, and its place in the order of service."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from sluicegate.keys import CLASSES
from sluicegate.stored import LaneName, TreeMember

from .facts import AccountFacts
from .look import LaneLimits, Look

_LOOKED_AT = 100
_OPEN = ("draft", "scheduled", "running", "paused")
_RANK = {"ready": 0, "parked": 1, "halted": 2, "paused": 3, "scheduled": 4, "draft": 5, "empty": 6}


class LaneState(msgspec.Struct, frozen=True):
    """One lane; ``place`` is 1 for what is served next, 0 where its turn doesn't come now.

    ``level`` and ``until_ms`` (wall) say what parked or halted it, until when; None until a person
    lifts that. A lane stays ``ready`` while the account's own rate for its type refuses it: that
    holds back every lane alike. A lane of a running campaign is ``empty`` where nobody waits.
    ``app`` is the name of whose messages wait there, ``""`` for those of nobody with a name.
    """

    lane: str
    priority: Literal["transactional", "bulk"]
    type: Literal["SMS", "MMS"]
    sender: str
    campaign: str
    waiting: int
    weight: float
    state: Literal["ready", "parked", "halted", "paused", "scheduled", "draft", "empty"]
    level: str = ""
    until_ms: float | None = None
    place: int = 0
    app: str = ""


class _Node(NamedTuple):
    """A lane, or what is above lanes in the tree, with its virtual time.

    ``path`` decides between those of one time: names of nodes, with the times below them.
    ``length`` is that of a lane.
    """

    branch: str
    member: str
    score: float
    path: tuple[str | float, ...]
    length: int = 0


class _Campaign(NamedTuple):
    state: str
    weight: float


def lanes(
    look: Look,
    facts: AccountFacts,
    most: int | None = None,
    is_meant: Callable[[LaneName], bool] = lambda lane: True,
) -> tuple[list[LaneState], int]:
    """The first ``most`` lanes, as they are served, then those that are not; how many in all.

    Those with tickets, and those of campaigns that are not over, of those that are meant. Of each
    that is not shown only the length is asked for, once enough that are served are found.
    """
    campaigns = _open_campaigns(look)
    nodes = {node.member: node for node in _tree(look)}
    absent = {lane: LaneName.parse(lane).branch for lane in campaigns if lane not in nodes}
    lengths = look.below((branch, lane) for lane, branch in absent.items())
    for (lane, branch), length in zip(absent.items(), lengths, strict=True):
        nodes[lane] = _Node(branch, lane, 0.0, (), length if isinstance(length, int) else 0)
    names = {lane: name for lane in nodes if is_meant(name := LaneName.parse(lane))}
    filled = {name.campaign for lane, name in names.items() if nodes[lane].length}
    # What was served out, or cancelled, stays in the tree until a claim comes by.
    listed = [
        lane
        for lane, name in names.items()
        if nodes[lane].length or (lane in campaigns and name.campaign not in filled)
    ]
    listed.sort(key=lambda lane: _served(names[lane], nodes[lane]))
    states: list[LaneState] = []
    size = min(most or _LOOKED_AT, _LOOKED_AT)
    for at in range(0, len(listed), size):
        page = listed[at : at + size]
        states += [
            _state(facts, nodes[lane], limits, campaigns)
            for lane, limits in zip(page, look.lanes(page), strict=True)
            if limits.waiting or lane in campaigns
        ]
        if most is not None and sum(state.state == "ready" for state in states) >= most:
            break
    states.sort(key=lambda state: _order(state, nodes))
    shown = [
        msgspec.structs.replace(state, place=place) if state.state == "ready" else state
        for place, state in enumerate(states[:most], 1)
    ]
    return shown, len(listed)


def _served(name: LaneName, node: _Node) -> Any:
    """Transactional first, then by virtual time; where two are level, as the tree has them."""
    return name.priority == "bulk", node.score, name.type == "MMS", node.path


def _order(state: LaneState, nodes: Mapping[str, _Node]) -> Any:
    """What is served in its order, then the others by what stops them."""
    if state.state != "ready":
        return _RANK[state.state], False, state.until_ms or 0.0, False, (state.lane,)
    return 0, *_served(LaneName.parse(state.lane), nodes[state.lane])


def _open_campaigns(look: Look) -> dict[str, _Campaign]:
    """Lane -> its campaign, of those that are not over."""
    names = [name.decode() for name in look.client.zrange(look.keys("campaigns"), 0, -1)]
    return {
        lane: _Campaign(state, float(weight or 1))
        for lane, state, weight in look.campaign_lanes(names)
        if state in _OPEN
    }


def _tree(look: Look) -> Iterator[_Node]:
    """The lanes that are in the tree, or parked, or below what is."""
    level = list(_roots(look))
    while level:
        found = look.below((node.branch, node.member) for node in level)
        children: list[_Node] = []
        for node, below in zip(level, found, strict=True):
            if isinstance(below, int):
                yield node._replace(length=below)
                continue
            for name, score, length in below:
                stands = node.score + score - below[0].score  # a node stands where its head does
                path = (*node.path, score, name)
                children.append(_Node(node.branch, name, stands, path, length))
        yield from (child for child in children if child.length >= 0)
        level = [child for child in children if child.length < 0]


def _roots(look: Look) -> Iterator[_Node]:
    keys, pipeline = look.keys, look.client.pipeline(transaction=True)
    pipeline.hmget(keys("virtual"), "t", "b")
    for priority in "tb":
        pipeline.zrange(keys(f"parked:{priority}"), 0, -1)
    for branch in CLASSES:
        pipeline.zrange(keys(f"ready:{branch}"), 0, -1, withscores=True)
    virtual, *members = pipeline.execute()
    now = dict(zip("tb", (float(score or 0) for score in virtual), strict=True))
    for parked in (TreeMember.parse(name) for name in (*members[0], *members[1])):
        yield _Node(parked.branch, parked.node, now[parked.branch[0]], (parked.node,))
    for branch, ready in zip(CLASSES, members[2:], strict=True):
        for name, score in ready:
            yield _Node(branch, name.decode(), score, (name.decode(),))


def _state(
    facts: AccountFacts, node: _Node, limits: LaneLimits, campaigns: Mapping[str, _Campaign]
) -> LaneState:
    lane = limits.lane
    main = lane._replace(carrier="", hours="").format()
    campaign = campaigns.get(main, _Campaign("running", 1.0))
    halt = next((facts.halts[name] for name in limits.names if name in facts.halts), None)
    level, until_ms = limits.refused_by, limits.opens_ms
    state: Any = "ready"
    if campaign.state != "running":
        state, level, until_ms = campaign.state, "", None
    elif halt:
        state, level, until_ms = "halted", halt.level, halt.until_ms
    elif not limits.waiting or not node.path:
        state, level, until_ms = "empty", "", None
    elif level and not level.startswith("account"):
        state = "parked"
    return LaneState(
        lane=node.member,
        priority=lane.priority,
        type=lane.type,
        sender=lane.sender,
        campaign=lane.campaign,
        app=lane.app,
        waiting=limits.waiting,
        weight=campaign.weight,
        state=state,
        level=level,
        until_ms=until_ms,
    )
