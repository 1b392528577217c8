"""What lanes and leases hold of a message: its ticket, and a worker's hold on it."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from ..errors import Malformed
from .names import LaneName

_CHARGED, _DIGITS = b"taou", b"0123456789"
_TAG = 4  # characters of a token that name its worker, as in slots.lua

_values = msgspec.json.Decoder(tuple[str, ...])


class Ticket(NamedTuple):
    """What a claim must know of a message before it takes it.

        id|segments|type|expires_ms|to                    an app's message
        short|segments|type|expires_ms|to|["value", ...]  a campaign's recipient

    ``short`` is the id as its lane needs it: see ``MessageId.short``. ``expires_ms`` is wall
    milliseconds, None for never. ``values`` is the JSON of the template's variables, ``b""`` for
    an app's message, whose content is in its record.
    Mirrored by ``parse`` in ``tickets.lua``.
    """

    short: str
    segments: int
    type: Literal["SMS", "MMS"]
    expires_ms: int | None
    to: str
    values: bytes = b""

    @classmethod
    def parse(cls, text: bytes) -> "Ticket":
        """Read a ticket; raises Malformed."""
        try:
            short, segments, kind, expires, to, *values = text.split(b"|", 5)
            if not short or not to or kind not in (b"SMS", b"MMS"):
                raise Malformed("ticket", text)
            return cls(
                short.decode(),
                int(segments),
                "SMS" if kind == b"SMS" else "MMS",
                int(expires) if expires else None,
                to.decode(),
                values[0] if values else b"",
            )
        except ValueError as error:
            raise Malformed("ticket", text) from error

    @staticmethod
    def short_of(text: bytes) -> bytes:
        """The first part of a ticket alone, for those who look at every ticket of a lane."""
        return text[: text.index(b"|")]

    @staticmethod
    def values_of(text: bytes) -> bytes:
        """The last part alone of a recipient's ticket: its values."""
        return text.split(b"|", 5)[5]

    def format(self) -> bytes:
        head = ticket_text(self.short, self.segments, self.type, self.expires_ms, self.to).encode()
        return b"%b|%b" % (head, self.values) if self.values else head

    @property
    def variables(self) -> tuple[str, ...]:
        """The values of the template's variables, in its order; raises Malformed."""
        try:
            return _values.decode(self.values)
        except msgspec.MsgspecError as error:
            raise Malformed("ticket's values", self.values) from error


class Lease(NamedTuple):
    """A worker's hold on a message, fenced by ``token``.

    ``slot_ms`` and ``started_ms`` are steady milliseconds; the second is None while the lease is
    only granted. ``seq`` is the slot's number in the log, and ``charged_for`` the letter of the
    carrier that its levels are charged for: t, a or o, u where nobody knew, "" where none asks.
    Mirrored by ``parse`` and ``formatted`` in ``leases.lua``.
    """

    token: str
    slot_ms: float
    seq: int
    started_ms: float | None
    lane: LaneName
    ticket: Ticket
    charged_for: str = ""

    @classmethod
    def parse(cls, text: bytes) -> "Lease":
        """Read a lease; raises Malformed."""
        try:
            token, slot, seq, started, lane, ticket = text.split(b"|", 5)
            return cls(
                token.decode(),
                float(slot),
                int(seq.rstrip(_CHARGED)),
                float(started) if started else None,
                LaneName.parse(lane),
                Ticket.parse(ticket),
                seq.lstrip(_DIGITS).decode(),
            )
        except ValueError as error:
            raise Malformed("lease", text) from error

    def format(self) -> bytes:
        started = "" if self.started_ms is None else f"{self.started_ms:.3f}"
        seq = f"{self.seq}{self.charged_for}"
        head = f"{self.token}|{self.slot_ms:.3f}|{seq}|{started}|{self.lane.format()}|"
        return head.encode() + self.ticket.format()

    @property
    def state(self) -> Literal["granted", "started"]:
        """The state that people see: ``started`` once its POST may have begun."""
        return "granted" if self.started_ms is None else "started"

    @property
    def worker(self) -> str:
        """The tag of the worker that holds it."""
        return self.token[:_TAG]


def wall_ms(moment: datetime) -> int:
    """A timezone-aware time as it is stored: whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def ticket_text(
    short: str, segments: int, type: str, expires_at: datetime | int | None, to: str
) -> str:
    """``Ticket(...).format()`` of an app's message as text, without making the value.

    ``expires_at`` is a timezone-aware time, wall milliseconds, or None for never.
    """
    return f"{short}{ticket_middle(segments, type, expires_at)}{to}"


def ticket_middle(segments: int, type: str, expires_at: datetime | int | None) -> str:
    """``ticket_text`` without its first and its last part: what many messages have in common.

    A ticket is ``short + ticket_middle(...) + to``.
    """
    if isinstance(expires_at, datetime):
        expires_at = wall_ms(expires_at)
    return f"|{segments}|{type}|{'' if expires_at is None else expires_at}|"


def ticket_end_writer(
    segments: int, type: str, expires_at: datetime | int | None
) -> Callable[[str, bytes], bytes]:
    """Make what writes all of a ticket but its short id, from the recipient and the values."""
    middle = ticket_middle(segments, type, expires_at)

    def write(to: str, values: bytes) -> bytes:
        return f"{middle}{to}|".encode() + values

    return write
