"""Names within an account: of messages, of lanes, and of places in the tree of ready lanes."""

import re
from base64 import urlsafe_b64decode
from binascii import Error, b2a_base64
from typing import Literal, NamedTuple

from ..errors import Malformed

_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # the standard library's own function is slow
_HASH_BYTES = 8

_CAMPAIGN, _APP = r"[a-z0-9][a-z0-9_-]{0,59}", r"[a-z0-9][a-z0-9_-]{0,39}"
_ID = re.compile(rf"(?:({_CAMPAIGN})\.|({_APP}):)?([A-Za-z0-9_-]{{1,200}})")
_LANE = re.compile(
    rf"([tb])([sm]):([^#@~^]+)(?:\^([a-z0-9]+))?(?:~([ta]))?(?:#({_CAMPAIGN})|@({_APP}))?",
    re.DOTALL,
)
_MEMBER = re.compile(r"([tb][sm])/(?:([ars])\|)?(.+)", re.DOTALL)
_NODE = re.compile(rf"([^@]+)(?:@({_APP}))?", re.DOTALL)

_PRIORITIES: dict[str, Literal["transactional", "bulk"]] = {"t": "transactional", "b": "bulk"}
_TYPES: dict[str, Literal["SMS", "MMS"]] = {"s": "SMS", "m": "MMS"}
_SIDES: dict[str, Literal["t_mobile", "att", ""]] = {"t": "t_mobile", "a": "att", "": ""}
_KINDS: dict[str, Literal["app", "registration", "sender"]] = {
    "a": "app",
    "r": "registration",
    "s": "sender",
}


def sender_name(sender: str | None, messaging_profile_id: str | None) -> str:
    """Name who sends a message: a number, a name, or the pool of a messaging profile."""
    return sender or f"pool:{messaging_profile_id}"


def short_hash(hash: int) -> str:
    """A signed 64-bit hash as the 11 characters that stand in ids and tickets."""
    return short_digest(hash.to_bytes(_HASH_BYTES, signed=True)).decode()


def short_digest(digest: bytes) -> bytes:
    """``short_hash`` of the number whose 8 bytes these are."""
    return b2a_base64(digest)[:11].translate(_URL_SAFE)


def hash_of(short: bytes) -> int:
    """The hash that ``short_hash`` wrote."""
    return int.from_bytes(urlsafe_b64decode(short + b"="), signed=True)


