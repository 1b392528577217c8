"""What of all that happens is to be told now: what is new, what has grown, and what is over."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from sluicegate.stored import Notice, ToldEvent

from .happening import FINISHED, Happening

_KEPT_MS = 4 * 86_400_000
"""A finished campaign is remembered for longer than it is looked at."""


class NotifyDecision(NamedTuple):
    """What to tell, and what is remembered then: None forgets."""

    notices: list[Notice]
    told: dict[str, ToldEvent | None]


def decide(
    happening: Iterable[Happening], told: Mapping[str, ToldEvent], now_ms: int, quiet_ms: int
) -> NotifyDecision:
    """Each thing is told once. What comes back, or grows, is told again once it has been quiet."""
    decision, now = NotifyDecision([], {}), {one.name: one for one in happening}
    for name, one in now.items():
        before = told.get(name)
        if before is None or _is_news(one, before, now_ms - quiet_ms):
            decision.notices.append(_notice(one, before, now_ms))
            decision.told[name] = ToldEvent(
                at_ms=now_ms,
                since_ms=one.since_ms,
                count=one.count,
                what=one.what,
                ends=one.ends,
            )
        elif one.count < before.count:
            decision.told[name] = replace(before, count=one.count)
    for name, before in told.items():
        if name in now:
            continue
        kept_ms = _KEPT_MS if name.startswith(f"{FINISHED} ") else quiet_ms
        if not before.over:
            decision.told[name] = replace(before, over=True)
            if before.ends:
                decision.notices.append(Notice(at_ms=now_ms, what=f"over: {before.what}"))
        elif now_ms - before.at_ms >= kept_ms:
            decision.told[name] = None
    return decision


def _is_news(one: Happening, before: ToldEvent, quiet_since_ms: int) -> bool:
    """Whether it has come back, began anew or grew, and was not told of just now."""
    changed = before.over or one.since_ms != before.since_ms or one.count > before.count
    return changed and before.at_ms <= quiet_since_ms


def _notice(one: Happening, before: ToldEvent | None, now_ms: int) -> Notice:
    more = 0 if before is None or before.over else one.count - before.count
    what = f"{one.what} ({more:,} more than told before)" if more > 0 else one.what
    return Notice(at_ms=now_ms, what=what, why=one.why, do=one.do, person=one.person)
