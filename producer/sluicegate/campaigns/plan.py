"""A campaign's plan: the text, the sender and the columns that it was started with, pinned.

    ticket   <11 characters of the key's hash>|segments|type|expires_ms|to|["value", ...]
    id       <campaign>.<the same 11 characters>

Identity is the recipient, or the key column's value, never the row: the same file imported
twice, a corrected file and a shifted one send each recipient once.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import msgspec

from ..errors import InvalidMessage
from ..message import Message
from ..rules import E164, validated
from ..segments import MAX_PARTS, Segments, count, lone_surrogate
from ..stored import LaneName, MessageId, Ticket, sender_name, short_hash, ticket_writer
from .template import RENDERER, Template

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}\Z")
"""A campaign's name: it is part of ids and keys."""

_json = msgspec.json.Encoder().encode
_new_hash = blake2b(digest_size=8).copy  # a copy is quicker than a new one


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """What a campaign sends.

    ``text`` is the template; ``to_column`` and ``key_column`` are columns of its files, None for
    the recipient's own number as the key; ``region`` reads national numbers. ``expires_at`` is
    timezone-aware. ``renderer`` says what renders the text, so that it is never rendered
    otherwise.
    """

    name: str
    text: str
    to_column: str
    sender: str | None = None
    messaging_profile_id: str | None = None
    media_urls: tuple[str, ...] = ()
    region: str | None = None
    key_column: str | None = None
    expires_at: datetime | None = None
    renderer: str = msgspec.field(default_factory=lambda: RENDERER)  # so that it is always stored

    @cached_property
    def template(self) -> Template:
        """The compiled text; raises BadTemplate."""
        return Template(self.text)

    @property
    def kind(self) -> Literal["SMS", "MMS"]:
        """``SMS`` or ``MMS``."""
        return "MMS" if self.media_urls else "SMS"

    @property
    def lane(self) -> str:
        """Where its recipients wait."""
        sender = sender_name(self.sender, self.messaging_profile_id)
        return LaneName("bulk", self.kind, sender, self.name).format()

    def message(self, id: str, to: str, text: str) -> Message:
        """The message to one recipient; raises InvalidMessage where it can't be sent.

        Its ``id`` is ours, with a dot in it, so it isn't held to the rule for an app's.
        """
        message = validated(
            Message(
                id="recipient",
                to=to,
                sender=self.sender,
                text=text,
                media_urls=self.media_urls,
                messaging_profile_id=self.messaging_profile_id,
                priority="bulk",
                expires_at=self.expires_at,
            )
        )
        return msgspec.structs.replace(message, id=id)

    def segments(self, to: str, text: str) -> Segments:
        """``message(...).segments``, and the same errors; quick, since only the text differs.

        ``to`` is in E.164, as from ``Phones``.
        """
        sound = text and not text.isspace() and (text.isascii() or not lone_surrogate(text))
        if sound and self._is_sound_sms:
            counted = count(text)
            if counted.parts <= MAX_PARTS and E164.match(to):
                return counted
        return self.message("row", to, text).segments

    @cached_property
    def _is_sound_sms(self) -> bool:
        try:
            return self.message("probe", "+15551234567", "x").type == "SMS"
        except InvalidMessage:
            return False

    @cached_property
    def _writers(self) -> dict[int, Callable[[str, str, bytes], bytes]]:
        return {}

    def ticket_writer(self, parts: int) -> Callable[[str, str, bytes], bytes]:
        """What writes the tickets of so many segments, by short id, recipient and values."""
        if parts not in self._writers:
            self._writers[parts] = ticket_writer(parts, self.kind, self.expires_at)
        return self._writers[parts]

    def checked(self) -> "Plan":
        """Itself, once it makes sense; raises InvalidMessage and BadTemplate."""
        if not NAME.match(self.name):
            rule = "a campaign's name is 1 to 60 of a-z 0-9 _ -, beginning with a letter or digit"
            raise InvalidMessage("name", self.name, rule)
        text = "x" if self.template.variables else self.template.render({})
        self.message("probe", "+15551234567", text)
        return self


def key_hash(key: str) -> int:
    """A recipient's key as a signed 64-bit number, which Redis keeps in 8 bytes."""
    hash = _new_hash()
    hash.update(key.encode())
    return int.from_bytes(hash.digest(), "big", signed=True)


def message_id(campaign: str, hash: int) -> str:
    """The id of a campaign's message; the dot keeps it apart from every id of an app's."""
    return MessageId.of_hash(campaign, hash).format()


def ticket(plan: Plan, hash: int, to: str, parts: int, values: Sequence[str]) -> bytes:
    """What waits in the lane: all that is needed to render and send, and no more."""
    return plan.ticket_writer(parts)(short_hash(hash), to, _json(values))


def rendered(plan: Plan, id: str, ticket: bytes) -> Message:
    """The message of a ticket: pure, so every worker makes the same one.

    Raises InvalidMessage; BadValue, where the renderer is not the one that the plan was made for.
    """
    try:
        waiting = Ticket.parse(ticket)
        named = dict(zip(plan.template.variables, waiting.variables, strict=True))
    except ValueError as error:
        raise InvalidMessage("ticket", f"{len(ticket)} bytes", str(error), id) from error
    return plan.message(id, waiting.to, plan.template.render(named))


def plan_digest(plan: Plan) -> str:
    """Same plan, same digest: a campaign's name stands for one plan only."""
    if plan.expires_at is not None:  # one moment is written in many ways
        plan = msgspec.structs.replace(plan, expires_at=plan.expires_at.astimezone(UTC))
    return blake2b(msgspec.json.encode(plan), digest_size=12).hexdigest()
