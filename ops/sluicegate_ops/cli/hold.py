"""``sluicegate hold``: what must be kept, whatever its time and whoever asks."""

from typing import Annotated

import typer

from sluicegate.campaigns.phone import Phones
from sluicegate.errors import BadNumber
from sluicegate.rules import E164
from sluicegate_worker.operator.holds import HoldKind, Holds

from ..inspect import read_holds, server_ms
from ..operating.session import Session
from ..operating.words import clean, hidden, when
from .kit.acts import by_whom
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail
from .kit.groups import group
from .kit.options import AsJsonDocument, AsJsonLines, Unmasked, WhoOption, WhyOption
from .kit.output import table, write, write_lines, write_result

hold = group("Keep a number's or a campaign's records, whatever their time.")

HeldArgument = Annotated[
    str, typer.Argument(metavar="WHAT", help="A number such as +15551234567, or a campaign.")
]


@option_set
class HoldOptions:
    """The options of ``hold add`` and ``hold lift``."""

    what: HeldArgument
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@option_set
class HoldListOptions:
    """The options of ``hold list``."""

    json: AsJsonLines = False
    full: Unmasked = False


@hold.command()
@command
def add(session: Session, options: HoldOptions) -> None:
    """Put a number or a campaign under a legal hold.

    Until it is lifted, neither keep_days nor erase nor campaign delete removes
    what is held.

    \b
    Example:
      sluicegate hold add +15551234567 --why "case 4711"
      sluicegate hold add july --why "case 4711"
    """
    kind, name = _held(session, options.what, known=True)
    by = by_whom(options.who, options.why, needed=True)
    now_ms = int(server_ms(session.client))
    new = Holds(session.client, session.keys).add(kind, name, by, now_ms)
    _write(options, kind, name, "held" if new else "held already")


@hold.command()
@command
def lift(session: Session, options: HoldOptions) -> None:
    """Lift a legal hold: from now on its time counts again.

    \b
    Example:
      sluicegate hold lift july --why "case 4711 is closed"
    """
    kind, name = _held(session, options.what, known=False)
    by = by_whom(options.who, options.why, needed=True)
    if not Holds(session.client, session.keys).lift(kind, name, by):
        fail(f"{_shown(kind, name)} is not under a hold", BAD_INPUT)
    _write(options, kind, name, "no longer held")


@hold.command("list")
@command
def list_(session: Session, options: HoldListOptions) -> None:
    """List what is under a legal hold, the longest first.

    \b
    Example:
      sluicegate hold list
    """
    holds = read_holds(session.client, session.keys)
    if options.json:
        write_lines(holds)
        return
    if not holds:
        typer.echo("nothing is under a hold")
        return
    rows = table("WHAT", "SINCE", "WHO", "WHY", spare=("WHO",))
    for one in holds:
        shown = one.name if options.full else _shown(one.kind, one.name)
        rows.add_row(shown, when(one.at_ms), clean(one.who), clean(one.why))
    write(rows)


def _held(session: Session, what: str, *, known: bool) -> tuple[HoldKind, str]:
    """What an argument means; a campaign must exist to be held."""
    if E164.match(what):
        return "number", what
    if what.startswith("+"):
        try:
            return "number", Phones(None).normalise(what)
        except BadNumber as error:
            fail(f"{hidden(what)}: {error.reason}", BAD_INPUT)
    if known:
        session.campaigns.get(what)
    return "campaign", what


def _shown(kind: str, name: str) -> str:
    return hidden(name) if kind == "number" else f"campaign {clean(name)}"


def _write(options: HoldOptions, kind: str, name: str, state: str) -> None:
    result = {"kind": kind, "name": hidden(name) if kind == "number" else name, "state": state}
    write_result(result, f"{_shown(kind, name)}: {state}", as_json=options.json)
