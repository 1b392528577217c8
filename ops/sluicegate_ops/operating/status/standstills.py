"""Why nothing is sent where no level refuses: findings about the server, workers and campaigns."""

from collections.abc import Iterator

from ...inspect import AccountState
from ..pasting import pasted
from ..words import clean, counted, lasting, listed, when
from .finding import Finding
from .reasons import MORE_MEMORY, READ_ONLY, STALLED
from .ways_on import way_on

_CAMPAIGNS_SHOWN = 5


def server(state: AccountState) -> Iterator[Finding]:
    if state.server.refuses:
        yield Finding(state.server.refuses, "nothing is enqueued, and nothing is sent", READ_ONLY)


def memory(state: AccountState) -> Iterator[Finding]:
    memory, since_ms = state.server.memory, state.standstill.full_ms
    figures = f"it uses {memory.used:,} of {memory.most:,} bytes"
    if since_ms is not None:
        what = f"Redis is full: nothing is sent since {when(since_ms)}"
        stops = f"sending stops at {memory.sending_ceiling:,.0f} (sending_ceiling)"
        yield Finding(what, f"{figures}; {stops}", MORE_MEMORY)
    elif memory.full:
        stops = f"intake stops at {memory.ceiling:,.0f} (memory_ceiling)"
        yield Finding(
            "Redis is nearly full: nothing is enqueued or imported",
            f"{figures}; {stops}",
            MORE_MEMORY,
        )


def hazards(state: AccountState) -> Iterator[Finding]:
    """Settings with which messages will be lost one day, or go astray."""
    for hazard in state.hazards:
        yield Finding(
            hazard.what, hazard.why, hazard.do, person=hazard.urgent, subject=hazard.what
        )


def deaf(state: AccountState) -> Iterator[Finding]:
    for worker in state.standstill.deaf:
        yield Finding(
            f"worker {clean(worker.name)} starts no drain since {when(worker.since_ms)}",
            clean(worker.why),
            STALLED,
            subject=worker.name,
            since_ms=worker.since_ms,
        )


def mended(state: AccountState) -> Iterator[Finding]:
    standstill = state.standstill
    if standstill.mended:
        put_back = [f"{count:,} in {index}" for index, count in sorted(standstill.mended.items())]
        yield Finding(
            f"Redis lost entries of an index, and they are put back: {listed(put_back)}",
            f"somebody deleted keys, or Redis lost writes; last at {when(standstill.mended_ms)}",
            "sluicegate repair, which checks all of them",
        )


def stalled(state: AccountState) -> Iterator[Finding]:
    """The last resort: whatever the cause, something is ready and nobody claims it."""
    if not any(wait.kind == "stalled" for wait in state.why.waits):
        return
    standstill, now_ms = state.standstill, state.now_ms
    asked = standstill.unasked_seconds(now_ms)
    last = (
        "no worker ever claimed" if asked is None else f"the last claim was {lasting(asked)} ago"
    )
    live = sum(not worker.silent for worker in state.workers)
    unclaimed = lasting(standstill.unclaimed_seconds(now_ms))
    yield Finding(
        f"messages have been ready for {unclaimed}, and nobody has claimed any",
        f"{counted(live, 'worker')} heard; {last}",
        f"{STALLED}; their logs say more",
    )


def paused(state: AccountState) -> Iterator[Finding]:
    paused = state.standstill.paused
    for campaign in paused[:_CAMPAIGNS_SHOWN]:
        yield Finding(
            f"campaign {campaign.name} is paused since {when(campaign.since_ms)}",
            f"{campaign.stopped and clean(campaign.stopped) + '; '}"
            f"{counted(campaign.waiting, 'message')} waiting",
            f"{way_on(campaign.name, campaign.stopped_by)}, or: "
            f"sluicegate campaign cancel {pasted(campaign.name)}",
            subject=campaign.name,
            since_ms=campaign.since_ms,
        )
    if rest := paused[_CAMPAIGNS_SHOWN:]:
        waiting = sum(campaign.waiting for campaign in rest)
        yield Finding(
            f"{counted(len(rest), 'more campaign')} paused",
            f"{counted(waiting, 'message')} waiting",
            "sluicegate campaign list",
        )
