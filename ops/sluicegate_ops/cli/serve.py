"""``sluicegate serve``: receipts from the provider and messages from apps, over HTTP."""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate_worker.observe.logs import configure, secrets_of, style

from .kit.command import command, option_set
from .kit.failures import fail
from .kit.output import listed
from .kit.session import Session

if TYPE_CHECKING:  # the web framework is heavy, and no other command needs it
    from sluicegate_ops.web.site import Site


@option_set
class ServeOptions:
    """The options of ``serve``."""

    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="The address to listen on; else web.host, 127.0.0.1."),
    ] = None
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65_535,
            help="The port; else web.port, 8080. 0 takes a free one.",
        ),
    ] = None


@command
def serve(session: Session, options: ServeOptions) -> None:
    """Take receipts, opt-outs and messages over HTTP, until Ctrl-C.

    It listens on loopback unless told otherwise: put a proxy that speaks HTTPS
    in front of it. The [web] table in sluicegate.toml says which apps may send
    and where the provider reaches it; secrets are in the environment.

    \b
    Example:
      export SLUICEGATE_TELNYX_PUBLIC_KEY=... SLUICEGATE_RECEIPTS_SECRET=$(openssl rand -hex 32)
      sluicegate serve --port 8080
    """
    web = session.config.web
    from sluicegate_ops.web.server import listening
    from sluicegate_ops.web.server import serve as serve_on
    from sluicegate_ops.web.site import Site

    configure(logging.WARNING, style(), secrets_of(session.config))
    site = Site(session.config)
    host, port = options.host or web.host, web.port if options.port is None else options.port
    try:
        sock = listening(host, port)
    except OSError as error:
        fail(f"{host}:{port}: {error.strerror or error}. --port 0 takes a free port")
    with sock:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{sock.getsockname()[1]}"
        serve_on(site, sock, lambda: typer.echo(greeting(site, url)))


def greeting(site: "Site", url: str) -> str:
    """What is served, and what is not set up."""
    web = site.config.web
    accounts, apps = listed(sorted(site.webhook_accounts)), listed(sorted(web.apps))
    unchecked = {
        name: account.webhook_key_env
        for name, account in site.config.accounts.items()
        if name not in site.webhook_accounts
    }
    lines = [f"listening on {url}"]
    if accounts:
        webhook = f"{web.public_url or url}/receipts/ACCOUNT"
        lines.append(f"webhooks are taken for {accounts}; a messaging profile's URL is {webhook}")
    if unchecked:
        names, variables = listed(sorted(unchecked)), listed(sorted(set(unchecked.values())))
        lines.append(f"webhooks are not taken for {names}: to check them, set {variables}")
    if not web.public_url:
        lines.append("messages ask for no receipts: to get them, set web.public_url")
    lines.append(f"apps that may send: {apps or 'none; to let one, add [web.apps.NAME]'}")
    relaying = [name for name, account in site.config.accounts.items() if account.inbound_url]
    if relaying:
        lines.append(f"what comes in is passed on for {listed(sorted(relaying))}")
    if silent := sorted(set(site.webhook_accounts) - set(relaying)):
        lines.append(f"what comes in for {listed(silent)} goes to no app: set inbound_url")
    return "\n".join(lines)
