"""A campaign's plan: the text, sender and columns that it is created with and never change.

    ticket   <11 characters of the key's hash>|segments|type|expires_ms|to|["value", ...]
    id       <campaign>.<the same 11 characters>

A recipient is identified by its number, or by its value in the key column, never by its row: a
file that is imported twice, corrected or reordered reaches each recipient once.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, cached_property
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec.structs import force_setattr

from ..characters import control_in
from ..errors import BadValue, InvalidMessage
from ..message import Message
from ..rules import validated
from ..segments import Segments, sms_segments
from ..stored import LaneName, MessageId, Ticket, sender_name, ticket_end_writer
from ..urls import short_base_fault
from .ab import VARIANT
from .hours import SendingHours
from .short_links import LINK_ID, addresses_in, with_short_links
from .template import Template, renderer_of

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}\Z")
"""What a campaign's name must match: it is part of ids and keys."""

_json = msgspec.json.Encoder().encode
_new_hash = blake2b(digest_size=8).copy  # a copy is quicker than a new one


class TextVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A later version of a campaign's text, what renders it, who made it, and its links' codes."""

    text: str
    renderer: str
    who: str = ""
    links: tuple[tuple[str, str], ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """What a campaign sends, and how its files are read.

    ``text`` is the template's source. ``to_column`` and ``key_column`` name columns of the files;
    without a ``key_column``, the recipient's number is the key. ``region`` is the country of
    national numbers, as ``Phones`` takes it; where there is a ``region_column``, a row's own
    country comes first. Without ``landlines``, numbers that are surely landlines are rejected.
    These three say how one file is read: equal plans may differ in them. ``expires_at`` is
    timezone-aware. ``renderer`` records what renders the text: see ``template.RENDERERS``. Whom
    ``except_campaigns`` reached or still hold is never imported: see ``exclusion``. Without
    ``hours``, recipients are sent to at any time. ``series`` names what it is one campaign of.
    ``kept_columns`` go into the tickets beside those that the text uses, for what is decided of a
    recipient later. ``plain_punctuation`` replaces typographic signs where that saves segments.
    Where there is a ``language_column``, the text branches by it, see ``languages``; ``languages``
    are those that it has, with ``""`` among them if it has a text for all others. Of a revised
    plan ``columns`` are its tickets' values. ``follows`` is the campaign that it tries again.
    ``b_share`` of the numbers get the second of two texts: see ``ab``; ``dealt_by`` names the
    campaign that decides who, ``""`` for itself. Where ``short_links`` names a domain, the text's
    addresses become short links there: ``links`` are their codes, which ``create`` chooses.
    ``app`` is the app that made it over HTTP, ``""`` for people.
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
    renderer: str = ""
    except_campaigns: tuple[str, ...] = ()
    region_column: str | None = None
    landlines: bool = True
    kept_columns: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    follows: str | None = None
    b_share: float = 0.0
    hours: SendingHours | None = None
    series: str = ""
    plain_punctuation: bool = False
    language_column: str | None = None
    languages: tuple[str, ...] = ()
    dealt_by: str = ""
    short_links: str = ""
    links: tuple[tuple[str, str], ...] = ()
    app: str = ""

    def __post_init__(self) -> None:
        """A new plan has the renderer of its text; a stored one always names its own.

        What equals a default becomes it: else it would be written, and make another digest.
        """
        for name, default in _defaults():
            if getattr(self, name) == default:
                force_setattr(self, name, default)
        if not self.renderer:
            force_setattr(self, "renderer", renderer_for(self, self.text))

    @cached_property
    def template(self) -> Template:
        """The compiled template; raises BadTemplate."""
        source = self.text
        if self.short_links:
            source = with_short_links(source, self.short_links, dict(self.links))
        return Template(source, self.renderer, plain_punctuation=self.plain_punctuation)

    @cached_property
    def values(self) -> tuple[str, ...]:
        """What a ticket's values are of: the first text's variables, then the kept columns."""
        return self.columns or tuple(dict.fromkeys((*self.template.variables, *self.kept_columns)))

    @property
    def dealer(self) -> str:
        """The name of the campaign that decides who gets which of two texts."""
        return self.dealt_by or self.name

    @property
    def kind(self) -> Literal["SMS", "MMS"]:
        """``MMS`` if there are media, else ``SMS``."""
        return "MMS" if self.media_urls else "SMS"

    @property
    def lane(self) -> str:
        """The name of the lane in which its recipients wait."""
        sender = sender_name(self.sender, self.messaging_profile_id)
        return LaneName("bulk", self.kind, sender, self.name).format()

    def revised(self, version: TextVersion) -> "Plan":
        """The plan with a later text, whose values are those that tickets hold."""
        return msgspec.structs.replace(
            self,
            text=version.text,
            renderer=version.renderer,
            links=version.links,
            columns=self.values,
        )

    def values_of(self, ticket: Ticket) -> dict[str, str]:
        """A ticket's values by variable; raises ValueError if it does not fit the plan."""
        values = dict(zip(self.values, ticket.variables, strict=True))
        if self.short_links:
            values[LINK_ID] = ticket.short
        return values

    def message(self, id: str, to: str, text: str) -> Message:
        """Make the message to one recipient; raises InvalidMessage if it can't be sent.

        ``id`` has a dot in it, so the rule for an app's own ids does not apply.
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
        """``message(...).segments``, with the same errors, but faster: only the text is checked.

        ``to`` is in E.164, as from ``Phones``.
        """
        if self._is_sound_sms and (counted := sms_segments(text)):
            return counted
        return self.message("row", to, text).segments

    @cached_property
    def _is_sound_sms(self) -> bool:
        try:
            return self.message("probe", "+15551234567", "x").type == "SMS"
        except InvalidMessage:
            return False

    @cached_property
    def _writers(self) -> dict[int, Callable[[str, bytes], bytes]]:
        return {}

    def ticket_end_writer(self, parts: int) -> Callable[[str, bytes], bytes]:
        """Return what writes the ends of tickets of ``parts`` segments; see ``stored``."""
        if parts not in self._writers:
            self._writers[parts] = ticket_end_writer(parts, self.kind, self.expires_at)
        return self._writers[parts]

    def checked(self) -> "Plan":
        """Return the plan itself if it is valid.

        Raises InvalidMessage, BadTemplate or BadHours if not.
        """
        if not NAME.match(self.name):
            rule = "must be 1 to 60 of a-z 0-9 _ -, and begin with a letter or digit"
            raise InvalidMessage("name", self.name, rule)
        self._check_links()
        self._check_form()
        if self.name in self.except_campaigns:
            raise InvalidMessage("except_campaigns", self.name, "is this campaign itself")
        if self.columns:
            for name in self.template.variables:
                if name not in self.columns:
                    kept = ", ".join(self.columns)
                    raise BadValue(name, f"was not kept; the campaign keeps {kept}")
        if fault := control_in(self.text):
            raise InvalidMessage("text", self.text, fault)
        if self.hours:
            self.hours.checked()
        text = "x" if self.template.variables else self.template.render({})
        self.message("probe", "+15551234567", text)
        return self

    def _check_links(self) -> None:
        if LINK_ID in Template(self.text).variables:
            reason = "is for short links, which stand in place of addresses"
            raise InvalidMessage("text", f"{{{{ {LINK_ID} }}}}", reason)
        if not self.short_links:
            return
        if fault := short_base_fault(self.short_links):
            raise InvalidMessage("short_links", self.short_links, fault)
        addresses_in(self.text)

    def _check_form(self) -> None:
        """What is stored must be read again: a plan from Python may hold anything."""
        if not 0 <= self.b_share < 1 or (self.b_share > 0) != (VARIANT in self.template.variables):
            rule = "must be at least 0 and below 1, and above 0 where there are two texts only"
            raise InvalidMessage("b_share", str(self.b_share), rule)
        try:
            msgspec.json.decode(msgspec.json.encode(self), type=Plan)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise InvalidMessage("plan", self.name, f"can't be stored: {error}") from error


@cache
def _defaults() -> tuple[tuple[str, object], ...]:
    fields = msgspec.structs.fields(Plan)
    return tuple((field.name, field.default) for field in fields if not field.required)


def renderer_for(plan: Plan, text: str) -> str:
    """What renders another text of a plan's."""
    return renderer_of(text, plan.plain_punctuation, bool(plan.short_links))


