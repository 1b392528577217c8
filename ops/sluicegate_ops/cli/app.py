"""The command line: every command under its section of the help, and the options of them all."""

from importlib.metadata import version
from typing import Annotated

import typer

from ..operating.session import Session
from . import (
    archive,
    audit,
    campaign,
    dead,
    deployment,
    doubt,
    events,
    halt,
    hold,
    mcp,
    message,
    notify,
    optout,
    person,
    profile,
    serve,
    trend,
    twice,
    user,
)
from . import costs as costing
from . import reconcile as reconciling
from . import relay as relaying
from . import repair as repairing
from .doctor import command as doctoring
from .kit.groups import CONTEXT, Commands
from .kit.options import AccountOption, ConfigOption
from .message import cancel, send
from .probe import command as probe
from .setup import command as setting_up
from .simulate import command as simulate
from .status import command as status
from .status import lanes, why

app = typer.Typer(
    cls=Commands,
    context_settings=CONTEXT,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help comes quickly, and is the same in a pipe
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"sluicegate {version('sluicegate')}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    account: AccountOption = None,
    config: ConfigOption = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Send SMS and MMS through Sluicegate, and account for every message.

    Redis is found by SLUICEGATE_REDIS_URL, or by redis_url in sluicegate.toml.
    Exit status: 0 done, 1 failed or a person is needed, 2 wrong use or input.

    \b
    Example:
      sluicegate status --account marketing
      sluicegate --install-completion
    """
    session = Session(account, config)
    ctx.obj = session
    ctx.call_on_close(session.close)


SEND, WATCH, ACT, RUN = "Send", "Watch", "Act", "Run"

app.command(rich_help_panel=SEND)(send.send)
app.add_typer(campaign.campaign, name="campaign", rich_help_panel=SEND)
app.command(rich_help_panel=WATCH)(status.status)
app.command(rich_help_panel=WATCH)(why.why)
app.command("lanes", rich_help_panel=WATCH)(lanes.list_lanes)
app.add_typer(message.message, name="message", rich_help_panel=WATCH)
app.command(rich_help_panel=WATCH)(costing.costs)
app.command(rich_help_panel=WATCH)(trend.trend)
app.add_typer(audit.audit, name="audit", rich_help_panel=WATCH)
app.command(rich_help_panel=ACT)(cancel.cancel)
app.add_typer(dead.dead, name="dead", rich_help_panel=ACT)
app.add_typer(doubt.doubt, name="doubt", rich_help_panel=ACT)
app.add_typer(twice.twice, name="twice", rich_help_panel=ACT)
app.add_typer(optout.optout, name="optout", rich_help_panel=ACT)
app.add_typer(halt.halt, name="halt", rich_help_panel=ACT)
app.add_typer(events.events, name="events", rich_help_panel=ACT)
app.add_typer(hold.hold, name="hold", rich_help_panel=ACT)
app.command(rich_help_panel=ACT)(person.erase)
app.command(rich_help_panel=ACT)(person.export)
app.command(rich_help_panel=ACT)(reconciling.reconcile)
app.command(rich_help_panel=ACT)(repairing.repair)
app.command(rich_help_panel=RUN)(setting_up.setup)
app.command(rich_help_panel=RUN)(doctoring.doctor)
app.add_typer(archive.archive, name="archive", rich_help_panel=RUN)
app.add_typer(deployment.deployment, name="deployment", rich_help_panel=RUN)
app.add_typer(user.user, name="user", rich_help_panel=RUN)
app.add_typer(profile.profile, name="profile", rich_help_panel=RUN)
app.command(rich_help_panel=RUN)(serve.serve)
app.command(rich_help_panel=RUN)(notify.notify)
app.command(rich_help_panel=RUN)(relaying.relay)
app.command(rich_help_panel=RUN)(mcp.mcp)
app.command(rich_help_panel=RUN)(simulate.simulate)
app.command(rich_help_panel=RUN)(probe.probe)
