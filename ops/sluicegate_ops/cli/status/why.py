"""``sluicegate why``: which level holds messages back, until when, and what would change it."""

from typing import Annotated, Any

import msgspec
import typer

from ...inspect import Wait, Why
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.naming import sender_named
from ..kit.options import AsJsonDocument
from ..kit.output import counted, hidden, tell, write_document, write_pairs
from ..kit.session import Session
from .reasons import SETTINGS, advice_on, change, expected, named, until, until_word, what

_SHOWN = 10


@option_set
class WhyOptions:
    """The options of ``why``."""

    subject: Annotated[
        str, typer.Argument(metavar="account|campaign|sender", help="What to look at.")
    ] = "account"
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name of the campaign or sender.")
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
    """
    causes = _causes(session, options.subject, options.name)
    if options.json:
        write_document(document(causes))
    else:
        _show(causes, session.account.api_key_env)


def document(causes: Why) -> dict[str, Any]:
    """All the causes, for a program."""
    about: dict[str, Any] = msgspec.structs.asdict(causes)
    return about | {"waits": [_entry(wait, causes) for wait in causes.waits]}


def _entry(wait: Wait, causes: Why) -> dict[str, Any]:
    about: dict[str, Any] = msgspec.structs.asdict(wait)
    seconds = None if wait.until_ms is None else max(0.0, wait.until_ms - causes.now_ms) / 1000
    return about | {
        "because": hidden(wait.because),
        "said": hidden(wait.said),
        "seconds": seconds,
        "what": what(wait, causes.rate),
        "change": change(wait, causes.rate),
    }


def _causes(session: Session, subject: str, name: str) -> Why:
    if ":" in subject and not name:
        subject, _, name = subject.partition(":")
    if subject == "account" and not name:
        return session.waits.account()
    if subject == "campaign" and name:
        return session.waits.campaign(name)
    if subject != "sender" or not name:
        asked = f"{subject} {name}".strip()
        fail(f"{asked}: ask why account, why campaign NAME, or why sender SENDER", BAD_INPUT)
    return session.waits.sender(sender_named(session, name))


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
        (f"  {until_word(wait)}", until(wait, causes.now_ms)),
        ("  do", advice.for_key(key_variable) if advice else ""),
        ("  portal", advice.portal if advice else ""),
        ("  change", change(wait, causes.rate)),
    ]