def key_hash(key: str) -> int:
    """Hash a recipient's key to a signed 64-bit number, which Redis keeps in 8 bytes."""
    hash = _new_hash()
    hash.update(key.encode())
    return int.from_bytes(hash.digest(), "big", signed=True)


def message_id(campaign: str, hash: int) -> str:
    """Return the id of a campaign's message; its dot tells it from every id of an app."""
    return MessageId.of_hash(campaign, hash).format()


def ticket_end(plan: Plan, to: str, parts: int, values: Sequence[str]) -> bytes:
    """Write what is needed to render and send a message: its ticket, but for the short id.

    ``members`` puts that before it, since the hash that it tells is not known here.
    """
    return plan.ticket_end_writer(parts)(to, _json(values))


def rendered(plan: Plan, id: str, ticket: bytes) -> Message:
    """Render a ticket's message. This is pure, so that every worker makes the same message.

    Raises InvalidMessage if the ticket does not fit the plan or the message can't be sent, and
    BadValue if the template can't take a value.
    """
    try:
        waiting = Ticket.parse(ticket)
        values = plan.values_of(waiting)
    except ValueError as error:
        raise InvalidMessage("ticket", f"{len(ticket)} bytes", str(error), id) from error
    return plan.message(id, waiting.to, plan.template.render(values))


def plan_digest(plan: Plan) -> str:
    """Hash a plan, as 24 hexadecimal digits: equal plans have equal digests."""
    plan = msgspec.structs.replace(plan, region=None, region_column=None, landlines=True, links=())
    if plan.expires_at is not None:  # one moment can be written in many ways
        plan = msgspec.structs.replace(plan, expires_at=plan.expires_at.astimezone(UTC))
    return blake2b(msgspec.json.encode(plan), digest_size=12).hexdigest()


_IN_NO_DIGEST = ("region", "region_column", "landlines", "links")
_FIELD_WORDS = {
    "to_column": "column of numbers",
    "messaging_profile_id": "messaging profile",
    "media_urls": "media",
    "key_column": "key",
    "expires_at": "expiry",
    "except_campaigns": "list of excepted campaigns",
    "kept_columns": "list of kept columns",
    "plain_punctuation": "plain punctuation",
    "language_column": "column of languages",
    "columns": "columns of tickets",
    "follows": "campaign that it follows",
    "b_share": "share of the second text",
    "dealt_by": "campaign that deals the two texts",
    "short_links": "domain of short links",
    "renderer": "renderer, that of another version of Sluicegate",
}


def differences(one: Plan, other: Plan) -> list[str]:
    """Return what differs between two plans, in words."""
    fields = [
        name
        for name in Plan.__struct_fields__
        if name not in _IN_NO_DIGEST and getattr(one, name) != getattr(other, name)
    ]
    return [_FIELD_WORDS.get(name, name) for name in fields]
