"""Every lane of an account: what waits in it, its state, and its place in the order of service."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal, NamedTuple

import msgspec

from sluicegate.keys import CLASSES, Keys

from .facts import AccountFacts
from .levels import LaneLimits, lane_read
from .parked import plain

_PAGE = 1000
_OPEN = ("draft", "running", "paused")
_RANK = {"ready": 0, "parked": 1, "halted": 2, "paused": 3, "draft": 4, "empty": 5}


class LaneState(msgspec.Struct, frozen=True):
    """One lane; ``place`` is 1 for what is served next, 0 where its turn doesn't come now.

    ``level`` and ``until_ms`` (wall) say what parked or halted it, until when; None until a person
    lifts that. A lane of a running campaign is ``empty`` where nobody waits in it.
    """

    lane: str
    priority: Literal["transactional", "bulk"]
    type: Literal["SMS", "MMS"]
    sender: str
    campaign: str
    waiting: int
    weight: float
    state: Literal["ready", "parked", "halted", "paused", "draft", "empty"]
    level: str = ""
    until_ms: float | None = None
    place: int = 0


class _Found(NamedTuple):
    """A lane or a node of the tree: its virtual time, and what it is parked for.

    ``path`` decides between those of one time: names of nodes, with the times below them.
    """

    branch: str
    member: str
    at: float
    path: tuple[str | float, ...]
    until_ms: float = 0.0
    level: str = ""


def lanes(
    client: Any, keys: Keys, facts: AccountFacts, most: int | None = None
) -> tuple[list[LaneState], int]:
    """The first ``most`` lanes, as they are served, then those that are not; how many in all.

    Those with tickets, and those of campaigns that are not over.
    """
    campaigns = _open_campaigns(client, keys)
    found = {found.member: found for found in _tree(client, keys, facts)}
    missing = {lane: _Found(lane[:2], lane, 0.0, ()) for lane in campaigns if lane not in found}
    every = [*found.values(), *missing.values()]
    lengths = _paged(client, every, lambda p, one: p.llen(keys.lane(one.member)))
    states = [
        _state(facts, one, waiting, campaigns)
        for one, waiting in zip(every, lengths, strict=True)
        # What was served out, or cancelled, stays in the tree until a claim comes by.
        if waiting or one.member in campaigns
    ]
    states.sort(key=lambda state: _order(state, found))
    shown = [
        msgspec.structs.replace(state, place=place) if state.state == "ready" else state
        for place, state in enumerate(states[:most], 1)
    ]
    return shown, len(states)


def _order(state: LaneState, found: Mapping[str, "_Found"]) -> Any:
    """Transactional first, then by virtual time; where two are level, as the tree has them."""
    if state.state != "ready":
        return _RANK[state.state], False, state.until_ms or 0.0, False, (state.lane,)
    one = found[state.lane]
    return 0, state.priority == "bulk", one.at, state.type == "MMS", one.path


class _Campaign(NamedTuple):
    state: str
    weight: float
    per_second: float


def _open_campaigns(client: Any, keys: Keys) -> dict[str, _Campaign]:
    """Lane -> its campaign, of those that are not over."""
    names = [name.decode() for name in client.zrange(keys("campaigns"), 0, -1)]
    fields = ("lane", "state", "weight", "per_second")
    found = _paged(client, names, lambda p, name: p.hmget(keys.campaign(name), *fields))
    read = ([(part or b"").decode() for part in parts] for parts in found)
    return {
        lane: _Campaign(state, float(weight or 1), float(per_second or 0))
        for lane, state, weight, per_second in read
        if state in _OPEN
    }


def _tree(client: Any, keys: Keys, facts: AccountFacts) -> Iterator[_Found]:
    """The lanes that are in the tree, or parked, or below what is."""
    level = list(_roots(client, keys, facts))
    while level:
        yield from (found for found in level if found.member[1] != "|")
        nodes = [found for found in level if found.member[1] == "|"]
        below = _paged(
            client,
            nodes,
            lambda p, node: p.zrange(
                keys(f"ready:{node.branch}:{node.member}"), 0, -1, withscores=True
            ),
        )
        level = [
            _Found(
                node.branch,
                name.decode(),
                node.at + score - members[0][1],  # a node stands where its head does
                (*node.path, score, name.decode()),
                node.until_ms,
                node.level,
            )
            for node, members in zip(nodes, below, strict=True)
            for name, score in members
        ]


def _roots(client: Any, keys: Keys, facts: AccountFacts) -> Iterator[_Found]:
    pipeline = client.pipeline(transaction=True)
    pipeline.hmget(keys("virtual"), "t", "b")
    pipeline.hgetall(keys("parked_by"))
    for priority in "tb":
        pipeline.zrange(keys(f"parked:{priority}"), 0, -1, withscores=True)
    for branch in CLASSES:
        pipeline.zrange(keys(f"ready:{branch}"), 0, -1, withscores=True)
    virtual, levels, *parked = pipeline.execute()
    now = dict(zip("tb", (float(at or 0) for at in virtual), strict=True))
    for name, until in (*parked[0], *parked[1]):
        branch, _, member = name.decode().partition("/")
        due = until <= facts.steady_ms  # its time has come: the next claim brings it back
        until_ms = 0.0 if due else until - facts.steady_ms + facts.now_ms
        level = "" if due else levels.get(name, b"").decode()
        yield _Found(branch, member, now[branch[0]], (member,), until_ms, level)
    for branch, members in zip(CLASSES, parked[2:], strict=True):
        for name, score in members:
            member = name.decode()
            yield _Found(branch, member, score, (member,))


def _state(
    facts: AccountFacts, found: _Found, waiting: int, campaigns: Mapping[str, _Campaign]
) -> LaneState:
    lane = lane_read(found.member)
    campaign = campaigns.get(found.member, _Campaign("running", 1.0, 0.0))
    passage = LaneLimits(facts, lane, campaign.per_second)
    halt = next(passage.halts, None) if facts.halts else None
    refusal = next((one for one in passage.refusals if not one.level.startswith("account")), None)
    state, level, until_ms = "ready", "", None
    if campaign.state != "running":
        state = campaign.state
    elif halt:
        state, level, until_ms = "halted", halt.level, halt.until_ms
    elif not waiting or not found.path:
        state = "empty"
    elif found.level:
        state, level, until_ms = "parked", plain(found.level), found.until_ms
    elif refusal:  # the next claim will park it
        state, level, until_ms = "parked", refusal.level, refusal.until_ms
    made: Any = state
    return LaneState(
        lane=found.member,
        priority="transactional" if lane.priority == "t" else "bulk",
        type="SMS" if lane.type == "sms" else "MMS",
        sender=lane.sender,
        campaign=lane.campaign,
        waiting=waiting,
        weight=campaign.weight,
        state=made,
        level=level,
        until_ms=until_ms,
    )


def _paged(client: Any, items: Iterable[Any], ask: Any) -> list[Any]:
    """``ask`` for each item, many to a round trip."""
    answers: list[Any] = []
    rest = iter(items)
    while page := list(islice(rest, _PAGE)):
        pipeline = client.pipeline(transaction=False)
        for item in page:
            ask(pipeline, item)
        answers += pipeline.execute()
    return answers
