"""``sluicegate serve``: receipts from the provider and messages from apps, over HTTP."""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from sluicegate_worker.observe.logs import configure, secrets_of, style

from .kit.failures import fail
from .kit.output import listed
from .kit.session import Session

if TYPE_CHECKING:  # the web framework is heavy, and no other command needs it
    from sluicegate_ops.web.site import Site


def serve(
    ctx: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; else web.host, 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port; else web.port, 8080. 0: a free one."),
    ] = None,
) -> None:
    """Take receipts, opt-outs and messages over HTTP, until Ctrl-C.

    It listens on loopback unless told otherwise: put a proxy that speaks
    https before it. What apps may send, and where the provider reaches it,
    stands under [web] in sluicegate.toml; secrets are in the environment.

    \b
    Example:
      export SLUICEGATE_TELNYX_PUBLIC_KEY=... SLUICEGATE_RECEIPTS_SECRET=$(openssl rand -hex 32)
      sluicegate serve --port 8080
    """
    session: Session = ctx.obj
    web = session.config.web
    from sluicegate_ops.web.server import listening
    from sluicegate_ops.web.server import serve as serve_on
    from sluicegate_ops.web.site import Site

    configure(logging.WARNING, style(), secrets_of(session.config))
    site = Site(session.config)
    address, number = host or web.host, web.port if port is None else port
    try:
        sock = listening(address, number)
    except OSError as error:
        fail(f"{address}:{number}: {error.strerror or error}. --port 0 takes a free port")
    with sock:
        at = sock.getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        serve_on(site, sock, lambda: typer.echo(_said(site, f"http://{shown}:{at}")))


def _said(site: "Site", url: str) -> str:
    """What is served, and what is not set up."""
    web = site.config.web
    accounts, apps = listed(sorted(site.webhook_accounts)), listed(sorted(web.apps))
    lines = [f"listening on {url}"]
    if accounts:
        at = f"{web.public_url or url}/receipts/ACCOUNT"
        lines.append(f"webhooks are taken for {accounts}; a messaging profile's URL is {at}")
    else:
        lines.append("webhooks are not taken: no account has a key to check them with")
    if not web.public_url:
        lines.append("messages ask for no receipts: web.public_url is not set")
    lines.append(f"apps that may send: {apps or 'none, there is no [web.apps.NAME]'}")
    return "\n".join(lines)
