"""``sluicegate why``: which level holds messages back, until when, and what would change it."""

from typing import Annotated, Any

import msgspec
import typer

from ...inspect import Wait, Why
from ..kit.failures import BAD_INPUT, fail
from ..kit.naming import sender
from ..kit.output import Document, console, counted, hidden, write_document, write_pairs
from ..kit.session import Session
from .reasons import SETTINGS, advice_on, change, expected, named, until, until_word, what

_SHOWN = 10

Subject = Annotated[
    str, typer.Argument(metavar="[account|campaign|sender]", help="What to look at.")
]
Name = Annotated[
    str, typer.Argument(metavar="[NAME]", help="The campaign's name, or who is the sender.")
]


def why(
    ctx: typer.Context, subject: Subject = "account", name: Name = "", json: Document = False
) -> None:
    """Say what holds messages back, until when, and what would change it.

    What stops most stands first.

    \b
    Example:
      sluicegate why
      sluicegate why campaign july
      sluicegate why sender +15557654321
    """
    session: Session = ctx.obj
    found = _found(session, subject, name)
    if json:
        write_document(document(found))
    else:
        _show(found)


def document(found: Why) -> dict[str, Any]:
    """All of it for a program."""
    about: dict[str, Any] = msgspec.structs.asdict(found)
    return about | {"waits": [_entry(wait, found) for wait in found.waits]}


def _entry(wait: Wait, found: Why) -> dict[str, Any]:
    about: dict[str, Any] = msgspec.structs.asdict(wait)
    seconds = None if wait.until_ms is None else max(0.0, wait.until_ms - found.now_ms) / 1000
    return about | {
        "because": hidden(wait.because),
        "seconds": seconds,
        "what": what(wait, found.rate),
        "change": change(wait),
    }


def _found(session: Session, subject: str, name: str) -> Why:
    if ":" in subject and not name:
        subject, _, name = subject.partition(":")
    if subject == "account" and not name:
        return session.waits.account()
    if subject == "campaign" and name:
        return session.waits.campaign(name)
    if subject != "sender" or not name:
        asked = f"{subject} {name}".strip()
        fail(f"{asked}: ask why account, why campaign NAME, or why sender SENDER", BAD_INPUT)
    return session.waits.sender(sender(session, name))


def _show(found: Why) -> None:
    out = console()
    waiting = "nothing waits" if not found.waiting else counted(found.waiting, "message") + " wait"
    waiting += "s" * (found.waiting == 1)
    out.print(f"{named(found.subject)}: {waiting}", style="bold", soft_wrap=True)
    for wait in found.waits[:_SHOWN]:
        out.print(f"\n{what(wait, found.rate)}", style="bold", soft_wrap=True)
        write_pairs(_lines(wait, found))
    if (more := len(found.waits) - _SHOWN) > 0:
        out.print(f"\nand {counted(more, 'level')} more: sluicegate lanes, or --json")
    if ends := expected(found.finish, found.now_ms):
        out.print(f"\ndone {ends}", soft_wrap=True)
    if any(_is_setting(wait) for wait in found.waits):
        out.print(f"\n{SETTINGS}", soft_wrap=True)


def _is_setting(wait: Wait) -> bool:
    """Whether what would change it stands in sluicegate.toml."""
    own = wait.level.startswith("campaign:")
    return wait.kind in ("daily_cap", "rate", "requests", "concurrency") and not own


def _lines(wait: Wait, found: Why) -> list[tuple[str, object]]:
    advice = advice_on(wait.because) if wait.kind == "halted" else None
    return [
        (f"  {until_word(wait)}", until(wait, found.now_ms)),
        ("  do", advice.advice if advice else ""),
        ("  portal", advice.portal if advice else ""),
        ("  change", change(wait)),
    ]
