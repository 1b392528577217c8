"""What is stored of limits per recipient: the rules in force, and what recipients got."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ..errors import Malformed

_TIME_BYTES: Final = 5
_UNIT_MS: Final = 10


class RecipientRule(NamedTuple):
    """What one recipient gets at most: ``beyond|quiet_ms|same_text_ms|kept|ms=most;...``.

    ``windows`` are pairs of milliseconds and messages. So many times are ``kept`` of a recipient
    as any rule of this priority needs. Mirrored by ``rule_of`` in ``recipients.lua``.
    """

    beyond: str
    quiet_ms: int
    same_text_ms: int
    kept: int
    windows: Sequence[tuple[int, int]]

    @classmethod
    def parse(cls, text: str) -> "RecipientRule":
        """Read a field ``recipient:...`` of the hash of limits; raises Malformed."""
        try:
            beyond, quiet, same, kept, windows = text.split("|")
            split = [window.split("=") for window in windows.split(";") if window]
            pairs = [(int(ms), int(most)) for ms, most in split]
            return cls(beyond, int(quiet), int(same), int(kept), pairs)
        except ValueError as error:
            raise Malformed("recipient's limits", text) from error

    def format(self) -> str:
        windows = ";".join(f"{ms}={most}" for ms, most in self.windows)
        return f"{self.beyond}|{self.quiet_ms}|{self.same_text_ms}|{self.kept}|{windows}"


class PrefixRule(NamedTuple):
    """The brake on similar numbers: ``most|window_ms|digits|bulk|+44=most;...``.

    ``bulk`` is 1 or 0. Mirrored by ``prefix_rule`` in ``recipients.lua``.
    """

    most: int
    window_ms: int
    digits: int
    bulk: bool
    own: Mapping[str, int]

    @classmethod
    def parse(cls, text: str) -> "PrefixRule":
        """Read the field ``prefix`` of the hash of limits; raises Malformed."""
        try:
            most, window, digits, bulk, own = text.split("|")
            pairs = [one.split("=") for one in own.split(";") if one]
            of_prefixes = {prefix: int(figure) for prefix, figure in pairs}
            return cls(int(most), int(window), int(digits), bulk == "1", of_prefixes)
        except ValueError as error:
            raise Malformed("limits of prefixes", text) from error

    def format(self) -> str:
        own = ";".join(f"{prefix}={most}" for prefix, most in self.own.items())
        return f"{self.most}|{self.window_ms}|{self.digits}|{int(self.bulk)}|{own}"


def sent_times(log: bytes) -> list[int]:
    """The steady milliseconds of what a recipient got: five bytes each, in units of 10 ms.

    Mirrored by ``time_at`` and ``packed`` in ``recipients.lua``; raises Malformed.
    """
    if len(log) % _TIME_BYTES:
        raise Malformed("recipient's log", f"{len(log)} bytes")
    starts = range(0, len(log), _TIME_BYTES)
    return [_UNIT_MS * int.from_bytes(log[at : at + _TIME_BYTES]) for at in starts]


def line_of(member: bytes) -> bytes:
    """The line of a message that waits for a limit: a member is ``line|place|id``.

    Mirrored by ``join`` in ``waiters.lua``.
    """
    return member.partition(b"|")[0]
