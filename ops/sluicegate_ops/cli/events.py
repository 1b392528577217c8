"""``sluicegate events``: what apps are told, and whether they hear it."""

import secrets
from base64 import b64encode
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import typer

from sluicegate.audit import act
from sluicegate.errors import InvalidConfig
from sluicegate.masking import masked
from sluicegate.scripts import Script, Scripts, new_token

from ..inspect import AppEvent, EventReaderState, every_event, read_event_readers, read_events
from ..operating.session import Session
from ..operating.words import clean, counted, when
from .kit.acts import by_whom
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, FAILED, fail
from .kit.groups import group
from .kit.options import AsJsonDocument, AsJsonLines, ListLimit, Unmasked, WhoOption, WhyOption
from .kit.output import table, write, write_document, write_lines, write_result

AGAIN = Script("sluicegate_ops.web.event_again")

events = group("See what apps are told, and pass it on again.")

AppArgument = Annotated[str, typer.Argument(metavar="APP", help="An app of [web.apps].")]


@option_set
class EventListOptions:
    """The options of ``events list``."""

    after: Annotated[int, typer.Option(metavar="N", min=0, help="Only those behind this.")] = 0
    app: Annotated[str | None, typer.Option(metavar="APP", help="Only this app's.")] = None
    message: Annotated[str | None, typer.Option(metavar="ID", help="Only this message's.")] = None
    limit: ListLimit = 50
    json: AsJsonLines = False
    full: Unmasked = False


@option_set
class EventStatusOptions:
    """The options of ``events status``."""

    json: AsJsonDocument = False


@option_set
class EventReplayOptions:
    """The options of ``events replay``."""

    app: AppArgument
    after: Annotated[int, typer.Option(metavar="N", min=0, help="Those behind this number.")]
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@option_set
class EventEnableOptions:
    """The options of ``events enable``."""

    app: AppArgument
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@option_set
class EventKeyOptions:
    """The options of ``events key``."""

    app: AppArgument
    json: AsJsonDocument = False


@option_set
class EventSecretOptions:
    """The options of ``events secret``."""

    json: AsJsonDocument = False


@events.command("list")
@command
def list_(session: Session, options: EventListOptions) -> None:
    """List the events that are kept, oldest first.

    \b
    Example:
      sluicegate events list --after 4700 --app shop
      sluicegate events list --message shop:order-1 --json
    """
    found = (
        event
        for event in every_event(session.client, session.keys, options.after)
        if options.app in (None, event.app) and options.message in (None, event.id)
    )
    shown = list(islice(found, options.limit or None))
    if options.json:
        write_lines([_plain(event, options.full) for event in shown])
    elif shown:
        _write(shown, options.full)
    else:
        typer.echo(_nothing(session))


@events.command()
@command
def status(session: Session, options: EventStatusOptions) -> None:
    """Show how far each app was given its events, and who is given none.

    Exits with 1 if an app is given none any more.

    \b
    Example:
      sluicegate events status
    """
    page = read_events(session.client, session.keys, 0, 1)
    states = read_event_readers(session.client, session.keys)
    first = page.events[0].number if page.events else page.last + 1
    if options.json:
        apps = [state._asdict() for state in states]
        write_document({"last": page.last, "first": first, "apps": apps})
    else:
        kept = f"events {first:,} to {page.last:,} are kept" if page.events else "none is kept"
        typer.echo(kept)
        rows = table("APP", "EVENTS", "GIVEN TO", "OFF SINCE", "WHY", right=("GIVEN TO",))
        for state in states:
            rows.add_row(*_cells(session, state))
        if states:
            write(rows)
    if any(state.off_ms for state in states):
        raise typer.Exit(FAILED)


@events.command()
@command
def replay(session: Session, options: EventReplayOptions) -> None:
    """Pass events on again to an app: those behind a number.

    Each has the id that it had before, so that an app knows which it has seen.

    \b
    Example:
      sluicegate events replay shop --after 4700 --why "it lost a day"
    """
    by = by_whom(options.who, options.why, needed=True)
    page = read_events(session.client, session.keys, 0, 1)
    if options.after > page.last:
        fail(f"--after: the last event is {page.last}", BAD_INPUT)
    said = act(by, "replay events", filter={"app": options.app, "after": str(options.after)})
    _again(session, options.app, str(options.after), said.said(), as_json=options.json)


