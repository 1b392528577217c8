"""Names within an account: of messages, of lanes, and of places in the tree of ready lanes."""

import re
from base64 import urlsafe_b64decode
from binascii import Error, b2a_base64
from typing import Literal, NamedTuple

from ..errors import Malformed

_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # the standard library's own function is slow
_HASH_BYTES = 8

_ID = re.compile(r"(?:([a-z0-9][a-z0-9_-]{0,59})\.)?([A-Za-z0-9_-]{1,200})")
_LANE = re.compile(r"([tb])([sm]):([^#]+)(?:#([a-z0-9][a-z0-9_-]{0,59}))?", re.DOTALL)
_MEMBER = re.compile(r"([tb][sm])/(?:([rs])\|)?(.+)", re.DOTALL)

_PRIORITIES: dict[str, Literal["transactional", "bulk"]] = {"t": "transactional", "b": "bulk"}
_TYPES: dict[str, Literal["SMS", "MMS"]] = {"s": "SMS", "m": "MMS"}


def sender_name(sender: str | None, messaging_profile_id: str | None) -> str:
    """Name who sends a message: a number, a name, or the pool of a messaging profile."""
    return sender or f"pool:{messaging_profile_id}"


def short_hash(hash: int) -> str:
    """A signed 64-bit hash as the 11 characters that stand in ids and tickets."""
    return b2a_base64(hash.to_bytes(_HASH_BYTES, signed=True))[:11].translate(_URL_SAFE).decode()


def hash_of(short: bytes) -> int:
    """The hash that ``short_hash`` wrote."""
    return int.from_bytes(urlsafe_b64decode(short + b"="), signed=True)


class MessageId(NamedTuple):
    """A message's id: an app's own, or ``campaign.short`` for a campaign's recipient.

    An app's id has no dot and ``campaign`` is then ``""``. ``short`` is what the message's ticket
    begins with: an app's id whole, or the short hash of a recipient's key.
    Mirrored by ``of`` in ``campaigns.lua``.
    """

    campaign: str
    short: str

    @classmethod
    def parse(cls, text: str | bytes) -> "MessageId":
        """Read an id; raises Malformed."""
        parts = _ID.fullmatch(text.decode("ascii", "replace") if isinstance(text, bytes) else text)
        if parts is None:
            raise Malformed("message id", text)
        return cls(parts[1] or "", parts[2])

    @classmethod
    def of_hash(cls, campaign: str, hash: int) -> "MessageId":
        """The id of the recipient whose key has this hash."""
        return cls(campaign, short_hash(hash))

    def format(self) -> str:
        return f"{self.campaign}.{self.short}" if self.campaign else self.short

    @staticmethod
    def prefix(campaign: str) -> str:
        """What the ids of a campaign's recipients, and no others, begin with."""
        return f"{campaign}."

    @property
    def hash(self) -> int | None:
        """The hash of a recipient's key; None if this is not a recipient's id."""
        try:
            decoded = urlsafe_b64decode(f"{self.short}=")
        except (Error, ValueError):
            return None
        hash = int.from_bytes(decoded, signed=True)
        sound = self.campaign and len(decoded) == _HASH_BYTES and short_hash(hash) == self.short
        return hash if sound else None


class LaneName(NamedTuple):
    """A lane's name: its class, a colon, its sender, and for a campaign ``#`` and its name.

    The class is the first letters of priority and type, ``bs`` for bulk SMS. ``sender`` is as
    ``sender_name`` makes it; ``campaign`` is ``""`` if the lane is not a campaign's.
    Mirrored by ``class_of``, ``sender_of`` and ``campaign_in`` in ``lanes.lua``.
    """

    priority: Literal["transactional", "bulk"]
    type: Literal["SMS", "MMS"]
    sender: str
    campaign: str = ""

    @classmethod
    def parse(cls, text: str | bytes) -> "LaneName":
        """Read a lane's name; raises Malformed."""
        parts = _LANE.fullmatch(text.decode(errors="replace") if isinstance(text, bytes) else text)
        if parts is None:
            raise Malformed("lane name", text)
        return cls(_PRIORITIES[parts[1]], _TYPES[parts[2]], parts[3], parts[4] or "")

    def format(self) -> str:
        name = f"{self.branch}:{self.sender}"
        return f"{name}#{self.campaign}" if self.campaign else name

    @staticmethod
    def pattern(campaign: str) -> str:
        """What the names of a campaign's lanes match, and no others, as Redis matches keys."""
        return f"??:*#{campaign}"

    @property
    def branch(self) -> str:
        """The two letters of its class, which has a tree of its own; see ``keys.CLASSES``."""
        return f"{self.priority[0]}{self.type[0].lower()}"


class TreeMember(NamedTuple):
    """A place in the tree of ready lanes: a registration, a sender or a lane of one class.

    ``branch`` is the class, as ``LaneName.branch``; ``name`` the registration's or sender's, or
    the lane's whole name. Mirrored by ``park`` and ``unpark`` in ``lanes.lua``.
    """

    branch: str
    kind: Literal["registration", "sender", "lane"]
    name: str

    @classmethod
    def parse(cls, text: str | bytes) -> "TreeMember":
        """Read ``class/member``; raises Malformed."""
        decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
        parts = _MEMBER.fullmatch(decoded)
        if parts is None:
            raise Malformed("member of the tree of lanes", text)
        branch, letter, name = parts.groups()
        if letter is None:
            LaneName.parse(name)
            return cls(branch, "lane", name)
        return cls(branch, "registration" if letter == "r" else "sender", name)

    def format(self) -> str:
        return f"{self.branch}/{self.node}"

    @property
    def node(self) -> str:
        """Its name within the class's tree: ``r|registration``, ``s|sender`` or the lane."""
        return self.name if self.kind == "lane" else f"{self.kind[0]}|{self.name}"