class MessageId(NamedTuple):
    """A message's id, in one of three forms that never meet.

        key             of a producer without a name
        app:key         of an app: only what comes in under its name is stored under it
        campaign.short  of a campaign's recipient: the short hash of the recipient's key

    ``short`` is what the message's ticket begins with: an id of the first two forms whole, or the
    short hash. ``campaign`` and ``app`` are ``""`` where the form has none.
    Mirrored by ``of`` in ``campaigns.lua`` and in ``apps.lua``.
    """

    campaign: str
    short: str
    app: str = ""

    @classmethod
    def parse(cls, text: str | bytes) -> "MessageId":
        """Read an id; raises Malformed."""
        parts = _ID.fullmatch(text.decode("ascii", "replace") if isinstance(text, bytes) else text)
        if parts is None:
            raise Malformed("message id", text)
        campaign, app, key = parts.groups(default="")
        return cls(campaign, f"{app}:{key}" if app else key, app)

    @classmethod
    def of_app(cls, app: str, key: str) -> "MessageId":
        """The id under which an app's message ``key`` is stored; ``app`` may be ``""``."""
        return cls("", f"{app}:{key}" if app else key, app)

    @property
    def key(self) -> str:
        """What the app itself calls the message; for a recipient the short hash."""
        return self.short.removeprefix(f"{self.app}:")

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
    """A lane's name: its class, a colon, its sender; ``#`` and a campaign, or ``@`` and an app.

    The class is the first letters of priority and type, ``bs`` for bulk SMS. ``sender`` is as
    ``sender_name`` makes it; ``campaign`` and ``app`` are ``""`` if the lane is not one's.
    ``hours`` is the class of recipients that waits there, ``^`` and its name behind the sender,
    where the campaign has hours. ``carrier`` is that of a side lane, ``~t`` behind these: what
    T-Mobile's cap refused of the lane waits there.
    Mirrored by ``class_of``, ``sender_of``, ``campaign_in``, ``scope_of`` and ``side_of`` in
    ``lane_names.lua``, and by ``class_in`` and ``lane_of`` in ``hours.lua``.
    """

    priority: Literal["transactional", "bulk"]
    type: Literal["SMS", "MMS"]
    sender: str
    campaign: str = ""
    app: str = ""
    carrier: Literal["t_mobile", "att", ""] = ""
    hours: str = ""

    @classmethod
    def parse(cls, text: str | bytes) -> "LaneName":
        """Read a lane's name; raises Malformed."""
        parts = _LANE.fullmatch(text.decode(errors="replace") if isinstance(text, bytes) else text)
        if parts is None:
            raise Malformed("lane name", text)
        priority, kind, sender, hours, side, campaign, app = parts.groups(default="")
        return cls(_PRIORITIES[priority], _TYPES[kind], sender, campaign, app, _SIDES[side], hours)

    @classmethod
    def of_branch(cls, branch: str, sender: str, app: str = "") -> "LaneName":
        """The lane of a class that holds what is sent by ``sender`` for ``app``."""
        return cls(_PRIORITIES[branch[0]], _TYPES[branch[1]], sender, app=app)

    def format(self) -> str:
        side = f"~{self.carrier[0]}" if self.carrier else ""
        hours = f"^{self.hours}" if self.hours else ""
        name = f"{self.branch}:{self.sender}{hours}{side}"
        return f"{name}#{self.campaign}" if self.campaign else _scoped(name, self.app)

    @staticmethod
    def pattern(campaign: str) -> str:
        """What the names of a campaign's lanes match, and no others, as Redis matches keys."""
        return f"??:*#{campaign}"

    @property
    def branch(self) -> str:
        """The two letters of its class, which has a tree of its own; see ``keys.CLASSES``."""
        return f"{self.priority[0]}{self.type[0].lower()}"


class TreeMember(NamedTuple):
    """A place in the tree of ready lanes: an app, a registration, a sender or a lane of one class.

    ``branch`` is the class, as ``LaneName.branch``; ``name`` the app's, registration's or
    sender's, or the lane's whole name. A registration or a sender stands in the tree once for
    each ``app`` that sends with it, and once for all messages without one.
    Mirrored by ``park`` and ``unpark`` in ``lanes.lua``.
    """

    branch: str
    kind: Literal["app", "registration", "sender", "lane"]
    name: str
    app: str = ""

    @classmethod
    def parse(cls, text: str | bytes) -> "TreeMember":
        """Read ``class/member``; raises Malformed."""
        decoded = text.decode(errors="replace") if isinstance(text, bytes) else text
        parts = _MEMBER.fullmatch(decoded)
        if parts is None:
            raise Malformed("member of the tree of lanes", text)
        branch, letter, name = parts.groups()
        if letter is None:
            return cls(branch, "lane", name, LaneName.parse(name).app)
        node = _NODE.fullmatch(name)
        if node is None:
            raise Malformed("member of the tree of lanes", text)
        return cls(branch, _KINDS[letter], node[1], node[2] or "")

    def format(self) -> str:
        return f"{self.branch}/{self.node}"

    @property
    def node(self) -> str:
        """Its name within the class's tree: ``a|app``, ``s|sender@app``, the lane's name."""
        if self.kind == "lane":
            return self.name
        return _scoped(f"{self.kind[0]}|{self.name}", self.app)


def _scoped(name: str, app: str) -> str:
    return f"{name}@{app}" if app else name
