"""Campaigns: all of them, the latest first, and one of them."""

from itertools import islice
from typing import Any

from sluicegate.campaigns.ledger import Ledger
from sluicegate.campaigns.stored_campaign import Campaign

from ..inspect import HOURS, MINUTES, Waits, read_trend
from ..operating.advice import advised
from ..operating.campaign.causes import masked_causes
from ..operating.campaign.costs import costs_document
from ..operating.campaign.document import campaign_document, look_at, summary
from ..operating.campaign.guard_words import guard_pairs
from ..operating.campaign.opening_words import opening_line
from ..operating.session import Session
from ..operating.status.reasons import expected, own_pace, sentence
from ..operating.words import local
from .parts import bar

SHOWN = 50
"""Campaigns on the page; ``campaign list`` has them all."""

MOST_DEAD = 1_000
"""Causes are read from the dead letters one by one: of more, ``campaign report`` tells."""

_MOVING = ("waiting", "retrying")


def campaigns(session: Session) -> dict[str, Any]:
    """The latest campaigns, each as ``campaign list --json`` has it and as it is drawn."""
    all_of_them, waits = session.campaigns, session.waits
    latest = list(islice(all_of_them, SHOWN + 1))
    waits.look_ahead(latest[:SHOWN])
    rows = [
        _row(session, waits, campaign, all_of_them.ledger(campaign.name))
        for campaign in latest[:SHOWN]
    ]
    return {"campaigns": rows, "more": len(latest) > SHOWN}


def campaign(session: Session, name: str) -> dict[str, Any]:
    """One campaign as ``campaign status --json`` has it; raises UnknownCampaign."""
    one = session.campaigns.get(name)
    ledger = session.campaigns.ledger(name)
    counted = ledger.states["dead"] and len(session.dead) <= MOST_DEAD
    dead = masked_causes(session, name, "dead") if counted else []
    seen = look_at(session, one, ledger, dead)
    return {
        "campaign": campaign_document(session, seen),
        "approve": session.campaigns.needs_approval(name),
        "text": one.current.text,
        "sender": one.current.sender or f"the pool of {one.current.messaging_profile_id}",
        "pace": own_pace(one),
        "caps": _caps(one),
        "starts": local(one.at_ms, seen.why.now_ms) if one.at_ms else "",
        "done": expected(seen.why.finish, seen.why.now_ms),
        "bar": _bar(ledger),
        "openings": [
            opening_line(
                one.waiting, one.zones, one.rules, one.opens_ms, one.closes_ms, seen.why.now_ms
            )
            for one in seen.hours
        ],
        "advice": {cause.code: advised(cause.code) for cause in dead},
        "dead_not_read": ledger.states["dead"] if not counted else 0,
        "minutes": read_trend(session.client, session.keys, MINUTES, seen.why.now_ms, name),
        "hours": read_trend(session.client, session.keys, HOURS, seen.why.now_ms, name),
    }


def _row(session: Session, waits: Waits, one: Campaign, ledger: Ledger) -> dict[str, Any]:
    why = waits.of(one, ledger)
    running = ledger.pending > 0
    estimates = session.campaigns.estimates(one.name)
    return summary(one, ledger) | {
        "finish": why.finish,
        "done": expected(why.finish, why.now_ms),
        "why": sentence(why) if running else "",
        "sender": one.current.sender or one.current.messaging_profile_id,
        "pace": own_pace(one),
        "bar": _bar(ledger),
        "costs": costs_document(ledger, estimates)["billed"],
    }


def _caps(one: Campaign) -> list[str]:
    """What pauses it by itself, in words."""
    cost = [f"It pauses before it costs more than {one.max_cost} {one.currency}"]
    return cost * bool(one.max_cost) + [f"{word}: {said}" for word, said in guard_pairs(one)]


def _bar(ledger: Ledger) -> dict[str, Any]:
    """What became of its recipients, as the bar that shows progress."""
    states = ledger.states
    shown = {
        "accepted": states["accepted"],
        "dead": states["dead"],
        "in doubt": states["in_doubt"],
        "ended unsent": sum(
            states[state] for state in ("cancelled", "expired", "suppressed", "purged")
        ),
        "waiting": sum(states[state] for state in _MOVING),
    }
    done = ledger.imported - ledger.pending
    percent = 100 * done / ledger.imported if ledger.imported else 0.0
    return {"parts": bar(shown, ledger.imported), "percent": round(percent, 1)}
