"""The headers that tell an app what its caps leave it, as the script that decided has it.

``RateLimit-Policy`` and ``RateLimit`` are the IETF's (draft-ietf-httpapi-ratelimit-headers), with
each cap under the name of its setting; ``x-ratelimit-*`` are the provider's, of the cap that has
least left.
"""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from sluicegate.caps import AppLeft
from sluicegate.config import App

_DAY_SECONDS: Final = 86_400
_MONEY: Final = "daily_money"
_CENTS: Final = 100


class _Quota(NamedTuple):
    """What is left of a cap, and in how many seconds there is more of it."""

    name: str
    most: int
    left: int
    reset_seconds: int


class LimitHeaders:
    """Those of one app; an app without caps has none."""

    def __init__(self, app: App) -> None:
        self._requests = max(1, int(app.per_second)) if app.per_second else 0
        window = self._requests / app.per_second if app.per_second else 0.0
        self._most_waiting = app.most_waiting or 0
        self._messages = app.daily_messages or 0
        self._cents = int((app.daily_money or 0) * _CENTS)
        policies = {
            "per_second": f"q={self._requests};w={max(1, math.ceil(window))}",
            "most_waiting": f"q={self._most_waiting}",
            "daily_messages": f"q={self._messages};w={_DAY_SECONDS}",
            _MONEY: f'q={self._cents};qu="cents";w={_DAY_SECONDS}',
        }
        set_ = {
            "per_second": app.per_second,
            "most_waiting": app.most_waiting,
            "daily_messages": app.daily_messages,
            _MONEY: app.daily_money,
        }
        self._policy = ", ".join(
            f'"{name}";{policy}' for name, policy in policies.items() if set_[name] is not None
        )

    def of(self, left: AppLeft | None, refused: str = "") -> Mapping[str, str]:
        """What the script said is left, where it said so; ``refused`` is the cap that did."""
        return self._headers(self._quotas(left), refused) if left and self._policy else {}

    def too_soon(self, wait_seconds: float) -> Mapping[str, str]:
        """Of a request that came faster than ``per_second``, before the script was asked."""
        quota = _Quota("per_second", self._requests, 0, max(1, math.ceil(wait_seconds)))
        return self._headers([quota], quota.name)

    def _headers(self, quotas: list[_Quota], refused: str) -> Mapping[str, str]:
        tightest = min(quotas, key=lambda quota: (quota.name != refused, quota.left))
        return {
            "x-ratelimit-limit": str(tightest.most),
            "x-ratelimit-remaining": str(tightest.left),
            "x-ratelimit-reset": str(tightest.reset_seconds),
            "ratelimit-policy": self._policy,
            "ratelimit": ", ".join(
                f'"{quota.name}";r={quota.left};t={quota.reset_seconds}' for quota in quotas
            ),
        }

    def _quotas(self, left: AppLeft) -> list[_Quota]:
        quotas, day = list[_Quota](), math.ceil(left.day_ms / 1000)
        if left.per_second is not None:
            pace = math.ceil(left.pace_ms / 1000)
            quotas.append(_Quota("per_second", self._requests, left.per_second, pace))
        if left.most_waiting is not None:
            full = 0 if left.most_waiting else math.ceil(left.full_ms / 1000)
            quotas.append(_Quota("most_waiting", self._most_waiting, left.most_waiting, full))
        if left.daily_messages is not None:
            quotas.append(_Quota("daily_messages", self._messages, left.daily_messages, day))
        if left.daily_money is not None:
            cents = int(left.daily_money * _CENTS)
            quotas.append(_Quota(_MONEY, self._cents, cents, day))
        return quotas
