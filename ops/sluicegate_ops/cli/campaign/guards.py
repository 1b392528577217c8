"""``sluicegate campaign guard``, and the guards that options of other commands stand for."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

import typer
from msgspec.structs import replace

from sluicegate.audit import By
from sluicegate.campaigns.guarding import (
    DELIVERED,
    SHARE_FORMS,
    WITHIN,
    canary,
    check_guards,
    left_out,
    share_limit,
)
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.stored import Canary, Guards, LeftOut

from ...operating.campaign.document import summary
from ...operating.campaign.guard_words import guard_pairs
from ...operating.message.deliveries import set_up
from ...operating.session import Session
from ..kit.acts import by_whom
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.options import AsJsonDocument, WhoOption, WhyOption
from ..kit.output import write_document, write_pairs
from .options import CampaignOptions, MaxCostOption

NONE = "none"


def _count(value: str | None) -> str | None:
    if value is not None and value != NONE and not (value.isdecimal() and 0 < int(value) < 10**9):
        raise typer.BadParameter("must be a whole number above 0, or none")
    return value


@option_set
class GuardOptions:
    """The options of whatever sets guards: None leaves what there is, ``none`` removes it."""

    canary: Annotated[
        str | None,
        typer.Option(metavar="N|N%|none", help="Send so many first; the rest waits for them."),
    ] = None
    until_delivered: Annotated[
        str | None,
        typer.Option(metavar="N%", help="So much of the canary must be delivered; else 95%."),
    ] = None
    within: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="And so soon after it was sent, else it pauses; 10m."),
    ] = None
    pause_if: Annotated[
        list[str] | None,
        typer.Option(metavar="SHARE", help=f"Pause at a share: {SHARE_FORMS}; repeatable."),
    ] = None
    max_messages: Annotated[
        str | None,
        typer.Option(metavar="N|none", callback=_count, help="Pause at so many messages."),
    ] = None
    max_segments: Annotated[
        str | None,
        typer.Option(metavar="N|none", callback=_count, help="Pause at so many segments."),
    ] = None

    @property
    def any_guard(self) -> bool:
        """Whether any of them is given."""
        own = (self.canary, self.until_delivered, self.within, self.pause_if)
        return any(value is not None for value in (*own, self.max_messages, self.max_segments))


@option_set
class LeaveOutOptions(GuardOptions):
    """``GuardOptions``, and whom a campaign that exists leaves out from now on."""

    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=VALUE",
            help="Leave out, as well, whom this is so of: a kept column, carrier=T-Mobile, "
            "area=+1212; none leaves out nobody.",
        ),
    ] = None

    @property
    def any_guard(self) -> bool:
        """Whether any of them is given."""
        return self.without is not None or super().any_guard


@option_set
class CampaignGuardOptions(LeaveOutOptions, CampaignOptions):
    """The options of ``campaign guard``."""

    max_cost: MaxCostOption = None
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@command
def guard(session: Session, options: CampaignGuardOptions) -> None:
    """Set or show what pauses a campaign, or whom it leaves out.

    What is set counts from now on, and at once.

    \b
    Example:
      sluicegate campaign guard july --pause-if 'failed > 5% by carrier'
      sluicegate campaign guard july --max-messages 5000 --canary none
    """
    campaign = session.campaigns.get(options.name)
    by = by_whom(options.who, options.why, needed=False)
    guards = guards_for(session, campaign, options) if options.any_guard else None
    if options.max_cost is not None:
        cap(session, options.name, options.max_cost, by)
    if guards is not None:
        session.campaigns.guard(options.name, guards, by)
    if options.any_guard or options.max_cost is not None:
        campaign = session.campaigns.get(options.name)
    if options.json:
        write_document(summary(campaign, session.campaigns.ledger(options.name)))
        return
    most = campaign.max_cost and f"{campaign.max_cost} {campaign.currency}"
    pairs = [*([("cap", most)] if most else []), *guard_pairs(campaign)]
    write_pairs(pairs or [("guards", f"{campaign.name} has none")])


def cap(session: Session, name: str, max_cost: str, by: By) -> None:
    """Set a campaign's cap, or with ``none`` take it away."""
    amount = None if max_cost == "none" else Decimal(max_cost)
    session.campaigns.cap(name, amount, session.account, by)


def guards_for(session: Session, campaign: Campaign, options: GuardOptions) -> Guards:
    """A campaign's guards, with what options name in their place; raises BadGuard."""
    recipients = session.campaigns.ledger(campaign.name).imported
    return guards_of(session, campaign.plan, campaign.guards, options, recipients)


def guards_of(
    session: Session, plan: Plan, guards: Guards, options: GuardOptions, recipients: int
) -> Guards:
    """The guards that are there, with what options name in their place; raises BadGuard."""
    guards = replace(guards, canary=_canary(guards.canary, options, recipients))
    if options.pause_if is not None:
        limits = tuple(share_limit(text) for text in _without_none(options.pause_if))
        guards = replace(guards, shares=limits)
    if options.max_messages is not None:
        guards = replace(guards, max_messages=_most(options.max_messages))
    if options.max_segments is not None:
        guards = replace(guards, max_segments=_most(options.max_segments))
    if isinstance(options, LeaveOutOptions) and options.without is not None:
        conditions = tuple(left_out(text, plan) for text in _without_none(options.without))
        _check_carriers(session, conditions)
        before = guards.without if conditions else ()  # none lets them all in again
        guards = replace(guards, without=tuple(dict.fromkeys((*before, *conditions))))
    needs = guards.canary or any(one.kind in ("failed", "undelivered") for one in guards.shares)
    if needs and not set_up(session):
        fail(
            "a canary and shares of deliveries need receipts, which are not set up: "
            "sluicegate doctor says what is missing",
            BAD_INPUT,
        )
    check_guards(guards, plan)
    return guards


def _canary(before: Canary | None, options: GuardOptions, recipients: int) -> Canary | None:
    if options.canary == NONE:
        return None
    size = options.canary
    if size is None:
        if options.until_delivered is None and options.within is None:
            return before
        if before is None:
            fail("--until-delivered and --within belong to --canary", BAD_INPUT)
        size = str(before.size)
    delivered = options.until_delivered or f"{100 * (before.share if before else DELIVERED):g}%"
    within = options.within or (f"{before.within_ms / 1000:g}s" if before else WITHIN)
    return canary(size, delivered, within, recipients)


def _most(text: str) -> int:
    return 0 if text == NONE else int(text)


def _without_none(texts: Sequence[str]) -> Sequence[str]:
    return [] if list(texts) == [NONE] else texts


def _check_carriers(session: Session, conditions: Sequence[LeftOut]) -> None:
    named = next((one for one in conditions if one.kind == "carrier"), None)
    if named and not (session.account.registrations and session.account.carrier_numbers):
        fail(
            f"--without {named.said}: no carriers of numbers are remembered here, since no "
            "registration is configured; keep a column of carriers: campaign start --keep COLUMN",
            BAD_INPUT,
        )
