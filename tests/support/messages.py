"""Valid messages, plans and recipients, made up by number."""

from collections.abc import Sequence
from typing import Any

from sluicegate import Message
from sluicegate.campaigns.hours import Classes
from sluicegate.campaigns.members import keyed_hashing
from sluicegate.campaigns.plan import Plan, key_hash, message_id, ticket_end
from sluicegate.campaigns.recipients import Recipient
from sluicegate.rules import validated
from sluicegate.stored import short_hash

SENDER = "+15550000000"
SINCE = 1_700_000_000.0
"""When a bench begins, in seconds since 1970: in San Francisco a Tuesday, 14:13:20."""
HASH_KEY = bytes(range(32))
"""The key of recipients' hashes of whatever a bench made."""

_hash_of = keyed_hashing(HASH_KEY)


def message(number: int = 1, **fields: Any) -> Message:
    """A valid message to recipient ``number``; its id is ``m<number>`` unless given."""
    default = {"id": f"m{number}", "to": f"+1555{number:07d}", "sender": SENDER, "text": "hello"}
    return validated(Message(**(default | fields)))


def plan(name: str = "july", **fields: Any) -> Plan:
    """A valid plan; its text has two variables unless given."""
    text = "Hi {{ first_name }}, code {{ code }}"
    return Plan(**({"name": name, "text": text, "to_column": "phone", "sender": SENDER} | fields))


def ticket(plan: Plan, hash: int, to: str, parts: int, values: Sequence[str]) -> bytes:
    """A recipient's ticket as an import stores it."""
    return short_hash(hash).encode() + ticket_end(plan, to, parts, values)


def recipient(plan: Plan, number: int, *values: str, key: str = "") -> Recipient:
    """Recipient ``number`` of a campaign, as its file would make it."""
    to = f"+1415{2_000_000 + number:07d}"
    values = values or tuple(f"v{number}" for _ in plan.values)
    text = plan.template.render(dict(zip(plan.values, values, strict=True)))
    segments = plan.message("row", to, text).segments
    hash = key_hash(key or to)
    end = ticket_end(plan, to, segments.parts, values)
    hours = Classes(plan.hours, lambda: SINCE).of(to) if plan.hours else None
    fields = (segments.parts, segments.encoding, end, hours)
    return Recipient(number, hash, to, text, *fields)


def member_id(campaign: str, row: Recipient) -> str:
    """The id of a campaign's message to a recipient, of whatever a bench made."""
    return message_id(campaign, _hash_of(row.hash))