@events.command()
@command
def enable(session: Session, options: EventEnableOptions) -> None:
    """Pass events on again to an app that is given none any more.

    It had taken none for three days, or answered 410. It goes on with the first
    event that it did not take.

    \b
    Example:
      sluicegate events enable shop --why "its server is back"
    """
    by = by_whom(options.who, options.why, needed=True)
    said = act(by, "enable events", filter={"app": options.app})
    _again(session, options.app, "", said.said(), as_json=options.json)


@events.command()
@command
def key(session: Session, options: EventKeyOptions) -> None:
    """Print the public key that Telnyx's SDK checks them with.

    It is derived of the app's secret, which stays here.

    \b
    Example:
      sluicegate events key shop
    """
    from ..web.event_signing import EventSigner

    app = session.config.web.apps.get(options.app)
    if app is None or not app.events_url:
        raise InvalidConfig(f"web.apps.{options.app}", "has no events_url")
    signer = EventSigner(app.events_secret_env, app.events_secrets())
    known = {"app": options.app, "public_key": signer.public_key}
    write_result(known, signer.public_key, as_json=options.json)


@events.command()
@command
def secret(session: Session, options: EventSecretOptions) -> None:
    """Print a new secret to sign an app's events with.

    It belongs into the environment of both sides, as events_secret_env names it.

    \b
    Example:
      sluicegate events secret
    """
    made = f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"
    write_result({"secret": made}, made, as_json=options.json)


def _again(session: Session, app: str, after: str, said: bytes, *, as_json: bool) -> None:
    scripts = Scripts(session.client, session.keys.prefix)
    answer = scripts.call(AGAIN, [app, after, new_token(), said])
    if not answer:
        known = ", ".join(s.app for s in read_event_readers(session.client, session.keys))
        fail(f"no app {app} wants events; known: {known or 'none'}", BAD_INPUT)
    since, last = map(int, answer)
    text = f"{app} is given events {since + 1:,} to {last:,}, and what follows"
    if since >= last:
        text = f"{app} is given the events that follow"
    write_result({"app": app, "after": since, "last": last}, text, as_json=as_json)


def _plain(event: AppEvent, full: bool) -> dict[str, Any]:
    facts = dict(event.facts)
    for name in () if full else ("body", "said", "reason"):
        facts.pop(name, None)
    if not full and "to" in facts:
        facts["to"] = masked(facts["to"])
    about = {"number": event.number, "kind": event.kind, "at_ms": event.told_ms}
    return about | ({"id": event.id} if event.id else {}) | facts


def _write(shown: list[AppEvent], full: bool) -> None:
    rows = table("NUMBER", "AT", "KIND", "ABOUT", "TO", spare=("AT",), right=("NUMBER",))
    for event in shown:
        facts = event.facts
        to = facts.get("to", "")
        about = event.id or facts.get("campaign", "") or facts.get("act", "")
        state = f" {facts['state']}" if event.kind == "campaign" and "state" in facts else ""
        cells = (f"{event.kind}{state}", about, to if full or not to else masked(to))
        rows.add_row(f"{event.number}", when(event.told_ms), *map(clean, cells))
    write(rows)


def _cells(session: Session, state: EventReaderState) -> Iterator[str]:
    app = session.config.web.apps.get(state.app)
    yield state.app
    yield app.events if app else "not configured here"
    yield f"{state.given:,}" if app and app.events_url else "reads itself"
    yield when(state.off_ms) if state.off_ms else ""
    yield clean(state.why)


def _nothing(session: Session) -> str:
    wanting = [name for name, app in session.config.apps_of(session.name).items() if app.events]
    if wanting:
        return f"no such event is kept; {counted(len(wanting), 'app')} of this account want them"
    return 'no app of this account wants events: [web.apps.NAME] with events = "own" or "all"'
