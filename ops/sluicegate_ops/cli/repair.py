"""``sluicegate repair``: check every index that can be derived, and build again what was lost."""

import typer

from ..operating.session import Session
from ..operating.words import counted, listed
from .kit.command import command, option_set
from .kit.options import AsJsonDocument
from .kit.output import write_document


@option_set
class RepairOptions:
    """The options of ``repair``."""

    json: AsJsonDocument = False


@command
def repair(session: Session, options: RepairOptions) -> None:
    """Check that each message is where workers look for it.

    Which lanes are ready, what is due, dead or in doubt, which campaigns run:
    all of that is derived from the messages themselves, and is built again
    where it was lost. It may run while messages are sent, and changes nothing
    that is right.

    \b
    Example:
      sluicegate repair
    """
    put_back = session.repair.run()
    if options.json:
        write_document({"put_back": dict(put_back)})
    elif put_back:
        parts = [f"{count:,} in {index}" for index, count in sorted(put_back.items())]
        total = counted(put_back.total(), "entry", "entries")
        typer.echo(f"lost, and put back: {total}, {listed(parts)}")
    else:
        typer.echo("nothing is lost")
