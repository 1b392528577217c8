"""What is told of an attempt: its outcome, as the settle that ends its lease."""

import msgspec

from sluicegate.config import Account

from .claims import Grant, Settle
from .provider.gateway import Attempt
from .provider.outcome import Accepted, Dead, Doubt, Halt, Outcome, Retry

THROTTLE_WAIT_MS = 1000.0
"""How long the bucket is blocked by a 429 that doesn't say."""


def settled(grant: Grant, attempt: Attempt, account: Account, outcome: Outcome | None) -> Settle:
    """The settle that says what an attempt meant; None means that nothing was written."""
    evidence = attempt.evidence
    if outcome is None:
        return grant.unused()
    base = Settle(
        id=grant.id,
        token=grant.token,
        kind="back",
        answer=attempt.answer,
        took_ms=attempt.took_ms,
        limit=evidence.limit,
        remaining=evidence.remaining,
        wait_ms=evidence.wait_ms,
        window_ms=evidence.window_ms,
        reset_ms=evidence.reset_ms,
        flags=("h" if attempt.heard else "") + ("b" if attempt.failing else ""),
    )
    replace = msgspec.structs.replace
    match outcome:
        case Accepted(provider_id, replayed, wait_seconds):
            flags = base.flags + ("r" if replayed else "")
            hold_ms = wait_seconds * 1000
            return replace(
                base, kind="accepted", provider_id=provider_id, hold_ms=hold_ms, flags=flags
            )
        case Retry(throttled=True):
            wait_ms = evidence.wait_ms if evidence.wait_ms >= 0 else THROTTLE_WAIT_MS
            flags = base.flags + "t"
            return replace(
                base, code=outcome.code, reason=outcome.why, wait_ms=wait_ms, flags=flags
            )
        case Retry(queue_full=True):
            return replace(base, code=outcome.code, reason=outcome.why, flags=base.flags + "f")
        case Retry():
            flags = (
                base.flags + ("p" if outcome.perhaps else "") + ("" if outcome.charged else "u")
            )
            delay_ms = (outcome.delay_seconds or 0.0) * 1000
            return replace(
                base,
                kind="retry",
                delay_ms=delay_ms,
                code=outcome.code,
                reason=outcome.why,
                flags=flags,
            )
        case Dead():
            flags = base.flags + "p" * outcome.perhaps + "o" * outcome.opted_out
            return replace(base, kind="dead", code=outcome.code, reason=outcome.why, flags=flags)
        case Doubt():
            delay_ms = -1.0 if outcome.hold else _doubt_wait_ms(grant, account)
            return replace(
                base, kind="doubt", delay_ms=delay_ms, code=outcome.code, reason=outcome.why
            )
        case Halt():
            return replace(
                base,
                code=outcome.code,
                reason=outcome.why,
                halt=outcome.level,
                halt_ends=_halt_ends(outcome),
            )


def _halt_ends(halt: Halt) -> str:
    if halt.ends == "midnight_utc":
        return "midnight"
    return "" if halt.seconds is None else f"{halt.seconds * 1000:.0f}"


def _doubt_wait_ms(grant: Grant, account: Account) -> float:
    doubt = account.in_doubt
    if doubt.policy == "hold":
        return -1.0
    bulk = b'"priority":"bulk"' in grant.content
    return 1000 * (doubt.bulk_wait_seconds if bulk else doubt.transactional_wait_seconds)
