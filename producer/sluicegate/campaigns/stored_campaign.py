"""A campaign as it is stored: its plan, its state, and what has become of both since.

    scheduled ──its time──┐
      ▲│                  ▼
      │▼    ──start──▶ running ──pause──▶ paused ──resume──▶ running ──▶ finished
    draft ──────cancel────┴───────cancel────┘                (nothing is pending)
                            ▼
                        cancelled

A finished campaign runs again when recipients are imported or a dead letter is replayed.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from ..errors import InvalidMessage
from ..stored import NO_GUARDS, UNITS, Guards, MaxCost
from .approval import Approval
from .plan import Plan, TextVersion

CampaignState = Literal["draft", "scheduled", "running", "paused", "finished", "cancelled"]


class Campaign(msgspec.Struct, frozen=True):
    """A campaign and its current state.

    Times are wall milliseconds, 0 until the event happens. ``per_second`` is the campaign's own
    rate in segments a second, 0 for none. ``weight`` is its share relative to other campaigns.
    ``max_cost`` is its cap in ``currency``, None for none. ``stopped`` says why a cap or a guard
    paused it, and ``stopped_by`` which: money, messages, segments, canary or share. The canary of
    its ``guards`` was all on its way at ``canary_full_ms``, and passed at ``canary_passed_ms``.
    ``versions`` are the later ones of its text, in order; that of ``plan`` is the first.
    At ``at_ms`` it starts by itself while it is scheduled. ``drafted_by`` is the agent that made
    it, "" for a person: what an agent drafts waits for a person's approval.
    """

    plan: Plan
    state: CampaignState
    created_ms: int
    started_ms: int
    ended_ms: int
    paused_ms: int = 0
    per_second: float = 0.0
    weight: float = 1.0
    max_cost: Decimal | None = None
    currency: str = ""
    stopped: str = ""
    stopped_by: str = ""
    guards: Guards = NO_GUARDS
    canary_full_ms: int = 0
    canary_passed_ms: int = 0
    versions: tuple[TextVersion, ...] = ()
    at_ms: int = 0
    approved: Approval | None = None
    drafted_by: str = ""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def version(self) -> int:
        """Which version of its text goes out now; the first is 1."""
        return len(self.versions) + 1

    @property
    def current(self) -> Plan:
        """Its plan with the text that goes out now."""
        return self.plan.revised(self.versions[-1]) if self.versions else self.plan


def campaign_of(fields: Mapping[bytes, Any]) -> Campaign:
    """The campaign that is stored as the fields of its hash."""
    times = (b"created", b"started", b"ended", b"paused", b"canary_full", b"canary_passed")
    created, started, ended, paused, full, passed = (int(fields.get(field, 0)) for field in times)
    plan = msgspec.json.decode(fields[b"plan"], type=Plan)
    per_second = float(fields.get(b"per_second") or 0)
    weight = float(fields.get(b"weight") or 1)
    state = fields[b"state"].decode()
    stored = fields.get(b"max_cost")
    cap = MaxCost.parse(stored.decode()) if stored else None
    stopped = (fields.get(b"stopped") or b"").decode()
    return Campaign(
        plan,
        state,
        created,
        started,
        ended,
        paused,
        per_second,
        weight,
        max_cost=None if cap is None else Decimal(cap.cost_billionths) / UNITS,
        currency="" if cap is None else cap.currency,
        stopped=stopped,
        stopped_by=(fields.get(b"stopped_by") or (b"money" if stopped else b"")).decode(),
        guards=Guards.parse(fields[b"guards"]) if b"guards" in fields else NO_GUARDS,
        canary_full_ms=full,
        canary_passed_ms=passed,
        versions=_versions(fields),
        at_ms=int(fields.get(b"at") or 0),
        approved=_approval(fields.get(b"approved")),
        drafted_by=(fields.get(b"drafted_by") or b"").decode(),
    )


def _versions(fields: Mapping[bytes, bytes]) -> tuple[TextVersion, ...]:
    latest = int(fields.get(b"version", 1))
    stored = (fields[f"text:{number}".encode()] for number in range(2, latest + 1))
    return tuple(msgspec.json.decode(text, type=TextVersion) for text in stored)


def _approval(stored: bytes | None) -> Approval | None:
    return msgspec.json.decode(stored, type=Approval) if stored else None


def text_field(version: str) -> str:
    """The field of a campaign's hash that has a version of its text, ``""`` for the first."""
    return f"text:{version or 1}"


def plan_of(campaign: str, stored: bytes | None, text: bytes | None, version: str) -> Plan:
    """A campaign's plan with a version of its text; raises InvalidMessage if it is gone."""
    if stored is None or (text is None and version not in ("", "1")):
        raise InvalidMessage("campaign", campaign, "its plan is gone")
    plan = msgspec.json.decode(stored, type=Plan)
    if text is None or version in ("", "1"):
        return plan
    return plan.revised(msgspec.json.decode(text, type=TextVersion))
