"""``sluicegate campaign report``: what became of everybody, by state and code, and what to do."""

from collections.abc import Mapping

import typer

from sluicegate_worker.outcome import CODES

from .campaign_state import INDEXES, Cause, campaigns_of, causes
from .campaign_view import Name, show_ledger
from .output import Document, clean, console, counted, write_document
from .session import Session

_NUMBER_AT_FAULT = "correct the numbers, and send to them under another name; purge these"
_SENDER_AT_FAULT = "set the sender right at the provider, then replay these"
_TEXT_AT_FAULT = "a new campaign with another text: this one's is pinned"
_OPTED_OUT = "if its text says STOP, they opted out: sluicegate optout add, and purge these"

ADVICE: Mapping[str, str] = {
    "40300": _OPTED_OUT,
    "40001": "a landline, or a number that no message reaches: purge these",
    "40301": "this sender can't reach these numbers: another sender, or purge these",
    "40319": "this sender can't reach these numbers: another sender, or purge these",
    "40309": "allow the region in the messaging profile, then replay these",
    "40315": "the sender's standing is too poor: let it recover, then replay these",
    "40320": "the sender is out of use for now: replay these in some hours",
    "40329": "verify the toll-free number, then replay these",
    "40330": "the toll-free number isn't ready yet: replay these later",
    "40010": "register the sender for 10DLC, then replay these",
    "40002": "taken for spam: change the text in a new campaign, or replay these later",
    "40003": "taken for spam, and the sender is blocked: ask the provider",
    "40312": "enable the messaging profile, then replay these",
    "invalid_content": "the text can't be rendered or sent to these: see one of them",
    "not_sent": "the provider can't be reached: see: sluicegate status; then replay these",
    "no_answer": "no answer came: a receipt or policy decides, or you do: sluicegate doubt list",
    "in_doubt": "they may have been sent: ask the recipients before you replay these",
    **dict.fromkeys(("40310", "40012", "10002", "10016"), _NUMBER_AT_FAULT),
    **dict.fromkeys(
        ("40305", "40306", "40307", "40308", "40321", "40325", "40013", "40100"), _SENDER_AT_FAULT
    ),
    **dict.fromkeys(
        ("40302", "40304", "40316", "40317", "40322", "40328", "40009"), _TEXT_AT_FAULT
    ),
}
"""What to do about the provider's codes, and ours, where somebody can do anything."""

_ACTS = {
    "throttle": "the rate limit refused them: nothing to do",
    "later": "the sender's queue at the provider is full: nothing to do, it drains",
    "tomorrow": "the profile's daily spend limit: it ends at midnight UTC, or raise it",
    "retry": "it passes by itself; what is dead of it, replay later",
    "halt": "the account's standing: remove the cause, then: sluicegate halt clear",
    "hold": "only you can tell whether these were sent: sluicegate doubt resolve",
    "doubt": "sent or not: a receipt or policy decides, or you do: sluicegate doubt list",
}
"""What to do by the outcome that a code has, where the code itself has no entry above."""

_STATES = {
    "expired": "expires_at passed before their turn came: nothing was sent to them",
    "suppressed": "they opted out before their turn came: sluicegate optout list",
    "cancelled": "the campaign was cancelled before their turn came",
    "purged": "a person gave them up",
}


def report(ctx: typer.Context, name: Name, json: Document = False) -> None:
    """Show what became of everybody, by code, and what to do about it.

    \b
    Example:
      sluicegate campaign report july
    """
    session: Session = ctx.obj
    campaigns = campaigns_of(session)
    campaign, ledger = campaigns.get(name), campaigns.ledger(name)
    found = causes(session, name, *INDEXES)
    found += [
        Cause(state, "", ledger.states[state], reason)
        for state, reason in _STATES.items()
        if ledger.states[state]
    ]
    if json:
        codes = [_entry(cause) for cause in found]
        states = {"imported": ledger.imported, **ledger.states}
        write_document({"name": name, "state": campaign.state, "states": states, "codes": codes})
        return
    out = console()
    out.print(f"campaign {name}: {campaign.state}", style="bold")
    show_ledger(ledger)
    for cause in found:
        title = f"{counted(cause.count, 'recipient')} {cause.state.replace('_', ' ')} {cause.code}"
        out.print(f"\n{title.strip()}", style="bold", soft_wrap=True)
        for word, line in (("why", clean(cause.reason)), ("do", advice(cause))):
            if line:
                out.print(f"    {word:<4} {line}", soft_wrap=True)
    if any(cause.state == "dead" for cause in found):
        typer.echo("\nreplay: sluicegate dead replay --code CODE (whatever they belong to)")


def advice(cause: Cause) -> str:
    """What a person can do about a cause; ``""`` where there is nothing."""
    if not cause.code:
        return ""
    if cause.code in ADVICE:
        return ADVICE[cause.code]
    row = CODES.get(cause.code)
    if row is not None and row.act in _ACTS:
        return _ACTS[row.act]
    if cause.state == "dead":
        return f"see one of them: sluicegate dead list --code {cause.code}"
    return ""


def _entry(cause: Cause) -> dict[str, object]:
    about = {"state": cause.state, "code": cause.code, "count": cause.count}
    return about | {"reason": cause.reason, "advice": advice(cause)}
