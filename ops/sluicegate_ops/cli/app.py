"""The commands, put together, and the options that all of them take."""

from importlib.metadata import version
from typing import Annotated

import typer

from . import audit, campaign, dead, doubt, halt, optout, serve, simulate, status
from . import message as messages
from .kit.failures import Commands
from .kit.session import Session
from .message import send
from .status import lanes, why

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help, quick to come, the same on a terminal and in a pipe
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"sluicegate {version('sluicegate')}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    account: Annotated[str, typer.Option(help="The account to work with.")] = "default",
    config: Annotated[
        str | None,
        typer.Option(help="Configuration file; else $SLUICEGATE_CONFIG, else ./sluicegate.toml."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Send SMS and MMS through Sluicegate, and keep account of them.

    SLUICEGATE_REDIS_URL says where Redis is, unless sluicegate.toml does. Exit status: 0 done,
    1 failed or a person is needed, 2 bad use or bad input.

    \b
    Example:
      sluicegate --account marketing status
    """
    session = Session(account, config)
    ctx.obj = session
    ctx.call_on_close(session.close)


app.command()(status.status)
app.command()(why.why)
app.command("lanes")(lanes.list_lanes)
app.command()(send.send)
app.add_typer(messages.message, name="message")
app.add_typer(audit.audit, name="audit")
app.command()(messages.cancel)
app.add_typer(campaign.campaign, name="campaign")
app.add_typer(dead.dead, name="dead")
app.add_typer(doubt.doubt, name="doubt")
app.add_typer(optout.optout, name="optout")
app.add_typer(halt.halt, name="halt")
app.command()(serve.serve)
app.command()(simulate.simulate)
