"""Limits on what one recipient gets: rules as they are published, and codes of what they hold."""

from typing import Final

from .config import Account
from .keys import ENDED_BY_LIMITS
from .stored import PrefixRule, RecipientRule

WITHHELD: Final = (*ENDED_BY_LIMITS, "prefix")
"""Codes of messages that wait for such a limit, or that it ended; a prefix ends none."""

_REMEMBERED_MS: Final = (3_600_000, 86_400_000, 604_800_000)
_MARGIN_MS: Final = 1_000


def recipient_fields(account: Account) -> dict[str, str]:
    """The account's limits per recipient and per prefix, as fields of the hash of limits.

    ``recipient`` is for how many ms what was sent is remembered: rounded up to an hour, a day or a
    week, so that it seldom changes. None of these fields is there if nothing is limited.
    """
    fields, rules = {}, account.per_recipient.rules
    kept = {
        priority: max(limits.kept for (of, _), limits in rules.items() if of == priority)
        for priority, _ in rules
    }
    for (priority, app), limits in rules.items():
        rule = RecipientRule(
            limits.beyond or "wait",
            round(1000 * limits.quiet_seconds),
            round(1000 * limits.same_text_seconds),
            kept[priority],
            [(round(1000 * seconds), most) for seconds, most in limits.windows],
        )
        fields[f"recipient:{priority[0]}{'@' if app else ''}{app}"] = rule.format()
    lengths = [limits.longest_seconds for limits in rules.values()]
    prefixes = account.per_prefix
    if prefixes.brakes:
        fields["prefix"] = PrefixRule(
            prefixes.messages,
            round(1000 * prefixes.window_seconds),
            prefixes.digits,
            prefixes.bulk,
            prefixes.prefixes,
        ).format()
        lengths.append(1.1 * prefixes.window_seconds)
    if not fields:
        return {}
    longest_ms = 1000 * max(lengths)
    remembered_ms = next(ms for ms in _REMEMBERED_MS if longest_ms <= ms)
    return {"recipient": str(remembered_ms + _MARGIN_MS)} | fields
