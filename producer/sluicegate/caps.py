"""An app's caps on what it may enqueue, as the enqueue script reads and keeps them."""

from collections.abc import Callable, Sequence
from decimal import ROUND_UP, Decimal
from typing import Final, Literal

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
    is known under it.
    """

    per_second: float | None = None
    daily_messages: int | None = None
    daily_money: Decimal | None = None
    most_waiting: int | None = None
    price: Callable[[Message], Decimal] | None = None
    older: bool = False

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
        return ";".join(f"{name}={value}" for name, value in fields.items())


def _units(money: Decimal) -> int:
    return int((money * _UNITS).to_integral_value(ROUND_UP))
