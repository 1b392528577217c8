"""``sluicegate campaign``: a text to many, from a file, watched and kept in hand."""

import typer

from sluicegate.campaigns.campaign import Action

from ...inspect import claimed
from ..campaign_failures import CampaignCommands
from ..kit.asking import Yes, confirm
from ..kit.output import counted
from ..kit.session import Session
from .export import export
from .pace import pace
from .preflight import check
from .report import report
from .show import Name, list_, show_ledger, status
from .start import start
from .watch import watch

campaign = typer.Typer(
    cls=CampaignCommands, help="A text to many, from a file.", no_args_is_help=True
)


def pause(ctx: typer.Context, name: Name) -> None:
    """Hold a campaign; when this returns, no further POST of it can start.

    \b
    Example:
      sluicegate campaign pause july
    """
    _act(ctx.obj, name, "pause")


def resume(ctx: typer.Context, name: Name) -> None:
    """Let a paused campaign go on.

    \b
    Example:
      sluicegate campaign resume july
    """
    _act(ctx.obj, name, "resume")


def cancel(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """End a campaign for good: who was not sent to yet never will be.

    What was started already may still be accepted.

    \b
    Example:
      sluicegate campaign cancel july
    """
    session: Session = ctx.obj
    pending = session.campaigns.ledger(name).pending
    session.campaigns.get(name)
    confirm(f"Cancel {name} for good, with {counted(pending, 'recipient')} not sent to?", yes)
    _act(session, name, "cancel")


def _act(session: Session, name: str, action: Action) -> None:
    campaigns = session.campaigns
    state = campaigns.act(name, action)
    typer.echo(f"{name} is {state}")
    show_ledger(session, campaigns.ledger(name), claimed(session.client, session.keys, name))


campaign.command("preflight")(check)
campaign.command()(start)
campaign.command("list")(list_)
campaign.command()(status)
campaign.command()(watch)
campaign.command()(pause)
campaign.command()(resume)
campaign.command()(cancel)
campaign.command()(pace)
campaign.command()(report)
campaign.command()(export)
