"""Overview: is it sending; if not, why, and what to do."""

from typing import Any

from sluicegate.memory import ServerMemory

from ..inspect import (
    MINUTES,
    AccountState,
    RequestRate,
    read_account,
    read_trend,
    seconds_until_full,
)
from ..operating.session import Session
from ..operating.status.carriers import carrier_rows
from ..operating.status.document import headline, masked_state, status_document
from ..operating.status.findings import findings
from ..operating.status.reasons import limit, sentence
from .parts import bar


def overview(session: Session) -> dict[str, Any]:
    """The account as ``status --json`` has it, and the few numbers that are drawn large."""
    state = masked_state(read_account(session.client, session.config, session.name))
    problems, memory = findings(state), state.server.memory
    minutes = read_trend(session.client, session.keys, MINUTES, state.now_ms)
    return {
        "headline": headline(state, problems),
        "status": status_document(state, problems),
        "why": sentence(state.why),
        "numbers": _numbers(state),
        "window": _window(state.rate),
        "carriers": carrier_rows(state.carriers, state.now_ms),
        "memory": _memory(memory) | {"seconds_left": seconds_until_full(memory, minutes)},
        "minutes": minutes,
    }


def _numbers(state: AccountState) -> dict[str, Any]:
    rate, counts = state.rate, state.counts
    return {
        "per_second": _per_second(rate.used, rate),
        "allowed_per_second": _per_second(rate.limit, rate),
        "limit": limit(rate),
        "waiting": counts.waiting + counts.due,
        "least_seconds": _least_seconds(counts.waiting + counts.due, rate),
        "needs_a_person": counts.held + counts.dead,
        "held": counts.held,
        "dead": counts.dead,
        "sent_twice": state.twice,
    }


def _per_second(requests: float, rate: RequestRate) -> float:
    return round(requests / rate.window_seconds, 2) if rate.window_seconds else 0.0


def _least_seconds(messages: int, rate: RequestRate) -> float | None:
    """How long so many messages take if nothing else holds them back; None without a limit."""
    return messages * rate.window_seconds / rate.limit if rate.limit else None


def _window(rate: RequestRate) -> dict[str, Any]:
    """The requests of the last window: ours, others', the margin after a 429, and what is free."""
    taken = {"us": rate.used, "others": rate.others, "margin": rate.margin}
    free = max(0.0, rate.limit - sum(taken.values()))
    return {
        "seconds": rate.window_seconds,
        "limit": rate.limit,
        "parts": bar(taken | {"free": free}, max(rate.limit, sum(taken.values()))),
    }


def _memory(memory: ServerMemory) -> dict[str, Any]:
    """Redis's memory, in percent of its ``maxmemory`` where it has one."""
    whole = memory.most
    return {
        "used": memory.used,
        "most": whole,
        "percent": round(100 * memory.used / whole, 1) if whole else None,
        "intake_stops_percent": round(100 * memory.ceiling / whole, 1) if whole else None,
        "sending_stops_percent": round(100 * memory.sending_ceiling / whole, 1) if whole else None,
    }
