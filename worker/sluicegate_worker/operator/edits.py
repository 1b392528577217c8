"""Edits of dead letters: another sender or another text, checked as if they were enqueued now."""

from functools import cached_property

import msgspec
import redis
from msgspec.structs import replace

from sluicegate.campaigns.campaign import read_plan
from sluicegate.campaigns.plan import Plan, rendered
from sluicegate.campaigns.template import RENDERERS, Template
from sluicegate.config import Account
from sluicegate.declared import check_sender
from sluicegate.errors import BadValue, InvalidMessage, Malformed, WrongRenderer
from sluicegate.keys import Keys
from sluicegate.message import Message, decode, encode
from sluicegate.rules import template_mark, validated
from sluicegate.stored import LaneName, MessageId, Ticket, sender_name, wall_ms

from .deadletters import Replay, Stored

FAULTS = (InvalidMessage, BadValue, WrongRenderer)
"""Why a letter can't be edited, or its message can't be made."""


class Edit(msgspec.Struct, frozen=True, dict=True):
    """What an edit changes; None leaves a field as it is.

    ``text`` is a template over the plan's variables for a campaign's recipient, and literal in an
    app's message.
    """

    sender: str | None = None
    text: str | None = None

    def __bool__(self) -> bool:
        return self.sender is not None or self.text is not None

    @cached_property
    def template(self) -> Template:
        """The text for campaigns; raises BadTemplate."""
        return Template(self.text or "")


class Letters:
    """Makes the messages of one account's dead letters, as they are or as an edit changes them."""

    def __init__(self, client: redis.Redis, keys: Keys, account: Account) -> None:
        self._client, self._keys, self._account = client, keys, account
        self._plans: dict[str, Plan] = {}

    def message(self, letter: Stored) -> Message:
        """The message that a letter would send; raises one of ``FAULTS`` where there is none."""
        campaign = MessageId.parse(letter.id).campaign
        if not campaign or letter.content:
            return decode(letter.content, letter.id)
        plan = self._plan(campaign)
        if plan.renderer not in RENDERERS:
            raise WrongRenderer(campaign, plan.renderer)
        return rendered(plan, letter.id, letter.ticket)

    def edited(self, letter: Stored, edit: Edit) -> Replay:
        """The letter as ``edit`` changes it, with the lane that it goes to.

        Raises one of ``FAULTS`` for this letter, and BadTemplate where the text suits nobody.
        """
        message = self._changed(letter, edit)
        sender, profile = message.sender, message.messaging_profile_id
        check_sender(self._account, sender, profile, letter.id)
        id = MessageId.parse(letter.id)
        name = sender_name(sender, profile)
        hours = _hours(letter) if id.campaign else ""
        lane = LaneName(message.priority, message.type, name, id.campaign, id.app, hours=hours)
        expires_ms = None if message.expires_at is None else wall_ms(message.expires_at)
        values = _ticket(letter).values if id.campaign else b""
        segments = message.segments.parts
        ticket = Ticket(id.short, segments, message.type, expires_ms, message.to, values)
        content = encode(message)
        return Replay(letter.id, letter.generation, content, lane.format(), ticket.format())

    def _changed(self, letter: Stored, edit: Edit) -> Message:
        if edit.text is None:
            message = self.message(letter)
        elif MessageId.parse(letter.id).campaign:
            message = self._rewritten(letter, edit.template)
        else:
            message = replace(self.message(letter), text=_literal(edit.text, letter.id))
        return _validated(
            replace(message, sender=edit.sender) if edit.sender is not None else message
        )

    def _rewritten(self, letter: Stored, template: Template) -> Message:
        """A recipient's message with another text, rendered from its ticket's values."""
        plan = self._plan(MessageId.parse(letter.id).campaign)
        known = plan.values
        if strange := [name for name in template.variables if name not in known]:
            there_are = f"there are {', '.join(known)}" if known else "there are none"
            raise BadValue(strange[0], f"is no variable of campaign {plan.name}; {there_are}")
        ticket = _ticket(letter)
        try:
            named = plan.values_of(ticket)
        except ValueError as error:
            raise _damaged(letter, error) from error
        if letter.content:  # edited before: its sender may not be the plan's
            message = decode(letter.content, letter.id)
        else:
            message = plan.message(letter.id, ticket.to, "x")
        return replace(message, text=template.render(named))

    def _plan(self, campaign: str) -> Plan:
        if campaign not in self._plans:
            self._plans[campaign] = read_plan(self._client, self._keys, campaign)
        return self._plans[campaign]


def _ticket(letter: Stored) -> Ticket:
    """A letter's ticket; raises InvalidMessage where it is damaged."""
    try:
        return Ticket.parse(letter.ticket)
    except Malformed as error:
        raise _damaged(letter, error) from error


def _hours(letter: Stored) -> str:
    """The class of hours that the letter's recipient keeps; raises InvalidMessage."""
    try:
        return LaneName.parse(letter.lane).hours
    except Malformed as error:
        raise InvalidMessage("lane", letter.lane, str(error), letter.id) from error


def _damaged(letter: Stored, error: ValueError) -> InvalidMessage:
    return InvalidMessage("ticket", f"{len(letter.ticket)} bytes", str(error), letter.id)


def _literal(text: str, id: str) -> str:
    """An app's text is sent as it is, so refuse one that was meant as a campaign's template."""
    if template_mark(text):
        rule = "an app's message goes out as it is written, with {{ and all; give it plain text"
        raise InvalidMessage("text", text, rule, id)
    return text


def _validated(message: Message) -> Message:
    """The message, held to every rule but the one for ids: a recipient's has a dot."""
    try:
        return replace(validated(replace(message, id="letter")), id=message.id)
    except InvalidMessage as error:
        raise InvalidMessage(error.field, error.value, error.reason, message.id) from None
