"""What a probe's answers would teach the workers: the same scripts learn from them."""

from collections.abc import Sequence

import msgspec
import redis

from sluicegate.config import Account
from sluicegate.errors import SluicegateError
from sluicegate.keys import Keys
from sluicegate.scripts import Script, Scripts, new_token

from ...operating.session import Session
from .calls import Call

REHEARSE = Script("sluicegate_ops.cli.probe.rehearse")


class Learned(msgspec.Struct, frozen=True):
    """The limit and window that workers would go by; ``evidence`` as ``status`` names it.

    ``in_doubt`` says that the window was not seen, only taken from what is configured or named.
    """

    limit: float
    window_seconds: float
    evidence: str
    in_doubt: bool


def rehearsed(session: Session, calls: Sequence[Call]) -> Learned | None:
    """What the workers would learn from these answers; None if Redis can't be asked."""
    try:
        return learned(session.client, session.keys, session.account, calls)
    except (redis.RedisError, SluicegateError):
        return None


def learned(
    client: redis.Redis, keys: Keys, account: Account, calls: Sequence[Call]
) -> Learned | None:
    """The same, of a client; None if no call was answered. Raises redis.RedisError."""
    answered = [call for call in calls if call.status]
    if not answered:
        return None
    args: list[int | float] = [account.limit, 1000 * account.window_seconds]
    for call in answered:
        rate = call.rate
        args += [1000 * answered[0].at + call.since_ms - answered[0].since_ms, call.took_ms]
        args += [
            rate.limit,
            rate.remaining,
            rate.window_ms,
            rate.reset_ms,
            call.wait_seconds * 1000,
        ]
        args.append(call.status == 429)
    scripts = Scripts(client, f"{keys.prefix}rehearsal:{new_token()}:")
    limit, window_ms, evidence, in_doubt = scripts.call(
        REHEARSE, [*args[:2], *map(float, args[2:])]
    )
    return Learned(float(limit), float(window_ms) / 1000, evidence.decode(), int(in_doubt) == 1)
