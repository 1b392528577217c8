"""``sluicegate campaign report``: what became of every recipient, by code, and what to do."""

from typing import Annotated

import typer

from sluicegate.campaigns.campaign import Campaign
from sluicegate.campaigns.ledger import Ledger
from sluicegate.keys import LEFT_OUT

from ...inspect import (
    INDEXES,
    AcceptedPart,
    CampaignCause,
    CampaignRecipients,
    accepted_parts,
)
from ...operating.advice import advised
from ...operating.campaign.causes import masked_causes
from ...operating.campaign.costs import costs_document
from ...operating.message.deliveries import advice_on, deliveries_of, lines, set_up
from ...operating.pasting import pasted
from ...operating.session import Session
from ...operating.words import clean, counted
from ..kit.advice import write_advice
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, CampaignArgument
from ..kit.output import console, tell, write, write_document
from .breakdown import (
    GroupBy,
    RecipientGroup,
    broken_down,
    documents,
    tables,
    variant_tests,
)
from .costs import show_costs
from .show import show_ledger

_STATES = {
    "expired": "expires_at passed before their turn came, so nothing was sent to them",
    "suppressed": "they opted out before their turn came: sluicegate optout list",
    "cancelled": "the campaign was cancelled before their turn came",
    "purged": "a person gave them up",
}
_LIMITS = {
    "too_many": "they had got as many messages as per_recipient lets one recipient get",
    "too_soon": "they had got a message less than per_recipient's quiet_seconds before",
    "same_text": "they had got the same text less than per_recipient's same_text_seconds before",
    "prefix": "too many messages went to numbers that begin like theirs: see per_prefix",
}
_LEFT_OUT = "a person left them out: sluicegate campaign guard NAME shows whom"
_UNCONFIRMED = "their carriers do not confirm delivery; most such messages arrive"


@option_set
class ReportOptions:
    """The options of ``campaign report``."""

    name: CampaignArgument
    by: Annotated[
        list[GroupBy] | None,
        typer.Option(
            metavar="WHAT",
            help="Also by state, code, carrier, country, area, version or variant; repeatable.",
        ),
    ] = None
    json: AsJsonDocument = False


@command
def report(session: Session, options: ReportOptions) -> None:
    """Show what became of everybody, and what it cost.

    \b
    Example:
      sluicegate campaign report july
      sluicegate campaign report july --by carrier --by code
    """
    name, campaigns = options.name, session.campaigns
    campaign, ledger = campaigns.get(name), campaigns.ledger(name)
    ends = masked_causes(session, name, *INDEXES)
    of_others = {"suppressed": sum(ledger.ended.values()), "cancelled": ledger.left_out}
    ends += [
        CampaignCause(state, "", count, reason)
        for state, reason in _STATES.items()
        if (count := ledger.states[state] - of_others.get(state, 0))
    ]
    ends += [
        CampaignCause("suppressed", code, count, _LIMITS[code])
        for code, count in ledger.ended.items()
    ]
    if ledger.left_out:
        ends.append(CampaignCause("cancelled", LEFT_OUT, ledger.left_out, _LEFT_OUT))
    told = ledger.deliveries["failed"] or ledger.costs
    parts = _parts_of(session, name) if told else []
    by = _broken_down(session, campaign, options.by) if options.by else {}
    lost = [(part.code, part.count) for part in parts if part.delivery == "failed"]
    if options.json:
        about = {"name": name, "state": campaign.state, "receipts_set_up": set_up(session)}
        costs = costs_document(ledger, campaigns.estimates(name), parts)
        about |= _document(ledger, ends, lost) | {"costs": costs}
        tested = variant_tests(by)
        about |= {"by": documents(by)} if by else {}
        write_document(about | ({"variants": tested} if tested else {}))
        return
    console().print(f"campaign {name}: {campaign.state}", style="bold")
    show_ledger(session, ledger)
    show_costs(ledger, campaigns.estimates(name), parts)
    for each in tables(by):
        typer.echo()
        write(each)
    for what, test in variant_tests(by).items():
        tell(f"{what}, a and b: {test.said}")
    _show(name, ledger, ends, lost)


def _broken_down(
    session: Session, campaign: Campaign, by: list[GroupBy]
) -> dict[GroupBy, list[RecipientGroup]]:
    return broken_down(
        CampaignRecipients(session.client, session.keys, campaign, session.archive), by
    )


def _parts_of(session: Session, name: str) -> list[AcceptedPart]:
    return accepted_parts(session.client, session.keys, name, session.archive)


def _show(
    name: str, ledger: Ledger, ends: list[CampaignCause], lost: list[tuple[str, int]]
) -> None:
    """Write each cause with the advice on it."""
    for cause in ends:
        title = f"{counted(cause.count, 'recipient')} {cause.state.replace('_', ' ')} {cause.code}"
        write_advice(title.strip(), [("why", clean(cause.reason)), *_lines(cause)])
    for code, count in lost:
        title = f"{counted(count, 'recipient')} accepted but not delivered {code}"
        write_advice(title.strip(), lines(code))
    if unconfirmed := ledger.deliveries["unconfirmed"]:
        title = f"{counted(unconfirmed, 'recipient')} accepted but unconfirmed"
        write_advice(title, [("why", _UNCONFIRMED)])
    for code, count in ledger.held.items():
        write_advice(f"{counted(count, 'recipient')} had to wait {code}", [("why", _LIMITS[code])])
    if any(cause.state == "dead" for cause in ends):
        replay = f"sluicegate dead replay --campaign {pasted(name)} --code CODE --why WHY"
        tell(f"\nto send to the dead again: {replay}")


def _lines(cause: CampaignCause) -> list[tuple[str, str]]:
    """What the code means, and what to do about it."""
    if not cause.code:
        return []
    advice = advised(cause.code)
    see = f"look at them: sluicegate dead list --all --code {pasted(cause.code)}"
    do = advice["advice"] or (see if cause.state == "dead" else "")
    return [("means", advice["means"]), ("do", do), ("portal", advice["portal"])]


def _document(
    ledger: Ledger, ends: list[CampaignCause], lost: list[tuple[str, int]]
) -> dict[str, object]:
    undelivered = [{"code": code, "count": count} | advice_on(code) for code, count in lost]
    return {
        "states": {"imported": ledger.imported, **ledger.states},
        "codes": [_entry(cause) for cause in ends],
        "maybe_sent": ledger.maybe_sent,
        "had_to_wait": ledger.held,
        "deliveries": deliveries_of(ledger),
        "undelivered": undelivered,
    }


def _entry(cause: CampaignCause) -> dict[str, object]:
    about = {"state": cause.state, "code": cause.code, "count": cause.count}
    lines = {word: line for word, line in _lines(cause) if line}
    more = {"means": lines.get("means", ""), "advice": lines.get("do", "")}
    return about | {"reason": cause.reason} | more | {"portal": lines.get("portal", "")}
