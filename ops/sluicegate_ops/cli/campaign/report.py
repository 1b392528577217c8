"""``sluicegate campaign report``: what became of everybody, by state and code, and what to do."""

import typer

from sluicegate.campaigns.ledger import Ledger

from ...inspect import INDEXES, CampaignCause, undelivered
from ..kit.advice import advised, write_advice
from ..kit.output import Document, clean, console, counted, write_document
from ..kit.session import Session
from ..message.fates import delivery, fates_of, lines, set_up
from .causes import masked_causes
from .show import Name, show_ledger

_STATES = {
    "expired": "expires_at passed before their turn came: nothing was sent to them",
    "suppressed": "they opted out before their turn came: sluicegate optout list",
    "cancelled": "the campaign was cancelled before their turn came",
    "purged": "a person gave them up",
}


_UNCONFIRMED = "their carriers do not say whether it arrived; most of such messages do"


def report(ctx: typer.Context, name: Name, json: Document = False) -> None:
    """Show what became of everybody, by code, and what to do about it.

    \b
    Example:
      sluicegate campaign report july
    """
    session: Session = ctx.obj
    campaigns = session.campaigns
    campaign, ledger = campaigns.get(name), campaigns.ledger(name)
    found = masked_causes(session, name, *INDEXES)
    found += [
        CampaignCause(state, "", ledger.states[state], reason)
        for state, reason in _STATES.items()
        if ledger.states[state]
    ]
    lost = undelivered(session.client, session.keys, name) if ledger.fates["failed"] else []
    if json:
        about = {"name": name, "state": campaign.state, "receipts_set_up": set_up(session)}
        write_document(about | _document(ledger, found, lost))
        return
    out = console()
    out.print(f"campaign {name}: {campaign.state}", style="bold")
    show_ledger(session, ledger)
    for cause in found:
        title = f"{counted(cause.count, 'recipient')} {cause.state.replace('_', ' ')} {cause.code}"
        write_advice(title.strip(), [("why", clean(cause.reason)), *_lines(cause)])
    for code, count in lost:
        title = f"{counted(count, 'recipient')} accepted and not delivered {code}"
        write_advice(title.strip(), lines(code))
    if unconfirmed := ledger.fates["unconfirmed"]:
        title = f"{counted(unconfirmed, 'recipient')} accepted, and unconfirmed"
        write_advice(title, [("why", _UNCONFIRMED)])
    if any(cause.state == "dead" for cause in found):
        typer.echo("\nreplay: sluicegate dead replay --code CODE (whatever they belong to)")


def _lines(cause: CampaignCause) -> list[tuple[str, str]]:
    """What the code means, and what to do about it."""
    if not cause.code:
        return []
    found = advised(cause.code)
    see = f"see one of them: sluicegate dead list --code {cause.code}"
    do = found["advice"] or (see if cause.state == "dead" else "")
    return [("means", found["means"]), ("do", do), ("portal", found["portal"])]


def _document(
    ledger: Ledger, found: list[CampaignCause], lost: list[tuple[str, int]]
) -> dict[str, object]:
    undelivered = [{"code": code, "count": count} | delivery(code) for code, count in lost]
    return {
        "states": {"imported": ledger.imported, **ledger.states},
        "codes": [_entry(cause) for cause in found],
        "fates": fates_of(ledger),
        "undelivered": undelivered,
    }


def _entry(cause: CampaignCause) -> dict[str, object]:
    about = {"state": cause.state, "code": cause.code, "count": cause.count}
    told = {word: line for word, line in _lines(cause) if line}
    more = {"means": told.get("means", ""), "advice": told.get("do", "")}
    return about | {"reason": cause.reason} | more | {"portal": told.get("portal", "")}
