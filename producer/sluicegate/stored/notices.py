"""What ``sluicegate notify`` remembers: what it has told, and what a receiver has yet to take."""

import msgspec

from ..errors import Malformed


class ToldEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something that was told last at ``at_ms`` (wall).

    ``since_ms`` is when it began, 0 where that is not known, and ``count`` how many there were of
    it. ``what`` says it in words, masked. ``ends`` if its end is to be told, ``over`` if it has
    ended since.
    """

    at_ms: int
    since_ms: int = 0
    count: int = 1
    what: str = ""
    ends: bool = False
    over: bool = False

    @classmethod
    def parse(cls, text: bytes) -> "ToldEvent":
        """Read a field of the hash ``told``; raises Malformed."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise Malformed("event that was told", text) from error

    def format(self) -> bytes:
        return msgspec.json.encode(self)


class Notice(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One thing to be told, as of ``at_ms`` (wall): what, why, and what to do; all masked."""

    at_ms: int
    what: str
    why: str = ""
    do: str = ""
    person: bool = False

    @classmethod
    def parse(cls, text: bytes) -> "Notice":
        """Read an entry of a receiver's list; raises Malformed."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise Malformed("notice", text) from error

    def format(self) -> bytes:
        return msgspec.json.encode(self)
