"""What a second person approves: a campaign as it is, by a hash of all that they were shown."""

from hashlib import blake2b

import msgspec

from .ledger import Ledger
from .plan import Plan, plan_digest


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """Who approved a campaign, when, and the hash of what it was then."""

    who: str
    at_ms: int
    hash: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is to approve: a campaign as it is after so many ``changes``.

    ``changed_by`` are all who made them. ``at_ms`` (wall) is when it starts by
    itself, 0 for at once. ``plan`` has the text that goes out.
    ``recipients`` are all that were imported; ``estimates`` what they were reckoned to cost, in
    billionths by currency. ``caps`` are what limits and guards it, as stored.
    """

    plan: Plan
    recipients: int
    estimates: dict[str, int]
    caps: tuple[str, ...]
    changes: int
    changed_by: str
    at_ms: int = 0

    @property
    def hash(self) -> str:
        """A hash of text, audience, hours, start, cost and caps, as 16 hexadecimal digits."""
        estimates = sorted(self.estimates.items())
        about = (plan_digest(self.plan), self.recipients, estimates, self.caps)
        parts = (*about, self.changes, self.at_ms)
        return blake2b(msgspec.json.encode(parts), digest_size=8).hexdigest()


def proposal(
    plan: Plan, ledger: Ledger, estimates: dict[str, int], fields: dict[bytes, bytes]
) -> Proposal:
    """What a campaign's plan, ledger, estimates and stored ``fields`` say of it now."""
    caps = (fields.get(name, b"").decode() for name in (b"max_cost", b"guards"))
    changers = fields.get(b"changers") or fields.get(b"changed_by", b"")
    return Proposal(
        plan=plan,
        recipients=ledger.imported,
        estimates=estimates,
        caps=tuple(caps),
        changes=int(fields.get(b"changes", 0)),
        changed_by=", ".join(changers.decode().split("\n")),
        at_ms=int(fields.get(b"at") or 0) if fields.get(b"state") == b"scheduled" else 0,
    )
