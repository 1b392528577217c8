"""``sluicegate why``: which level holds messages back, until when, and what would change it."""

from typing import Annotated

import typer

from sluicegate.config import App

from ...inspect import AppUse, Wait, Why, app_use
from ...operating.naming import sender_named
from ...operating.session import Session
from ...operating.status.carriers import whose
from ...operating.status.causes import document
from ...operating.status.reasons import (
    SETTINGS,
    advice_on,
    change,
    expected,
    named,
    until,
    until_word,
    what,
)
from ...operating.words import counted
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.options import AsJsonDocument
from ..kit.output import tell, write_document, write_pairs

_SHOWN = 10


@option_set
class WhyOptions:
    """The options of ``why``."""

    subject: Annotated[
        str, typer.Argument(metavar="account|campaign|sender|app", help="What to look at.")
    ] = "account"
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name of the campaign, sender or app.")
    ] = ""
    json: AsJsonDocument = False


@command
def why(session: Session, options: WhyOptions) -> None:
    """Show what holds messages back, and until when.

    For each cause it says what would change it. What holds back most comes
    first.

    \b
    Example:
      sluicegate why
      sluicegate why campaign july
      sluicegate why sender +15557654321
      sluicegate why app shop
    """
    causes = _causes(session, options.subject, options.name)
    kind, _, name = causes.subject.partition(":")
    use = app_use(session.client, session.keys, name) if kind == "app" else None
    if options.json:
        write_document(document(causes) | ({"use": use} if use else {}))
        return
    _show(causes, session.account.api_key_env)
    if use:
        write_pairs(_used(use, session, name))


def _causes(session: Session, subject: str, name: str) -> Why:
    if ":" in subject and not name:
        subject, _, name = subject.partition(":")
    if subject == "account" and not name:
        return session.waits.account()
    if subject == "campaign" and name:
        return session.waits.campaign(name)
    if subject == "app" and name:
        return session.waits.app(name)
    if subject != "sender" or not name:
        asked, ways = f"{subject} {name}".strip(), "why campaign NAME, why sender SENDER"
        fail(f"{asked}: ask why account, {ways}, or why app NAME", BAD_INPUT)
    return session.waits.sender(sender_named(session, name))


def _used(use: AppUse, session: Session, name: str) -> list[tuple[str, object]]:
    """What an app uses of the caps that the configuration read here gives it."""
    app = session.config.web.apps.get(name) or App(token_env="")
    money = None if app.daily_money is None else f"{app.daily_money:,.2f}"
    currency = session.account.currency
    return [
        ("  not ended", _of(f"{use.waiting:,}", _count(app.most_waiting))),
        ("  today", _of(f"{use.messages_today:,} messages", _count(app.daily_messages))),
        ("  cost today", _of(f"{use.money_today:,.2f}", money) + f" {currency}" if money else ""),
    ]


def _count(cap: int | None) -> str | None:
    return None if cap is None else f"{cap:,}"


def _of(used: str, cap: str | None) -> str:
    return used if cap is None else f"{used}, of {cap} allowed"


def _show(causes: Why, key_variable: str) -> None:
    waiting = (
        "nothing waits" if not causes.waiting else counted(causes.waiting, "message") + " wait"
    )
    waiting += "s" * (causes.waiting == 1)
    tell(f"{named(causes.subject)}: {waiting}", style="bold")
    for wait in causes.waits[:_SHOWN]:
        tell(f"\n{what(wait, causes.rate)}", style="bold")
        write_pairs(_lines(wait, causes, key_variable))
    if (more := len(causes.waits) - _SHOWN) > 0:
        tell(f"\nand {counted(more, 'level')} more: sluicegate lanes, or --json")
    if ends := expected(causes.finish, causes.now_ms):
        tell(f"\ndone {ends}")
    if any(_is_setting(wait) for wait in causes.waits):
        tell(f"\n{SETTINGS}")


def _is_setting(wait: Wait) -> bool:
    """Whether a setting in sluicegate.toml would change it."""
    own = wait.level.startswith("campaign:")
    return wait.kind in ("daily_cap", "rate", "requests", "ceiling", "concurrency") and not own


def _lines(wait: Wait, causes: Why, key_variable: str) -> list[tuple[str, object]]:
    advice = advice_on(wait.because) if wait.kind == "halted" else None
    return [
        ("  next number", whose(wait.number) if wait.number else ""),
        (f"  {until_word(wait)}", until(wait, causes.now_ms)),
        ("  do", advice.for_key(key_variable) if advice else ""),
        ("  portal", advice.portal if advice else ""),
        ("  change", change(wait, causes.rate)),
    ]
