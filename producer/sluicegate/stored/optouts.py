"""The opt-out list, the replies under review, and the history of both, as they are kept."""

from typing import Any

import msgspec

from ..errors import Malformed


class OptOutReason(msgspec.Struct, frozen=True):
    """One reason why a number is on the list, since ``since_ms`` (wall).

    ``source`` is ``stop`` where the recipient wrote so, ``provider`` where the provider says so,
    else who added it; ``profile`` is the messaging profile that heard it, where that is known.
    Mirrored by ``add`` and ``lift`` in ``optout_changes.lua``.
    """

    since_ms: int
    source: str
    profile: str = ""


class OptOutAct(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is said of a change: where it came from, who made it and why.

    ``text`` is what the recipient wrote, ``profile`` the messaging profile that it came to and
    ``written_ms`` when, by the provider's word.
    """

    source: str = ""
    who: str = ""
    why: str = ""
    profile: str = ""
    written_ms: int = 0
    text: str = ""

    def said(self) -> bytes:
        """The act as JSON, as the scripts take it."""
        return msgspec.json.encode(self)


class OptOutEvent(OptOutAct, frozen=True, omit_defaults=True, kw_only=True):
    """One entry of a number's history, written at ``at_ms`` (wall).

    ``act`` is ``stop``, ``start``, ``start ignored`` (it lifted nothing: others' opt-outs stand),
    ``review`` (the reply waits for a person), ``reply`` (it asked once more), ``add``, ``remove``,
    ``provider`` (it refused a message for an opt-out), or a person's ``opt out`` or ``release``.
    Mirrored by ``note`` in ``optout_changes.lua``.
    """

    at_ms: int
    act: str


class ReviewedNumber(msgspec.Struct, frozen=True):
    """A number whose replies wait for a person; nothing is sent to it meanwhile.

    The last of ``count`` replies came at ``at_ms`` (wall), the first at ``since_ms``.
    """

    number: str
    at_ms: int
    since_ms: int
    count: int
    text: str = ""
    profile: str = ""


def parse_reasons(value: bytes) -> tuple[OptOutReason, ...]:
    """Read a number's entry of the list: its reasons, the oldest first; raises Malformed.

    A reason is a line ``since_ms source``, and where a profile heard it, after tabs, the profile
    and the time of the last such word.
    """
    return tuple(_reason(line) for line in value.decode(errors="replace").split("\n"))


def _reason(line: str) -> OptOutReason:
    words, *heard = line.split("\t")
    since, _, source = words.partition(" ")
    try:
        return OptOutReason(int(float(since)), source, heard[0] if heard else "")
    except ValueError as error:
        raise Malformed("opt-out", line) from error


def parse_events(value: bytes) -> list[OptOutEvent]:
    """Read a number's history, a JSON object on each line, the oldest first; raises Malformed."""
    try:
        return [msgspec.json.decode(line, type=OptOutEvent) for line in value.split(b"\n")]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("opt-out history", value) from error


def parse_review(number: bytes, value: bytes) -> ReviewedNumber:
    """Read a number under review, ``at_ms since_ms count`` and what was said; raises Malformed."""
    try:
        at, since, count, said = value.split(b" ", 3)
        act: Any = msgspec.json.decode(said, type=OptOutAct)
        return ReviewedNumber(
            number.decode(), int(at), int(since), int(count), act.text, act.profile
        )
    except (ValueError, msgspec.DecodeError) as error:
        raise Malformed("review", value) from error
