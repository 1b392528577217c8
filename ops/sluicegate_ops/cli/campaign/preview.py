"""``sluicegate campaign preview``: a few rows as they would be sent, above all the odd ones."""

from collections.abc import Callable
from typing import Any

from sluicegate.campaigns.columns import variable
from sluicegate.campaigns.oddities import values_of
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.campaigns.showcase import Exhibit, Showcase

from ...operating.session import Session
from ...operating.words import clean, counted, hidden
from ..kit.command import command, option_set
from ..kit.failures import FAILED, fail, say
from ..kit.options import Unmasked
from ..kit.output import tell, write_document
from ..kit.progress import Meter
from .options import FileOptions
from .planning import opened, planned, reading_of
from .preflight import NO_NAME


@option_set
class PreviewOptions(FileOptions):
    """The options of ``campaign preview``."""

    full: Unmasked = False


@command
def preview(session: Session, options: PreviewOptions) -> None:
    """Show a few rows as they would be sent: the odd ones first.

    It reads all rows, and shows the longest text, the shortest, those with
    accents, those at the edge of a segment, and the first ones. Opt-outs and
    duplicates are not looked for: that is what preflight does.

    \b
    Example:
      sluicegate campaign preview people.csv --from +15557654321 --region US \\
        --text "Hi {{ first_name }}" --sample 10
    """
    shown, rejected = shown_rows(session, options)[1:]
    if options.json:
        write_document({"rejected": rejected, "rows": [_about(each, options) for each in shown]})
    else:
        for each in shown:
            _show(each, options)
        if rejected:
            say(
                f"{counted(rejected, 'row')} can't be sent: sluicegate campaign preflight says why"
            )
    if not shown:
        fail("nothing in these rows can be sent", FAILED)


def shown_rows(session: Session, options: FileOptions) -> tuple[Plan, list[Exhibit], int]:
    """The plan, the rows that are worth a look, and how many are rejected."""
    sheet = opened(session, options)
    reading = reading_of(session, options, sheet)
    plan = planned(session, options, sheet, NO_NAME, reading)
    showcase, rejected = Showcase(options.sample), 0
    language_of = _languages_of(plan)
    with Meter("reading", sheet.size_bytes) as meter:
        rows = Recipients(plan, sheet, session.account, reading)
        for count, row in enumerate(rows, 1):
            meter.at(sheet.read_bytes, count)
            if isinstance(row, Recipient):
                showcase.add(row, language_of(row))
            else:
                rejected += 1
    return plan, showcase.chosen(), rejected


def _languages_of(plan: Plan) -> Callable[[Recipient], str]:
    """Return what tells a recipient's language, where the plan has several."""
    if plan.language_column is None:
        return lambda recipient: ""
    place = plan.values.index(variable(plan.language_column))
    return lambda recipient: f"in {values_of(recipient)[place] or 'no language of its own'}"


def _about(each: Exhibit, options: PreviewOptions) -> dict[str, Any]:
    recipient = each.recipient
    return {
        "line": recipient.line,
        "to": recipient.to if options.full else hidden(recipient.to),
        "text": recipient.text,
        "encoding": recipient.encoding,
        "units": each.units,
        "parts": recipient.parts,
        "why": list(each.why),
    }


def _show(each: Exhibit, options: PreviewOptions) -> None:
    recipient = each.recipient
    to = recipient.to if options.full else hidden(recipient.to)
    length = f"{each.units} {'septets' if recipient.encoding == 'GSM-7' else 'units'}"
    about = f"{counted(recipient.parts, 'segment')}, {length} of {recipient.encoding}"
    why = f" ({', '.join(each.why)})" if each.why else ""
    tell(f"line {recipient.line}, {to}, {about}{why}:")
    for line in recipient.text.splitlines():
        tell(f"    {clean(line)}", indent=4)
