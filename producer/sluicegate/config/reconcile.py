"""Settings of reconciling: when our books are compared with the provider's, and how gently."""

from typing import Annotated

import msgspec

Hours = Annotated[float, msgspec.Meta(gt=0, le=8_760)]
Minutes = Annotated[float, msgspec.Meta(ge=0, le=1_440)]
CallRate = Annotated[float, msgspec.Meta(gt=0, le=1_000)]


class ReconcileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When workers reconcile, how fast anybody does, and when an absent record proves something.

    ``in_workers``: whether workers reconcile ``every_hours``, one of them at a time; else only
    ``sluicegate reconcile`` does. ``calls_per_second`` is how often the provider is asked, with
    the key that messages are sent with. The provider keeps a message for ``queue_hours`` at
    most before it sends it or gives it up, and its books are ``lag_minutes`` behind at most: a
    message in doubt of which they hold nothing after that was not sent. ``skew_minutes`` is how
    far its clock may be from ours. ``foreign_profiles`` are messaging profiles that other systems
    send with: their messages are counted, and are no difference.
    """

    in_workers: bool = True
    every_hours: Hours = 24.0
    calls_per_second: CallRate = 4.0
    queue_hours: Hours = 4.0
    lag_minutes: Minutes = 60.0
    skew_minutes: Minutes = 15.0
    foreign_profiles: tuple[str, ...] = ()

    @property
    def absent_after_ms(self) -> int:
        """How long after its last POST a message without a record was not sent."""
        return int(self.queue_hours * 3_600_000 + (self.lag_minutes + self.skew_minutes) * 60_000)

    @property
    def skew_ms(self) -> int:
        return int(self.skew_minutes * 60_000)
