"""What an account or a campaign had counted at the end of a minute or an hour."""

import msgspec

from ..errors import Malformed


class TrendCounts(msgspec.Struct, frozen=True):
    """All that was counted until then, and how many messages stood where.

        offset_ms enqueued accepted dead delivered failed unsent waiting in_doubt used_kib

    ``offset_ms`` is how long after its bucket's beginning the counts were taken. Of a campaign,
    ``enqueued`` are its recipients and ``dead`` its dead letters now; of an account, ``dead`` are
    all that ever became dead letters. ``delivered`` and ``failed`` are what receipts said.
    ``unsent`` ended without being sent: cancelled, expired, suppressed or purged; ``waiting`` will
    be sent or retried, but for those that workers hold. ``used_kib`` is the memory
    that Redis used, 0 of a campaign. Mirrored by ``write`` in ``trends.lua``.
    """

    offset_ms: int
    enqueued: int
    accepted: int
    dead: int
    delivered: int
    failed: int
    unsent: int
    waiting: int
    in_doubt: int
    used_kib: int

    @classmethod
    def parse(cls, text: bytes) -> "TrendCounts":
        """Read a bucket; raises Malformed."""
        try:
            return cls(*map(int, text.split()))
        except (ValueError, TypeError) as error:
            raise Malformed("counts of a trend", text) from error

    def format(self) -> bytes:
        return " ".join(map(str, msgspec.structs.astuple(self))).encode()
