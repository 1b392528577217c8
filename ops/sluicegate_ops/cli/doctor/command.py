"""``sluicegate doctor``: looks at everything, changes nothing, and says what to do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...operating.session import Session
from ...operating.words import clean, counted
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import FAILED, say
from ..kit.options import AsJsonDocument, Confirmed
from ..kit.output import tell, write_document

if TYPE_CHECKING:  # heavy, and the help does without it
    from .rounds import DoctorReport

COULD_NOT_LOOK = 2


@option_set
class DoctorOptions:
    """The options of ``doctor``."""

    offline: Annotated[
        bool, typer.Option("--offline", help="Ask neither the provider nor the public URL.")
    ] = False
    repair: Annotated[
        bool, typer.Option("--repair", help="Close files to others; nothing else is changed.")
    ] = False
    yes: Confirmed = False
    json: AsJsonDocument = False


@command
def doctor(session: Session, options: DoctorOptions) -> None:
    """Find what this deployment gets wrong.

    Looks at Redis, the broker, workers, keys, webhooks, the account at the
    provider and this host, and changes nothing. Exits with 0 if all is well, 1
    if something is wrong, 2 if something could not be looked at.

    \b
    Example:
      sluicegate doctor
      sluicegate doctor --offline --json
    """
    from .checks import checks
    from .rounds import make

    session.writes, session.of_any_deployment = False, True
    report = make(checks(session, offline=options.offline))
    if options.json:
        write_document(
            {
                "account": session.name,
                "findings": report.findings,
                "not_looked": report.not_looked,
            }
        )
    else:
        _show(session, report)
    if options.repair:
        _repair(report, options.yes)
    if report.findings:
        raise typer.Exit(FAILED)
    if report.not_looked:
        raise typer.Exit(COULD_NOT_LOOK)


def _show(session: Session, report: "DoctorReport") -> None:
    for one in report.findings:
        tell(f"- {clean(one.what)}", indent=2, style="bold")
        tell(f"    why  {clean(one.why)}", indent=9)
        tell(f"    do   {clean(one.do)}", indent=9)
    for name, why in report.not_looked.items():
        tell(f"? not looked at: {name}: {clean(why)}", indent=2)
    found = counted(len(report.findings), "thing is wrong", "things are wrong")
    typer.echo(f"account {session.name}: {found if report.findings else 'nothing is wrong'}")


def _repair(report: "DoctorReport", yes: bool) -> None:
    from .host import close_to_others

    paths = [one.repairs for one in report.findings if one.repairs]
    if not paths:
        say("there is nothing that --repair mends")
        return
    confirm(f"Close to others: {', '.join(paths)}?", yes)
    for path in paths:
        close_to_others(Path(path))
    say(f"closed to others: {', '.join(paths)}")
