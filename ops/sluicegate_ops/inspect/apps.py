"""What an app has enqueued, how it ended, and what of its day it has used."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import redis

from sluicegate.keys import Keys

_DAY_MS: Final = 86_400_000
_UNITS: Final = 10**9  # of money, as apps.lua counts it


class AppCounts(NamedTuple):
    """One app's messages since its first; ``ended`` counts them by their final state."""

    enqueued: int
    ended: Mapping[str, int]

    @property
    def waiting(self) -> int:
        """How many have not ended."""
        return self.enqueued - sum(self.ended.values())


class AppUse(msgspec.Struct, frozen=True):
    """What one app uses of its caps; ``money`` is in the account's currency, by the day in UTC."""

    waiting: int
    messages_today: int
    money_today: Decimal


def app_counts(stored: Mapping[bytes, bytes]) -> dict[str, AppCounts]:
    """Read an account's hash of apps."""
    fields = (name.decode().partition(":") for name in stored)
    counts: dict[str, dict[str, int]] = {}
    for (app, colon, state), value in zip(fields, stored.values(), strict=True):
        if colon:
            counts.setdefault(app, {})[state] = int(value)
    return {app: AppCounts(states.pop("enqueued", 0), states) for app, states in counts.items()}


def app_use(client: redis.Redis, keys: Keys, app: str) -> AppUse:
    """Read what one app uses of its caps at this moment."""
    store: Any = client
    pipeline = store.pipeline(transaction=True)
    pipeline.hgetall(keys("apps"))
    pipeline.hmget(keys(f"spent:{app}"), "day", "messages", "money")
    pipeline.time()
    stored, (day, messages, money), (seconds, _) = pipeline.execute()
    today = int(day or -1) == 1000 * seconds // _DAY_MS
    counts = app_counts(stored).get(app, AppCounts(0, {}))
    return AppUse(
        counts.waiting,
        int(messages or 0) if today else 0,
        Decimal(int(money or 0)) / _UNITS if today else Decimal(0),
    )
