"""A campaign's guards: what pauses it by itself, and whom it leaves out, as its hash has them."""

from typing import Literal

import msgspec

from ..errors import Malformed

ShareKind = Literal["errors", "failed", "undelivered", "opted_out"]
"""What a share is of. Mirrored by ``SHARES`` in ``guards.lua``.

    errors         dead letters, of those accepted and dead
    failed         failed deliveries, of those with a final receipt
    undelivered    failed and unconfirmed deliveries, of the same
    opted_out      recipients who opted out, of those accepted
"""

ShareGroup = Literal["", "code", "carrier", "area"]
"""Of what each has a share of its own; ``""`` for all messages together."""


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """The first ``size`` messages: the rest waits until ``share`` of them were delivered.

    That must be within ``within_ms`` of the last of them being on its way.
    """

    size: int
    share: float
    within_ms: int


class ShareLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A share above which a campaign pauses, once it is a share of ``least`` messages.

    ``code`` counts those with that code alone; ``by`` looks at each code, carrier or area.
    """

    kind: ShareKind
    share: float
    least: int
    by: ShareGroup = ""
    code: str = ""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is not sent to: a carrier's letter, an area or the value of a kept column.

    ``at`` is which of a ticket's values that is, from 1. ``said`` is the condition in words.
    Mirrored by ``left_out.lua``.
    """

    kind: Literal["carrier", "area", "column"]
    value: str
    said: str
    at: int = 0


class Guards(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All guards of a campaign; its caps in messages and segments are 0 where it has none.

    Mirrored by ``read`` in ``guards.lua`` and ``of_campaign`` in ``caps.lua``.
    """

    canary: Canary | None = None
    shares: tuple[ShareLimit, ...] = ()
    without: tuple[LeftOut, ...] = ()
    max_messages: int = 0
    max_segments: int = 0

    @classmethod
    def parse(cls, text: bytes) -> "Guards":
        """Read a campaign's field ``guards``; raises Malformed."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise Malformed("guards of a campaign", text) from error

    def format(self) -> bytes:
        """As it is stored; ``b""`` for none."""
        return b"" if self == NO_GUARDS else msgspec.json.encode(self)


NO_GUARDS = Guards()
