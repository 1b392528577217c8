"""``sluicegate serve``: receipts from the provider and messages from apps, over HTTP."""

import gc
import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from sluicegate.addresses import is_loopback
from sluicegate.config import Desk
from sluicegate.config.web import FEWEST_CONNECTIONS, Web
from sluicegate.errors import OutboxError
from sluicegate_worker.observe.logs import configure, secrets_of, style

from ..operating.session import Session
from ..operating.words import listed
from .kit.command import command, option_set
from .kit.failures import fail, say

if TYPE_CHECKING:  # the web framework is heavy, and no other command needs it
    import socket

    from sluicegate_ops.web.server import ListenerApp
    from sluicegate_ops.web.site import Site

log = logging.getLogger(__name__)


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
            help="The port; else web.port, 8080. 0 takes a free one, and one for monitoring.",
        ),
    ] = None
    metrics_host: Annotated[
        str | None,
        typer.Option(
            metavar="HOST",
            help="The address for health and metrics; else web.metrics_host, 127.0.0.1.",
        ),
    ] = None
    metrics_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65_535,
            help="Their port; else web.metrics_port, 8081. 0 takes a free one.",
        ),
    ] = None
    desk_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=0,
            max=65_535,
            help="The desk's port; else web.desk.port, 8082. 0 takes a free one.",
        ),
    ] = None


@command
def serve(session: Session, options: ServeOptions) -> None:
    """Take receipts, opt-outs and messages over HTTP, until Ctrl-C.

    It listens on loopback unless told otherwise: put a proxy that speaks HTTPS
    in front of it. The [web] table in sluicegate.toml says which apps may send
    and where the provider reaches it; secrets are in the environment. Health
    and metrics are at a port of their own, and so is the desk, where people log
    in, if [web.desk] is there.

    \b
    Example:
      export SLUICEGATE_TELNYX_PUBLIC_KEY=... SLUICEGATE_RECEIPTS_SECRET=$(openssl rand -hex 32)
      sluicegate serve --port 8080
    """
    web = listening_web(session.config.web, options)
    from sluicegate_ops.web.server import Server, connections_possible
    from sluicegate_ops.web.server import serve as serve_on
    from sluicegate_ops.web.site import Site

    configure(logging.WARNING, style(), secrets_of(session.config))
    _claim_identities(session)
    possible = connections_possible(web.connections)
    if possible < FEWEST_CONNECTIONS:
        fail("the limit on open files is too low to serve anybody: raise it (ulimit -n)")
    allowed = msgspec.structs.replace(web, connections=possible)
    site = Site(msgspec.structs.replace(session.config, web=allowed))
    with ExitStack() as opened:
        front = opened.enter_context(_socket(web.host, web.port, "--port"))
        monitored = opened.enter_context(
            _socket(web.metrics_host, web.metrics_port, "--metrics-port")
        )
        for warning in warnings(web, possible):
            say(f"warning: {warning}")
        urls, sockets = (_url(front), _url(monitored)), [front, monitored]
        beside, said = [], ""
        if web.desk is not None:
            desk, sock = _opened_desk(session, web.desk, opened)
            beside.append(desk)
            sockets.append(sock)
            said = f"\n{_desk_greeting(web.desk, _url(sock))}"
        ready = f"{greeting(site, *urls)}{said}"
        serve_on(Server(site, lambda: _begin(ready), beside=beside), sockets)


def _begin(said: str) -> None:
    """Say that it serves, with nothing left that stops all answers at once.

    The garbage collector would look through everything that has been loaded, again and again:
    under load that took 70 ms twice a second, and 180 on a busy host.
    """
    gc.collect()
    gc.freeze()
    typer.echo(said)


def _opened_desk(
    session: Session, desk: Desk, opened: ExitStack
) -> tuple["ListenerApp", "socket.socket"]:
    from sluicegate_ops.desk.app import DeskSite

    site = DeskSite(session.config, session.config_path)
    opened.callback(site.close)
    return site.listener(), opened.enter_context(_socket(desk.host, desk.port, "--desk-port"))


def _desk_greeting(desk: Desk, url: str) -> str:
    said = f"the desk is at {desk.url or url}/desk/"
    shut = not any(user.password_hash for user in desk.users.values()) and not desk.user_header
    return f"{said}; nobody can log in yet: sluicegate user add NAME, then restart" * shut or said


def listening_web(web: Web, options: ServeOptions) -> Web:
    """The settings with what the command line says; port 0 is for monitoring as well."""
    port = web.port if options.port is None else options.port
    free = options.port == 0 and options.metrics_port is None
    metrics_port = web.metrics_port if options.metrics_port is None else options.metrics_port
    return msgspec.structs.replace(
        web,
        host=options.host or web.host,
        port=port,
        metrics_host=options.metrics_host or web.metrics_host,
        metrics_port=0 if free else metrics_port,
        desk=_listening_desk(web, options),
    )


def _listening_desk(web: Web, options: ServeOptions) -> Desk | None:
    desk, free = web.desk, options.port == 0 and options.desk_port is None
    if desk is None:
        return None
    port = desk.port if options.desk_port is None else options.desk_port
    return msgspec.structs.replace(desk, port=0 if free else port)


def warnings(web: Web, possible: int) -> list[str]:
    """What is to be known before it serves; ``possible`` connections may be open."""
    said = []
    if not is_loopback(web.host) and not web.proxies:
        said.append(
            f"{web.host} is not loopback, and this server speaks no TLS: tokens, numbers and "
            "texts can be read on the way. Listen on 127.0.0.1 behind a proxy that speaks HTTPS; "
            "if one is in front already, name its address in web.proxies"
        )
    if possible < web.connections:
        said.append(
            f"the limit on open files allows {possible} connections, not the {web.connections} "
            "of web.connections: raise it (ulimit -n, LimitNOFILE=)"
        )
    return said


def _claim_identities(session: Session) -> None:
    """End ``serve`` with WrongDeployment where an account is another deployment's.

    While Redis doesn't answer, or can't store who we are, that is left to the heartbeat.
    """
    session.of_any_deployment = True  # asked here, and of every account
    for account in session.every_account():
        try:
            account.identities.claim()
        except OutboxError as error:
            log.warning("whose accounts these are is asked again: %s", error)
            return


def greeting(site: "Site", url: str, metrics_url: str) -> str:
    """What is served, and what is not set up."""
    web = site.config.web
    accounts, apps = listed(sorted(site.webhook_accounts)), listed(sorted(web.apps))
    unchecked = {
        name: account.webhook_key_env
        for name, account in site.config.accounts.items()
        if name not in site.webhook_accounts
    }
    lines = [f"listening on {url}", f"health and metrics are at {metrics_url}"]
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


def _socket(host: str, port: int, option: str) -> "socket.socket":
    from sluicegate_ops.web.server import listening

    try:
        return listening(host, port)
    except OSError as error:
        fail(f"{host}:{port}: {error.strerror or error}. {option} 0 takes a free port")


def _url(sock: "socket.socket") -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
