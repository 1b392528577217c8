"""An app's caps on what it may enqueue, as the enqueue script reads and keeps them."""

from collections.abc import Callable, Sequence
from decimal import ROUND_UP, Decimal
from typing import Final, Literal, Self

import msgspec

from .message import Message

CapName = Literal["per_second", "most_waiting", "daily_messages", "daily_money"]
"""What refuses a batch, by the name of its setting."""

_UNITS: Final = 10**9  # of money, as the script counts it: prices have at most nine decimals


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """What one app may enqueue; None is no such cap.

    ``per_second`` new messages in any second, or for less than one in as many seconds as one
    takes. ``daily_messages`` and ``daily_money`` in a day that begins at midnight UTC, the second
    by ``price``, which says what a message costs; a message counts on the day on which it is
    enqueued, whatever becomes of it, unless its recipient has opted out. ``most_waiting`` messages
    that have not ended. With ``older``, a message that version 0.1 stored under the app's own key
    is known under it. With ``each``, a cap refuses only the messages beyond it, whose results hold
    the CapReached, and every result says what is ``left``; else a cap refuses the whole batch.
    With ``dry`` as well, nothing is stored, and the results say what would become of it.
    """

    per_second: float | None = None
    daily_messages: int | None = None
    daily_money: Decimal | None = None
    most_waiting: int | None = None
    price: Callable[[Message], Decimal] | None = None
    older: bool = False
    each: bool = False
    dry: bool = False

    def text(self, app: str, messages: Sequence[Message]) -> str:
        """The caps and the messages' costs as one argument. Mirrored by ``parsed`` in apps.lua."""
        fields: dict[str, object] = {"app": app}
        if self.per_second is not None:
            requests = max(1, int(self.per_second))
            fields |= {"requests": requests, "window": f"{1000 * requests / self.per_second:.3f}"}
        if self.most_waiting is not None:
            fields["waiting"] = self.most_waiting
        if self.daily_messages is not None:
            fields["messages"] = self.daily_messages
        if self.daily_money is not None:
            fields["money"] = _units(self.daily_money)
        if self.price is not None:
            fields["costs"] = ",".join(str(_units(self.price(message))) for message in messages)
        if self.older:
            fields["older"] = 1
        if self.each:
            fields["each"] = 1
        if self.dry:
            fields["dry"] = 1
        return ";".join(f"{name}={value}" for name, value in fields.items())


class AppLeft(msgspec.Struct, frozen=True):
    """What an app may still enqueue, after a call; None where it has no such cap.

    ``pace_ms`` is until ``per_second`` is one more, 0 where it is whole; ``full_ms`` when an app
    with too many waiting may ask again; ``day_ms`` until the day of the daily caps ends.
    """

    per_second: int | None
    most_waiting: int | None
    daily_messages: int | None
    daily_money: Decimal | None
    pace_ms: int
    full_ms: int
    day_ms: int

    @classmethod
    def parse(cls, values: Sequence[bytes]) -> Self:
        """Read what the enqueue script's answer says. Mirrored by ``gate`` in apps.lua."""
        pace, waiting, messages, money, *times = (int(one) if one else None for one in values)
        pace_ms, full_ms, day_ms = (one or 0 for one in times)
        left = None if money is None else Decimal(money) / _UNITS
        return cls(pace, waiting, messages, left, pace_ms, full_ms, day_ms)

    def wait_ms(self, cap: CapName) -> int:
        """Until a message that this cap refused may be tried again."""
        if cap == "per_second":
            return self.pace_ms
        return self.full_ms if cap == "most_waiting" else self.day_ms


def _units(money: Decimal) -> int:
    return int((money * _UNITS).to_integral_value(ROUND_UP))
