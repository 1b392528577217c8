"""What holds an account's messages back beside the levels that refuse lanes."""

from collections.abc import Iterator

from .facts import LIVE_SECONDS, AccountFacts
from .standstill import STALLED_SECONDS
from .wait import Wait, WaitKind

_FULL = 0.9


def server(facts: AccountFacts, work: int) -> list[Wait]:
    """What the server itself refuses, where there is something to do."""
    if facts.refuses and work:
        return [Wait(kind="read_only", level="account", because=facts.refuses, refuses=True)]
    if facts.standstill.full_ms is not None and work:
        since_ms = facts.standstill.full_ms
        return [Wait(kind="memory", level="account", since_ms=since_ms, refuses=True)]
    return []


def no_worker(facts: AccountFacts, work: int) -> list[Wait]:
    """Nobody who sends, where there is something to do."""
    silent = facts.silent_seconds
    if facts.refuses:
        return []  # nobody can be heard
    if not work or (silent is not None and silent < LIVE_SECONDS):
        return []
    return [Wait(kind="no_worker", level="account", used=silent or 0.0)]


def breaker(facts: AccountFacts, work: int) -> list[Wait]:
    """The breaker, where there is something that it stops."""
    now = facts.breaker
    if not work or now.state == "closed":
        return []
    is_open = now.state == "open"
    return [
        Wait(
            kind="failing" if is_open else "trying",
            level="account",
            until_ms=now.probe_ms if is_open else None,
            used=now.failures,
            since_ms=now.since_ms,
            because=now.culprit,
            said=now.cause,
            refuses=is_open,
        )
    ]


def reviewed(facts: AccountFacts, due: int) -> list[Wait]:
    """What waits until a person has read a reply, where some of what is due later may."""
    if not facts.reviewed or not (due and facts.reviewed_messages):
        return []
    held = min(due, facts.reviewed_messages)
    return [Wait(kind="review", level="account", used=held, limit=facts.reviewed)]


def withheld(facts: AccountFacts, due: int) -> list[Wait]:
    """What waits for limits on its recipients."""
    waiting = min(due, facts.withheld.waiting)
    return [Wait(kind="recipient", level="account", used=waiting)] if waiting else []


def due(facts: AccountFacts, messages: int) -> int:
    """What is due at a time of its own: not for a person, nor for a recipient's limits."""
    messages -= facts.withheld.waiting
    return max(0, messages - facts.reviewed_messages if facts.reviewed else messages)


def flow(facts: AccountFacts, priority: str) -> Iterator[Wait]:
    """What stops all requests of the account for a moment."""
    rate = facts.rate
    if blocked := rate.blocked_seconds:
        until_ms = facts.now_ms + 1000 * blocked
        yield Wait(kind="blocked", level="account", until_ms=until_ms, refuses=True)
    most = rate.most_bulk if priority == "bulk" else rate.most
    if 0 < most <= rate.under_way:
        yield Wait(
            kind="concurrency" if rate.heard else "probing",
            level="account",
            limit=most,
            used=rate.under_way,
            refuses=True,
        )


def requests(facts: AccountFacts, priority: str) -> list[Wait]:
    """The account's requests, where they refuse or nearly all are used."""
    rate = facts.rate
    wait = next_slot(facts, priority)
    return [wait] if wait.refuses or rate.is_used(_FULL) else []


def next_slot(facts: AccountFacts, priority: str) -> Wait:
    """The account's requests as what holds back, whether they refuse now or not."""
    rate = facts.rate
    bulk = priority == "bulk"
    seconds = rate.next_bulk_seconds if bulk else rate.next_seconds
    return Wait(
        kind="ceiling" if rate.at_ceiling else "requests",
        level="account",
        until_ms=facts.now_ms + 1000 * seconds,
        limit=rate.ceiling if rate.at_ceiling else rate.limit,
        used=rate.used,
        refuses=rate.refuses_bulk if bulk else rate.refuses,
    )


def or_turn(facts: AccountFacts, waits: list[Wait]) -> list[Wait]:
    """``waits``; where nothing holds back, say so only as long as somebody claims."""
    if any(wait.refuses or wait.kind in ("no_worker", "trying") for wait in waits):
        return waits
    unclaimed = facts.standstill.unclaimed_seconds(facts.now_ms)
    if unclaimed < STALLED_SECONDS:
        return waits or [Wait(kind="turn", level="account")]
    deaf = "; ".join(f"{worker.name}: {worker.why}" for worker in facts.standstill.deaf)
    since_ms = facts.now_ms - 1000 * unclaimed
    return [Wait(kind="stalled", level="account", since_ms=since_ms, because=deaf), *waits]


def closed(
    state: str,
    campaign: str,
    since_ms: float | None = None,
    waiting: int = 0,
    at_ms: float | None = None,
) -> Wait:
    """A campaign that nobody has begun or that is paused: what it holds back."""
    level = f"campaign:{campaign}"
    if state == "scheduled":
        return Wait(kind="scheduled", level=level, until_ms=at_ms, used=waiting)
    kind: WaitKind = "draft" if state == "draft" else "paused"
    return Wait(kind=kind, level=level, since_ms=since_ms, used=waiting)


def later(due: int, in_doubt: int, held: int, next_due_ms: float | None) -> Iterator[Wait]:
    """What isn't waiting in a lane: of what is ``in_doubt``, ``held`` wait for a person."""
    if held:
        yield Wait(kind="held", level="account", used=held)
    if due:
        yield Wait(kind="retrying", level="account", until_ms=next_due_ms, used=due)
    if in_doubt > held:
        yield Wait(kind="in_doubt", level="account", used=in_doubt - held)
